/**
 * What a VM is for a job: its place, which stays while the VM lives, and its room. Both are what was promised, narrowed by
 * what its pilot found; before there is a pilot, by what the latest VM like it had.
 */

import { fits, lesser, type Place, powerOf, type Room, resourcesOf } from './resources.ts'
import { brokenPromises, type FoundTraits, narrowedTraits, type Traits } from './traits.ts'
import type { Vm, VmShape } from './vm.ts'
import type { VmId } from '../kernel/ids.ts'

export function placeOf(vm: VmShape & { readonly id?: VmId; readonly found?: FoundTraits }): Place {
  const { id: vmId, cloud, site, platform, tags, vos } = vm
  return { vmId, cloud, site, platform, tags, vos, traits: traitsOf(vm) }
}

function traitsOf({ traits, expectedTraits, found }: VmShape & { readonly found?: FoundTraits }): Traits | undefined {
  return traits && found ? narrowedTraits(traits, found) : (expectedTraits ?? traits)
}

/** The traits that were promised and that its pilot did not find as they were promised. */
export function missingTraits({ traits, found }: Pick<Vm, 'traits' | 'found'>): readonly (keyof Traits)[] {
  return traits && found ? brokenPromises(traits, found) : []
}

/** What the whole VM has, as promised: for claims, and for what a pilot offers by itself. */
export function promisedRoom(vm: VmShape, remainingMs: number): Room {
  return { ...resourcesOf(vm), remainingMs, isWhole: true }
}

/**
 * What the whole VM has as far as it is known: what its pilot found, before that what the latest VM like it had, and never
 * more than was promised. For plans and explanations.
 */
export function roomOf(vm: VmShape & Pick<Vm, 'beat' | 'found'>, remainingMs: number): Room {
  const promised = resourcesOf(vm)
  const found = vm.beat?.size ?? vm.expected
  const rest = { remainingMs, isWhole: true, ...powerOf(traitsOf(vm) ?? {}) }
  if (!found || fits(promised, found)) return { ...promised, ...rest }
  return { ...lesser(promised, found), ...rest, promised }
}
