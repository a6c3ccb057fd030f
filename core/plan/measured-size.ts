/**
 * What the VMs of each offering were found to have: it corrects the size that plans, explanations and warnings count with.
 *
 * The latest VM decides, for better or worse. What it had is forgotten after a day, so that a cloud that was mended is tried
 * again by work that fits the promise alone, and counts only while the configuration promises the same.
 */

import { measuredSizeKeepMs } from '../kernel/limits.ts'
import type { VmId } from '../kernel/ids.ts'
import type { Offering } from '../model/cloud.ts'
import { fits, lesser, listOf, type Resources, resourcesOf } from '../model/resources.ts'
import { differencesText, narrowedTraits, traitKeys, type Traits } from '../model/traits.ts'
import type { Vm } from '../model/vm.ts'
import { missingTraits } from '../model/vm-place.ts'

export type MeasuredSize = Pick<Offering, 'cloud' | 'flavor' | 'image'> & {
  readonly promised: Resources
  /** No more than was promised. */
  readonly size: Resources
  /** Beside the size, where that VM was not what was promised. */
  readonly traits?: { readonly promised: Traits; readonly left: Traits }
  /** Of which VM, and when that one came up. */
  readonly vmId: VmId
  readonly atMs: number
}

/** Those of one cloud, with what its live VMs show: the same list as before where they show nothing new. */
export function learnSizes(
  known: readonly MeasuredSize[],
  vms: readonly Vm[],
  cloud: string,
  nowMs: number,
): readonly MeasuredSize[] {
  const sizes = new Map(known.filter((one) => isFresh(one, nowMs)).map((one) => [keyOf(one, one.promised), one]))
  for (const vm of vms) {
    const seen = vm.cloud === cloud ? measuredOf(vm, nowMs) : undefined
    const last = seen && sizes.get(keyOf(seen, seen.promised))
    if (seen && isFresh(seen, nowMs) && isLater(seen, last)) sizes.set(keyOf(seen, seen.promised), seen)
  }
  return [...sizes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** The offering, with what the latest VM of it had where that is less than it promises. */
export function expecting(offering: Offering, sizes: readonly MeasuredSize[], nowMs: number): Offering {
  const key = keyOf(offering, offering)
  const found = sizes.find((one) => isLess(one) && isFresh(one, nowMs) && keyOf(one, one.promised) === key)
  if (!found) return offering
  const isOfThese = JSON.stringify(found.traits?.promised) === JSON.stringify(offering.traits)
  const expectedTraits = isOfThese ? found.traits?.left : undefined
  return { ...offering, ...(fits(found.promised, found.size) ? {} : { expected: found.size }), expectedTraits }
}

export function isLess({ promised, size, traits }: MeasuredSize): boolean {
  return !fits(promised, size) || traits !== undefined
}

/** For people: what is left of each trait that is other than promised. */
export function otherText({ promised, left }: NonNullable<MeasuredSize['traits']>): string {
  const other = traitKeys.filter((key) => JSON.stringify(promised[key]) !== JSON.stringify(left[key]))
  return differencesText(other, promised, left)
}

export function isFresh({ atMs }: MeasuredSize, nowMs: number): boolean {
  return nowMs - atMs < measuredSizeKeepMs
}

/** A service has no pilot that measures anything. */
function measuredOf({ id, phase, beat, ...vm }: Vm, nowMs: number): MeasuredSize | undefined {
  const activeMs = 'activeMs' in phase ? phase.activeMs : undefined
  if (activeMs === undefined || !beat?.size) return undefined
  const { cloud, flavor, image } = vm
  const promised = resourcesOf(vm)
  // The clock may have been put back since.
  const atMs = Math.min(activeMs, nowMs)
  const size = lesser(promised, resourcesOf(beat.size))
  const measured = { cloud, flavor, image, promised, size, vmId: id, atMs }
  if (!vm.traits || !vm.found || missingTraits(vm).length === 0) return measured
  return { ...measured, traits: { promised: vm.traits, left: narrowedTraits(vm.traits, vm.found) } }
}

function isLater(seen: MeasuredSize, last: MeasuredSize | undefined): boolean {
  if (!last || seen.vmId === last.vmId) return true
  return seen.atMs > last.atMs || (seen.atMs === last.atMs && seen.vmId > last.vmId)
}

function keyOf({ cloud, flavor, image }: Pick<Offering, 'cloud' | 'flavor' | 'image'>, promised: Resources): string {
  return JSON.stringify([cloud, flavor, image, listOf(promised)])
}
