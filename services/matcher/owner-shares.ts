/**
 * Owners in the order of what they used of late, least first; ties by name, so that the order is one.
 *
 * An owner's use has two parts: what this process charged, which it keeps for the next start and for the others, and what the
 * others have told. Only the sum counts for the order.
 */

import type { Owner } from '../../core/model/owner.ts'
import { charged, shownUse, type Use } from '../../core/share/usage.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from './owner-queues.ts'

export type Uses = { readonly epochMs: number; readonly owners: readonly (readonly [string, Use])[] }

export type OwnerShare<Entry extends Ordered> = {
  readonly key: string
  /** Charged here, and told by others; in the money of the epoch, as their sum. */
  own: Use
  others: Use
  use: Use
  /** The owner's queues that have something to give. */
  readonly entries: OwnerQueues<Entry>
}

export type OwnerShares<Entry extends Ordered> = {
  /** Least use first. */
  readonly order: readonly OwnerShare<Entry>[]
  shareOf(owner: Owner): OwnerShare<Entry>
  charge(owner: Owner, coreMs: number, nowMs: number): void
  usedBy(owner: Owner, nowMs: number): number
  /** What was charged here; owners whose use has faded are left out. */
  uses(nowMs: number): Uses
  inherit(uses: Uses, nowMs: number, isInstead: boolean): void
  hear(uses: Uses, nowMs: number): void
}

/** A core-second: less than this makes no difference to anybody. */
const fadedMs = 1000

export function ownerShares<Entry extends Ordered>(epochMs: number): OwnerShares<Entry> {
  const shares = new Map<string, OwnerShare<Entry>>()
  const order: OwnerShare<Entry>[] = []

  function share(key: string): OwnerShare<Entry> {
    const known = shares.get(key)
    if (known) return known
    const made: OwnerShare<Entry> = { key, own: 0, others: 0, use: 0, entries: ownerQueues() }
    shares.set(key, made)
    order.splice(placeIn(order, made), 0, made)
    return made
  }

  function sortAll(): void {
    for (const one of order) one.use = one.own + one.others
    order.sort((a, b) => (isLess(a, b) ? -1 : 1))
  }

  const inOurs = (use: Use, theirEpochMs: number, nowMs: number): Use =>
    charged(0, shownUse(use, nowMs, theirEpochMs), nowMs, epochMs)

  return {
    order,
    shareOf: (owner) => share(ownerKey(owner)),
    charge(owner, coreMs, nowMs) {
      const one = share(ownerKey(owner))
      order.splice(order.indexOf(one), 1)
      one.own = charged(one.own, coreMs, nowMs, epochMs)
      one.use = one.own + one.others
      order.splice(placeIn(order, one), 0, one)
    },
    usedBy: (owner, nowMs) => shownUse(shares.get(ownerKey(owner))?.use ?? 0, nowMs, epochMs),
    uses(nowMs) {
      const worth = [...shares.values()].filter(({ own }) => shownUse(own, nowMs, epochMs) >= fadedMs)
      return { epochMs, owners: worth.map(({ key, own }) => [key, own] as const) }
    },
    inherit(uses, nowMs, isInstead) {
      if (isInstead) for (const one of order) one.own = 0
      for (const [key, use] of uses.owners) share(key).own += inOurs(use, uses.epochMs, nowMs)
      sortAll()
    },
    hear(uses, nowMs) {
      for (const one of order) one.others = 0
      for (const [key, use] of uses.owners) share(key).others += inOurs(use, uses.epochMs, nowMs)
      sortAll()
    },
  }
}

function ownerKey({ vo, group, owner }: Owner): string {
  return `${vo}\u0000${group}\u0000${owner}`
}

type Placed = { readonly use: Use; readonly key: string }

function isLess(a: Placed, b: Placed): boolean {
  return a.use < b.use || (a.use === b.use && a.key < b.key)
}

function placeIn(order: readonly Placed[], one: Placed): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = order[middle]
    if (other && isLess(other, one)) low = middle + 1
    else high = middle
  }
  return low
}
