/**
 * Observe: reads the list of each cloud whose role lease this director has, all clouds at once, each with its own failure.
 *
 * A reading is complete or failed. A slow cloud's reading fails for this step, and no other cloud waits for it.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { asPilotageError } from '../../core/kernel/errors.ts'
import type { CloudQuota, CloudVm } from '../../core/model/cloud.ts'
import type { CloudLease } from './cloud-lease.ts'
import { runSerially } from './serial-queue.ts'
import type { DirectorOptions } from './options.ts'

/** When the list was asked for, by both clocks. */
export type ListBegin = { readonly beganMs: number; readonly beganMonotonicMs: number }

export type Reading =
  | (ListBegin & { readonly ok: true; readonly list: readonly CloudVm[]; readonly quota: CloudQuota })
  | { readonly ok: false; readonly why: string }

export async function observe(
  { directed, serialQueue }: Pick<CloudLease, 'directed' | 'serialQueue'>,
  { clock, policy, log }: DirectorOptions,
): Promise<Reading> {
  const { cloud } = directed
  const began: ListBegin = { beganMs: clock.nowMs(), beganMonotonicMs: clock.monotonicMs() }
  const read = async (): Promise<Reading> => {
    try {
      const [list, quota] = await Promise.all([cloud.list(), cloud.quota()])
      return { ok: true, ...began, list, quota }
    } catch (thrown) {
      const { code, message } = asPilotageError(thrown, `reading cloud ${cloud.name}`)
      return { ok: false, why: `${code}: ${message}` }
    }
  }
  const outcome = await runSerially(serialQueue, read, {
    clock,
    waitMs: policy.waitMs,
    onLateError: (error) => log.error({ cloud: cloud.name, error }, 'a late reading of a cloud failed'),
  })
  switch (outcome.kind) {
    case 'done':
      return outcome.value
    case 'busy':
      return { ok: false, why: 'it has not answered earlier calls yet' }
    case 'late':
      return { ok: false, why: 'it did not answer in time' }
  }
}

/**
 * When the list began, by the wall clock as it is now, or as it was then: the earlier of both. A clock that was moved since
 * never makes a list younger than it is: what happened after it must not seem to have happened before.
 */
export function listBegin({ beganMs, beganMonotonicMs }: ListBegin, clock: Pick<Clock, 'nowMs' | 'monotonicMs'>): number {
  return Math.min(beganMs, clock.nowMs() - (clock.monotonicMs() - beganMonotonicMs))
}
