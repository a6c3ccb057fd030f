/**
 * The honest caller: one submit of one job and one list of 100 jobs, again and again at a fixed pace, whatever the service
 * does.
 *
 * A call's time is counted from the moment at which it was due, not from when there was time to make it: a service that
 * stands still for a second is seen by all calls of that second. Refusals are counted as well: an honest caller gets none.
 */

import { type Clock, sleep, until } from '../../../core/kernel/clock.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { percentile } from '../scenario.ts'
import { residentMib } from './memory.ts'

export type Seen = {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly calls: number
  readonly failed: readonly string[]
}

/** 40 calls of each kind per second: more than a person's scripts, far below what one process serves. */
const everyMs = 25
const warmEveryMs = 2000
const warmAtMostMs = 40_000
/**
 * Calls at one time while the service warms up: as many reads as most floods have calls under way (activation-guesses.ts),
 * and fewer submissions, because what is submitted stays.
 */
const warmCallers = { reads: 64, submits: 24 }
/** A service that does not answer at all must not fill our own memory. */
const maxUnderWay = 1000

/** Waits, so that the service's state stays comparable: no VM of the scenario has this tag. */
const waiting = JobSpec.fromPartial({
  name: 'honest',
  executable: '/bin/true',
  requirements: { cores: { min: 1, max: 1 }, memoryBytes: 64 * 1024 * 1024, diskBytes: 1024 * 1024, tags: ['nowhere'] },
})

/** `forMs`, and until the last call has ended. */
export async function callHonestly(clock: Clock, user: PilotageClient, forMs: number): Promise<Seen> {
  const tookMs: number[] = []
  const failed: string[] = []
  const underWay = new Set<Promise<void>>()
  const beginMs = clock.monotonicMs()
  for (let dueMs = beginMs; dueMs < beginMs + forMs; dueMs += everyMs) {
    const earlyMs = dueMs - clock.monotonicMs()
    if (earlyMs > 0) await sleep(clock, earlyMs)
    while (underWay.size >= maxUnderWay) await Promise.race(underWay)
    const call = once(user).then(
      () => {
        tookMs.push(clock.monotonicMs() - dueMs)
      },
      (error: unknown) => {
        failed.push(String(error))
      },
    )
    underWay.add(call)
    call.finally(() => underWay.delete(call))
  }
  await Promise.all(underWay)
  const rounded = (share: number): number => Math.round(percentile(tookMs, share) * 10) / 10
  return { p50Ms: rounded(0.5), p99Ms: rounded(0.99), calls: tookMs.length, failed }
}

/**
 * As a service is after hours of use: its code is compiled, and V8 and malloc have taken what they take under any load and
 * do not give back (V8's young generation alone grows by up to 130 MB). Until memory stands still, `forMs` at least.
 */
export async function warmUp(clock: Clock, user: PilotageClient, pid: number, forMs: number): Promise<void> {
  const over = new AbortController()
  const one = async (at: number): Promise<void> => {
    while (!over.signal.aborted) {
      if (at < warmCallers.submits) await user.submit(Array.from({ length: 10 }, () => waiting))
      for await (const _ of user.list({ limit: at % 4 === 0 ? 1000 : 100 }));
    }
  }
  const all = Promise.all(Array.from({ length: warmCallers.reads }, (_, at) => one(at)))
  const seen: number[] = []
  const stands = (): boolean => {
    seen.push(residentMib(pid))
    return seen.length * warmEveryMs > forMs && Math.max(...seen.slice(-4)) - (seen.at(-4) ?? 0) < 5
  }
  await until(clock, stands, { withinMs: warmAtMostMs, everyMs: warmEveryMs })
  over.abort()
  await all
}

async function once(user: PilotageClient): Promise<void> {
  await user.submit([waiting])
  for await (const _ of user.list({ limit: 100 }));
}
