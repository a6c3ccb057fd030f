/**
 * What the parts of one step share: a cloud with what is remembered of it, and the fleet as this step knows it.
 *
 * The fleet is read once a step and then kept in line with every change that the step itself makes; what others change
 * meanwhile is decided by the store, and seen by the next step.
 */

import type { VmId } from '../../core/ids.ts'
import type { KeptVm } from '../../core/ports/store.ts'
import { isOver, type VmEvent } from '../../core/vm.ts'
import type { Breakers } from './breakers.ts'
import type { CloudMemory } from './memory.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'
import { record } from './record.ts'

export type Desk = { readonly directed: DirectedCloud; readonly memory: CloudMemory }

/** Every VM that has not ended. */
export type Fleet = Map<VmId, KeptVm>

export type StepContext = {
  readonly options: DirectorOptions
  readonly breakers: Breakers
  readonly fleet: Fleet
  readonly watchedSinceMs: number
}

/** Applies to the store, and to what this step knows of the fleet. */
export async function change({ options, fleet }: StepContext, events: readonly VmEvent[]): Promise<void> {
  for (const outcome of await record(options, events)) {
    if (!outcome.ok) continue
    const { vm, leases } = outcome
    const kept = fleet.get(vm.id)
    if (isOver(vm.phase)) fleet.delete(vm.id)
    else if (kept) fleet.set(vm.id, { ...kept, vm, leases })
  }
}
