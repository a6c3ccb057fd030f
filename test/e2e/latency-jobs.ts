/**
 * What jobs wait for: their start where there is room, and their end when they are killed. Judged by files and processes.
 */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, sleep, until } from '../../core/kernel/clock.ts'
import { hasEnded } from '../../client/follow.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { Job } from '../../client/jobs.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { isRunning } from '../support/processes.ts'
import type { Stage } from './scenario.ts'

export type Bench = {
  readonly stage: Stage
  readonly admin: PilotageClient
  readonly user: PilotageClient
  readonly dataDir: string
}

/** One line an attempt: its number and the pid of its payload. */
type Start = { readonly attempt: number; readonly pid: number }

const mib = 1024 * 1024
const startsCount = 150
const startEveryMs = 80
const killsEach = 3
const bootWithinMs = 30_000

export function shellJob(name: string, script: string, file: string): JobSpec {
  return JobSpec.fromPartial({
    name,
    executable: '/bin/sh',
    arguments: ['-c', script, file],
    requirements: { cores: { min: 1, max: 1 }, memoryBytes: 64 * mib, diskBytes: mib, wallMs: 30 * 60_000 },
    maxAttempts: 10,
  })
}

/** Prints its attempt, then stays. */
export const staying = 'echo "$PILOTAGE_ATTEMPT $$" >> "$0"; exec sleep 600'

/** Milliseconds from each submit to the payload's first write; there is room for all of them. */
export async function measureStarts({ stage: { clock, dir }, user }: Bench): Promise<readonly number[]> {
  const touch = ': > "$0"'
  const warm = await user.submit([shellJob('warm', touch, join(dir, 'warm'))])
  await allEnded(user, warm.jobIds, 'the first job')
  const submits: { readonly file: string; readonly atMs: number; readonly answer: ReturnType<PilotageClient['submit']> }[] =
    []
  for (let at = 0; at < startsCount; at += 1) {
    const file = join(dir, `start-${at}`)
    submits.push({ file, atMs: clock.nowMs(), answer: user.submit([shellJob('start', touch, file)]) })
    await sleep(clock, startEveryMs)
  }
  const answers = await Promise.all(submits.map(({ answer }) => answer))
  await allEnded(
    user,
    answers.flatMap(({ jobIds }) => jobIds),
    'the paced jobs',
  )
  return submits.map(({ file, atMs }) => Math.round(statSync(file).mtimeMs - atMs))
}

/** Milliseconds from each call of kill to the payload's process being gone. */
export async function measureKills(bench: Bench): Promise<readonly number[]> {
  const {
    stage: { clock, dir, random },
    user,
  } = bench
  const kinds = {
    plain: staying,
    catching: `trap 'exit 0' TERM; echo "$PILOTAGE_ATTEMPT $$" >> "$0"; while :; do sleep 0.05; done`,
    family: 'sleep 600 & echo "$PILOTAGE_ATTEMPT $$" >> "$0"; sleep 600 & wait',
  }
  const taken: number[] = []
  for (const [kind, script] of Object.entries(kinds)) {
    for (let at = 0; at < killsEach; at += 1) {
      const file = join(dir, `kill-${kind}-${at}`)
      const { jobIds } = await user.submit([shellJob(kind, script, file)])
      const { pid } = await startOf(clock, file, 1, bootWithinMs)
      // Somewhere within the pilot's and the service's periods.
      await sleep(clock, 200 + random.next() * 2000)
      const askedMs = clock.monotonicMs()
      const killing = user.kill(jobIds, 'measured')
      const isGone = await until(clock, () => !isRunning(pid), { withinMs: 30_000, everyMs: 2 })
      if (!isGone) throw new Error(`a killed payload (${kind}) is still there`)
      taken.push(Math.round(clock.monotonicMs() - askedMs))
      await killing
      const [job] = await allEnded(user, jobIds, 'a killed job')
      if (job?.state !== 'Killed') throw new Error(`a killed job is ${job?.state}`)
    }
  }
  return taken
}

/** The first start of at least this attempt, when it has written its line. */
export async function startOf(clock: Clock, file: string, attempt: number, withinMs: number) {
  let found: Start | undefined
  const holds = (): boolean => {
    found = startsIn(file).find((one) => one.attempt >= attempt)
    return found !== undefined
  }
  await until(clock, holds, { withinMs, everyMs: 5 })
  if (!found) throw new Error(`attempt ${attempt} did not start within ${withinMs} ms: ${file}`)
  return { ...found, atMs: clock.monotonicMs() }
}

export async function allEnded(user: PilotageClient, jobIds: readonly number[], what: string): Promise<readonly Job[]> {
  const last = new Map<number, Job>()
  for await (const job of user.watch(jobIds)) last.set(job.jobId, job)
  const jobs = [...last.values()]
  if (jobs.length !== jobIds.length || !jobs.every(hasEnded)) throw new Error(`not all ended: ${what}`)
  return jobs
}

function startsIn(file: string): readonly Start[] {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return []
  }
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line) => line.split(' ').map(Number)).map(([attempt = 0, pid = 0]) => ({ attempt, pid }))
}
