/**
 * Observe: reads the list of each cloud whose role lease this director has, all clouds at once, each with its own failure.
 *
 * A reading is complete or failed. A slow cloud's reading fails for this step, and no other cloud waits for it.
 */

import { asPilotageError } from '../../core/kernel/errors.ts'
import type { CloudQuota, CloudVm } from '../../core/model/cloud.ts'
import type { CloudLease } from './cloud-lease.ts'
import { runSerially } from './serial-queue.ts'
import type { DirectorOptions } from './options.ts'

export type Reading =
  | { readonly ok: true; readonly beganMs: number; readonly list: readonly CloudVm[]; readonly quota: CloudQuota }
  | { readonly ok: false; readonly why: string }

export async function observe(
  { directed, serialQueue }: Pick<CloudLease, 'directed' | 'serialQueue'>,
  { clock, policy, log }: DirectorOptions,
): Promise<Reading> {
  const { cloud } = directed
  const beganMs = clock.nowMs()
  const read = async (): Promise<Reading> => {
    try {
      const [list, quota] = await Promise.all([cloud.list(), cloud.quota()])
      return { ok: true, beganMs, list, quota }
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
