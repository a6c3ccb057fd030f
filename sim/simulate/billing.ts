/**
 * Writes the bill of a VM as time passes: every core-millisecond since the last entry gets the reason of what the VM was in
 * that time. Called before whatever changes what the VM is.
 */

import { isComing } from '../../core/model/vm.ts'
import type { SimVm } from './world.ts'

/** The cores in use are accounted for when their attempts end; those of a VM that comes, when it is up or given up. */
export function advance(vm: SimVm, nowMs: number): void {
  const { bill, kept } = vm
  const { cores, phase } = kept.vm
  const passedMs = nowMs - vm.billedMs
  if (passedMs === 0) return
  vm.billedMs = nowMs
  bill.paid += cores * passedMs
  const free = (cores - kept.used.cores) * passedMs
  if (isComing(phase)) return
  if (phase.state === 'Stopping') bill.wasted.stopping += free
  else if (vm.crashedMs !== undefined) bill.wasted.crashed += free
  else if (phase.state === 'Draining') bill.wasted.draining += free
  else if (kept.leases === 0) bill.wasted.idle += free
  else bill.wasted['partly idle'] += free
}
