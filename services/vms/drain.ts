/**
 * Drain: a VM takes no further job and ends when it holds none. Draining a VM that drains already changes nothing.
 *
 * The caller's name and reason stay in the VM's history.
 */

import type { Caller } from '../../core/access/caller.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { VmStateName } from '../../core/model/vm.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { VmStore } from '../../core/ports/store.ts'

export type DrainPorts = {
  readonly store: Pick<VmStore, 'changeVms'>
  readonly bus: Pick<Bus, 'hint'>
  readonly clock: Clock
}

export type Drained =
  | { readonly ok: true; readonly changed: boolean; readonly state: VmStateName }
  | { readonly ok: false; readonly why: string }

/** `reason`: one line; empty: none. */
export async function drainVm(
  { store, bus, clock }: DrainPorts,
  { owner }: Caller,
  { vmId, reason }: { readonly vmId: VmId; readonly reason: string },
): Promise<Drained> {
  const why = `drained by ${owner.owner}${reason === '' ? '' : `: ${reason}`}`
  const [outcome] = await store.changeVms([{ kind: 'drain', vmId, why }], clock.nowMs())
  bus.hint({ kind: 'vms', ids: [vmId] })
  if (!outcome?.ok) return { ok: false, why: outcome?.why ?? 'not-found' }
  const { state } = outcome.vm.phase
  return { ok: true, changed: outcome.was !== state, state }
}
