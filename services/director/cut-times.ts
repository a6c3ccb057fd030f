/**
 * After the clock was put back: what was written before lies in the future, and would keep its deadlines waiting for as
 * long.
 *
 * What stays true: after this, no time that has passed lies further ahead of now than the clocks of two processes may
 * differ, neither in the records of the VMs nor in what this director remembers of its clouds.
 */

import { processSkewMs } from '../../core/kernel/limits.ts'
import { latestMs } from '../../core/model/vm.ts'
import { change, type CloudLease, type StepContext } from './cloud-lease.ts'
import { cutMemory } from './memory.ts'

export async function cutTimes(context: StepContext, leases: readonly CloudLease[]): Promise<void> {
  const nowMs = context.options.clock.nowMs()
  const held = new Set(leases.map(({ directed }) => directed.cloud.name))
  const ahead = [...context.fleet.values()].filter(({ vm }) => held.has(vm.cloud) && latestMs(vm) > nowMs + processSkewMs)
  if (ahead.length > 0) {
    await change(
      context,
      ahead.map(({ vm }) => ({ kind: 'cut', vmId: vm.id })),
    )
  }
  for (const lease of leases) {
    lease.watchedSinceMs = Math.min(lease.watchedSinceMs, nowMs)
    cutMemory(lease.memory, nowMs)
    lease.breakers.cut(nowMs)
  }
}
