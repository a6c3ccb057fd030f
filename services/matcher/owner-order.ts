/**
 * Owners in the order of their usage, least first; ties by name, so that there is one order. Each with the task queues of
 * its own that have something to give.
 */

import type { Owner } from '../../core/model/owner.ts'
import { ownerKey, type UsageLedger } from '../../core/share/ledger.ts'
import type { Usage } from '../../core/share/usage.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from './owner-queues.ts'

export type OrderedOwner<Entry extends Ordered> = {
  readonly key: string
  /** As the ledger had it when the owner took its place in the order. */
  use: Usage
  /** The owner's task queues that have something to give. */
  readonly entries: OwnerQueues<Entry>
}

export type OwnerOrder<Entry extends Ordered> = {
  /** Least usage first. */
  readonly order: readonly OrderedOwner<Entry>[]
  of(owner: Owner): OrderedOwner<Entry>
}

export function ownerOrder<Entry extends Ordered>(ledger: UsageLedger): OwnerOrder<Entry> {
  const owners = new Map<string, OrderedOwner<Entry>>()
  const order: OrderedOwner<Entry>[] = []

  ledger.onChange((key) => {
    if (key !== undefined) return move(key)
    for (const one of order) one.use = ledger.epochUsageOf(one.key)
    order.sort((a, b) => (isLess(a, b) ? -1 : 1))
  })

  function move(key: string): void {
    const one = owners.get(key)
    if (!one) return
    order.splice(order.indexOf(one), 1)
    one.use = ledger.epochUsageOf(key)
    order.splice(placeIn(order, one), 0, one)
  }

  return {
    order,
    of(owner) {
      const key = ownerKey(owner)
      const known = owners.get(key)
      if (known) return known
      const made: OrderedOwner<Entry> = { key, use: ledger.epochUsageOf(key), entries: ownerQueues() }
      owners.set(key, made)
      order.splice(placeIn(order, made), 0, made)
      return made
    },
  }
}

type Placed = { readonly use: Usage; readonly key: string }

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
