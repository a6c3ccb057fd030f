/**
 * The engines scenario: many processes over MongoDB and NATS, each of them killed in turn, the servers included, while
 * thousands of jobs run on local VMs. It must not show.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { sleep, until } from '../../core/kernel/clock.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { localClouds } from '../support/local-service-config.ts'
import { connectAdmin, connectUser } from '../support/service-process.ts'
import { auditHolders, auditStream, auditWork, type Submitted } from './engines-audit.ts'
import { everyFact } from './engines-facts.ts'
import { openPlant, type Plant } from './engines-plant.ts'
import { auditMachines } from './kill-audit.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

const jobs = 20_000
const batch = 100
const killEveryMs = 10_000
const patienceMs = 180_000
const drainMs = 420_000
const vmsGoneMs = 90_000
const mib = 1024 * 1024

const config = {
  log: { level: 'info' },
  // Much longer than any absence: no attempt is ever lost, so that every second run would be our mistake.
  queue: { lease: '120s', renewEvery: '10s' },
  director: { interval: '2s', settle: '5s' },
  vm: { idleTimeout: '20s', heartbeatInterval: '5s', heartbeatTimeout: '120s' },
  // Payloads write what they did into a file outside of their own folders: no isolation.
  clouds: localClouds({ maxVms: 8, cores: 4, memory: '4GiB', disk: '4GiB', maxCreatesPerStep: 4, isolation: 'plain' }),
}

export const engines: Scenario = {
  name: 'engines',
  about: `${jobs} jobs over MongoDB and NATS: 3 API processes, 2 directors, 8 VMs, each killed in turn every 10 s`,
  async run(stage) {
    const plant = await openPlant(stage, { apis: 3, directors: 2, config })
    try {
      await plant.serving()
      return await play(stage, plant)
    } finally {
      await plant.close()
    }
  },
}

async function play(stage: Stage, plant: Plant): Promise<Outcome> {
  const { clock, dir, say } = stage
  const admin = connectAdmin(clock, plant, plant.server, patienceMs)
  const users = await Promise.all(['biomed', 'astro'].map((vo) => connectUser(admin, vo, 'ada')))
  try {
    mkdirSync(join(dir, 'books'))
    const submitting = submitAll(stage, users)
    const drained = new AbortController()
    const killing = killInTurn(stage, plant, drained.signal)
    const submitted = await submitting
    say(`${jobs} jobs acknowledged`)
    const isDrained = await untilAllEnded(stage, admin)
    drained.abort()
    const kills = await killing
    const vmsGone = await until(clock, async () => (await admin.vms()).length === 0, { withinMs: vmsGoneMs, everyMs: 1000 })
    const vms = await admin.vms({ ended: true })
    const { facts, streamed } = await everyFact(stage, plant)
    const badly = await plant.stop()
    const work = auditWork(submitted, facts)
    const holders = auditHolders(plant.lives(), facts)
    const stream = auditStream(facts, streamed)
    await plant.close()
    const orphans = await auditMachines(stage, plant.dataDir, vms)
    return {
      figures: {
        jobs,
        kills,
        ...work.figures,
        ...holders.figures,
        ...stream.figures,
        orphans: orphans.length,
        vms: vms.length,
      },
      shortfalls: [
        ...promised(isDrained, `not all jobs ended within ${drainMs / 1000} s`),
        ...promised(kills >= plant.names.length, `only ${kills} kills: not everything was killed once`),
        ...promised(vmsGone, `not all VMs were gone within ${vmsGoneMs / 1000} s of the last job`),
        ...plant.fallen(),
        ...badly,
        ...[work, holders, stream].flatMap(({ shortfalls }) => shortfalls),
        ...orphans,
      ],
    }
  } finally {
    for (const client of [admin, ...users]) client.close()
  }
}

const script =
  'echo "start $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"; sleep "$1"; echo "end $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"'
const quick =
  'echo "start $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"; echo "end $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"'

/** One in a hundred sleeps for some seconds; the others are as short as a shell can be. */
function specFor(book: string, at: number): JobSpec {
  const words = at % 100 === 7 ? [script, book, '3'] : [quick, book]
  return JobSpec.fromPartial({
    name: 'booked',
    executable: '/bin/sh',
    arguments: ['-c', ...words],
    requirements: { cores: { min: 1, max: 1 }, memoryBytes: 32 * mib, diskBytes: mib, wallMs: 60_000 },
  })
}

/** Each batch under a key, four at a time; a user repeats it until it is acknowledged. */
async function submitAll({ dir }: Stage, users: readonly PilotageClient[]): Promise<readonly Submitted[]> {
  const submitted: Submitted[] = []
  let next = 0
  const submitSome = async (): Promise<void> => {
    while (next < jobs / batch) {
      const at = next
      next += 1
      const book = join(dir, 'books', String(at))
      const specs = Array.from({ length: batch }, (_, index) => specFor(book, index))
      const answer = await users[at % users.length]?.submit(specs, { key: `batch-${at}` })
      submitted.push({ jobIds: answer?.jobIds ?? [], book })
    }
  }
  await Promise.all(Array.from({ length: 4 }, submitSome))
  return submitted
}

async function killInTurn({ clock, signal }: Stage, plant: Plant, over: AbortSignal): Promise<number> {
  let kills = 0
  while (!over.aborted && !signal.aborted) {
    if ((await sleep(clock, killEveryMs, over)) === 'aborted') break
    await plant.kill(plant.names[kills % plant.names.length] ?? '')
    kills += 1
  }
  await plant.serving()
  return kills
}

function untilAllEnded({ clock, say }: Stage, admin: PilotageClient): Promise<boolean> {
  let looks = 0
  const holds = async (): Promise<boolean> => {
    const { jobs: counts } = await admin.status()
    looks += 1
    if (looks % 10 === 0) say(counts.map(({ state, count }) => `${count} ${state}`).join(', '))
    return counts.filter(({ state }) => state === 'Done').reduce((sum, { count }) => sum + count, 0) >= jobs
  }
  return until(clock, holds, { withinMs: drainMs, everyMs: 1000 })
}
