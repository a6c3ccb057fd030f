/**
 * The work of the kill scenario: jobs whose payloads keep a book of their own, and the users who submit them.
 *
 * Each job has a key and a file that is named by it, outside the service. The payload appends a line when it starts and one
 * when it reaches its end, so that what really ran is judged without asking the service. A user repeats a submission under
 * its key until it is acknowledged, whatever becomes of the service.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'

export type Submitted = { readonly key: string; readonly user: number; readonly spec: JobSpec; readonly jobId: number }

export type Run = { readonly what: 'start' | 'end'; readonly jobId: number; readonly attempt: number }

const mib = 1024 * 1024
/** The shell's own `echo` appends a line in one write: lines of two payloads never mix. */
const script =
  'echo "start $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"; sleep "$1"; echo "end $PILOTAGE_JOB_ID $PILOTAGE_ATTEMPT" >> "$0"'

export function bookOf(runsDir: string, key: string): string {
  return join(runsDir, key)
}

/** What the payloads of one key have written, in order. */
export function readBook(path: string): readonly Run[] {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [what, jobId, attempt] = line.split(' ')
      return { what: what === 'end' ? 'end' : 'start', jobId: Number(jobId), attempt: Number(attempt) }
    })
}

/** Most are short; one in twenty outlives a service or two. */
function jobFor(path: string, random: Random): JobSpec {
  const seconds = random.next() < 0.05 ? 2 + random.next() * 4 : random.next() * 0.2
  return JobSpec.fromPartial({
    name: 'booked',
    executable: '/bin/sh',
    arguments: ['-c', script, path, seconds.toFixed(2)],
    requirements: { cores: { min: 1, max: 1 }, memoryBytes: 32 * mib, diskBytes: mib, wallMs: 60_000 },
  })
}

export type SubmitPlan = {
  readonly clock: Clock
  readonly random: Random
  readonly users: readonly PilotageClient[]
  readonly runsDir: string
  readonly perSecond: number
  /** Nothing new is submitted afterwards. */
  readonly until: AbortSignal
}

/** Submits at its pace, however long answers take; resolves when every submission was acknowledged. */
export async function submitSteadily({
  clock,
  random,
  users,
  runsDir,
  perSecond,
  until,
}: SubmitPlan): Promise<readonly Submitted[]> {
  const beginMs = clock.monotonicMs()
  const pending: Promise<Submitted>[] = []
  while (!until.aborted) {
    const due = Math.floor(((clock.monotonicMs() - beginMs) * perSecond) / 1000)
    while (pending.length < due) {
      const key = `key-${pending.length}`
      const user = pending.length % users.length
      const answer = submitOne(users, { key, user, spec: jobFor(bookOf(runsDir, key), random) })
      // A failure is reported at the end, when all others are over; until then it counts as handled.
      answer.catch(() => {})
      pending.push(answer)
    }
    await sleep(clock, 1000 / perSecond, until)
  }
  return Promise.all(pending)
}

export async function submitOne(users: readonly PilotageClient[], one: Omit<Submitted, 'jobId'>): Promise<Submitted> {
  const answer = await users[one.user]?.submit([one.spec], { key: one.key })
  return { ...one, jobId: answer?.jobIds[0] ?? 0 }
}
