/** The VMs that a caller sees: the live ones, and the latest of those that ended. */

import { type Caller, seesVm, visibleVo } from '../../core/access/caller.ts'
import { page } from '../../core/kernel/limits.ts'
import type { KeptVm, Vm } from '../../core/model/vm.ts'
import type { VmStore } from '../../core/ports/store.ts'

/** Newest first. */
export async function liveVms(
  { store }: { readonly store: Pick<VmStore, 'liveVms'> },
  caller: Caller,
): Promise<readonly KeptVm[]> {
  const live = (await store.liveVms()).filter(({ vm }) => seesVm(caller, vm))
  return live.sort((a, b) => b.vm.intendedMs - a.vm.intendedMs)
}

/** For a caller who does not see all VMs, `limit` of those that it sees among the latest of all. Latest first. */
export async function endedVms(
  { store }: { readonly store: Pick<VmStore, 'endedVms'> },
  caller: Caller,
  limit: number,
): Promise<readonly Vm[]> {
  if (visibleVo(caller) === undefined) return store.endedVms(limit)
  return (await store.endedVms(page.max)).filter((vm) => seesVm(caller, vm)).slice(0, limit)
}
