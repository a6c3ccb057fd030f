/**
 * A VM, flat and field by field, so that nothing travels that was not meant to: its activation key has no way through here.
 */

import { traitsText } from '../../core/model/facts.ts'
import { noResources } from '../../core/model/resources.ts'
import { type Heartbeat, isOver, type KeptVm, refOf, type Vm, type VmShape, type VmStateName } from '../../core/model/vm.ts'

export type VmView = VmShape &
  Pick<Vm, 'addresses' | 'said' | 'reserved' | 'provenMs' | 'fault' | 'found'> & {
    /** What was promised beside the size and not found; empty: nothing. */
    readonly differs: string
    readonly id: string
    readonly state: VmStateName
    /** The cloud's own id; empty: not known yet. */
    readonly ref: string
    /** Why the plan wanted it. */
    readonly reason: string
    /** Why it stops or ended. */
    readonly why: string
    readonly intendedMs: number
    readonly changedMs: number
    readonly endByMs: number
    readonly activeMs?: number
    readonly endedMs?: number
    readonly beat?: Heartbeat
    readonly leases: number
    readonly used: KeptVm['used']
  }

export function vmView(
  vm: Vm,
  { leases, used }: Pick<KeptVm, 'leases' | 'used'> = { leases: 0, used: noResources },
): VmView {
  const { activation: _, phase, ...shape } = vm
  return {
    ...shape,
    state: phase.state,
    ref: refOf(phase),
    why: 'why' in phase ? phase.why : '',
    activeMs: 'activeMs' in phase ? phase.activeMs : undefined,
    endedMs: isOver(phase) ? vm.changedMs : undefined,
    differs: traitsText(vm),
    leases,
    used,
  }
}
