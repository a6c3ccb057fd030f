/**
 * The honest caller: one submit of one job and one list of 100 jobs, again and again at a fixed pace, whatever the service does.
 *
 * A call's time is counted from the moment at which it was due, not from when there was time to make it: a service that stands
 * still for a second is seen by all calls of that second. Refusals are counted as well: an honest caller gets none.
 */

import { type Clock, sleep } from '../../../core/clock.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { percentile } from '../scenario.ts'

export type Seen = {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly calls: number
  readonly failed: readonly string[]
}

/** 40 calls of each kind per second: more than a person's scripts, far below what one process serves. */
const everyMs = 25
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

/** As a service is after hours of use: its memory has grown to what calls need, and its code is compiled. */
export async function warmUp(clock: Clock, user: PilotageClient, forMs: number): Promise<void> {
  const endMs = clock.monotonicMs() + forMs
  const one = async (): Promise<void> => {
    while (clock.monotonicMs() < endMs) await once(user)
  }
  await Promise.all(Array.from({ length: 16 }, one))
}

async function once(user: PilotageClient): Promise<void> {
  await user.submit([waiting])
  for await (const _ of user.list({ limit: 100 }));
}
