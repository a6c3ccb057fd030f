/**
 * The peek scenario: lines of a running payload, read through the API process that has its pilot and through another one,
 * over MongoDB and NATS. A line says when it was written; the reader has it within a second.
 */

import { hasEnded } from '../../client/follow.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { until } from '../../core/kernel/clock.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { localClouds } from '../support/local-service-config.ts'
import { connectAdmin, connectUser } from '../support/service-process.ts'
import { openPlant, type Plant } from './engines-plant.ts'
import { type Outcome, percentile, promised, type Scenario, type Stage } from './scenario.ts'

const lines = 60
const everySeconds = 0.25
const promisedMs = 1000
const vmsGoneMs = 60_000
const mib = 1024 * 1024

const config = {
  director: { interval: '2s', settle: '5s' },
  vm: { idleTimeout: '5s', heartbeatInterval: '5s', heartbeatTimeout: '60s' },
  clouds: localClouds({ maxVms: 1, cores: 4, memory: '4GiB', disk: '4GiB', maxCreatesPerStep: 1 }),
}

export const peek: Scenario = {
  name: 'peek',
  about: 'lines of a running payload, read through the API process of its pilot and through another',
  async run(stage) {
    const plant = await openPlant(stage, { apis: 2, directors: 1, config, serving: [1] })
    try {
      await plant.serving()
      return await play(stage, plant)
    } finally {
      await plant.close()
    }
  },
}

/** `late`: of each line, from its write to its reading; `text`: all of them. */
type Seen = { readonly late: readonly number[]; readonly text: string }

async function play({ clock }: Stage, plant: Plant): Promise<Outcome> {
  const [away = '', near = ''] = plant.server.split(',')
  const admin = connectAdmin(clock, plant, away)
  const user = await connectUser(admin, 'biomed', 'ada')
  const nearAdmin = connectAdmin(clock, plant, near)
  const script = `for i in $(seq ${lines}); do echo "$(date +%s%3N) $i"; sleep ${everySeconds}; done; exit 0`
  const { jobIds } = await user.submit([specOf(script)])
  const jobId = jobIds[0] ?? 0
  const [across, direct] = await Promise.all([reading(user, jobId, clock.nowMs), reading(nearAdmin, jobId, clock.nowMs)])
  let kept = ''
  for await (const piece of user.output(jobId)) kept += Buffer.from(piece).toString()
  let hasJobEnded = false
  for await (const job of user.list({ jobIds: [jobId] })) hasJobEnded = hasEnded(job)
  const vmsGone = await until(clock, async () => (await admin.vms()).length === 0, { withinMs: vmsGoneMs, everyMs: 500 })
  for (const client of [admin, user, nearAdmin]) client.close()
  const badly = await plant.stop()
  const [worstAcross, worstDirect] = [Math.max(...across.late), Math.max(...direct.late)]
  return {
    figures: {
      lines: across.late.length + direct.late.length,
      one_process_p50_ms: percentile(direct.late, 0.5),
      one_process_most_ms: worstDirect,
      two_processes_p50_ms: percentile(across.late, 0.5),
      two_processes_most_ms: worstAcross,
    },
    shortfalls: [
      ...promised(hasJobEnded, 'the job did not end'),
      ...promised(across.late.length === lines, `${across.late.length} of ${lines} lines came through the other process`),
      ...promised(direct.late.length === lines, `${direct.late.length} of ${lines} lines came through the pilot's process`),
      ...promised(across.text === kept && direct.text === kept, 'what was read is not what was kept'),
      ...promised(worstAcross < promisedMs, `a line came after ${worstAcross} ms through the other process`),
      ...promised(worstDirect < promisedMs, `a line came after ${worstDirect} ms through the pilot's process`),
      ...promised(vmsGone, 'the VMs did not end'),
      ...badly,
    ],
  }
}

/** A piece may have several lines, never a part of one: each is written at once. */
async function reading(client: PilotageClient, jobId: number, nowMs: () => number): Promise<Seen> {
  const late: number[] = []
  let text = ''
  for await (const { data } of client.peek(jobId)) {
    const atMs = nowMs()
    const piece = Buffer.from(data).toString()
    text += piece
    for (const line of piece.split('\n')) if (line !== '') late.push(atMs - Number(line.split(' ')[0]))
  }
  return { late, text }
}

function specOf(script: string): JobSpec {
  return JobSpec.fromPartial({
    executable: '/bin/sh',
    arguments: ['-c', script],
    requirements: { cores: { min: 1, max: 1 }, memoryBytes: 64 * mib, diskBytes: 16 * mib, wallMs: 600_000 },
  })
}
