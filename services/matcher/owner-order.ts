/**
 * Owners in the order of their usage, least first; ties by name, so that there is one order. Each with the task queues of
 * its own that have something to give; an owner without any stands nowhere.
 */

import type { Owner } from '../../core/model/owner.ts'
import { ownerKey, type UsageLedger } from '../../core/share/ledger.ts'
import type { Usage } from '../../core/share/usage.ts'
import { type FitTree, fitTree, type Wanted } from './fit-tree.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from './owner-queues.ts'
import type { Part } from './window.ts'

export type OrderedOwner<Entry extends Ordered> = {
  readonly key: string
  /** As the ledger had it when the owner took its place in the order. */
  use: Usage
  /** Whether it stands in the order. */
  isIn: boolean
  /** The owner's task queues that have something to give. */
  readonly entries: OwnerQueues<Entry>
}

export type OwnerOrder<Entry extends Ordered> = {
  /** Of those that have something to give, least usage first. */
  list(): readonly OrderedOwner<Entry>[]
  /** All that there ever were. */
  all(): Iterable<OrderedOwner<Entry>>
  of(owner: Owner, part: Part): OrderedOwner<Entry>
  /** What its task queues ask for is something else. */
  changed(owner: OrderedOwner<Entry>): void
  /** The first answer for an owner of whom something may fit. */
  first<Answer>(wanted: Wanted, look: (owner: OrderedOwner<Entry>) => Answer | undefined): Answer | undefined
}

const nothing = { least: [], kinds: [] }

export function ownerOrder<Entry extends Ordered>(ledger: UsageLedger): OwnerOrder<Entry> {
  const owners = new Map<string, OrderedOwner<Entry>>()
  let tree = treeOf<Entry>()

  ledger.onChange((key) => {
    if (key !== undefined) return move(key)
    const standing = tree.items()
    for (const one of owners.values()) one.use = ledger.epochUsageOf(one.key)
    tree = treeOf()
    for (const one of standing) tree.insert(one)
  })

  function move(key: string): void {
    const one = owners.get(key)
    if (!one) return
    if (one.isIn) tree.remove(one)
    one.use = ledger.epochUsageOf(key)
    if (one.isIn) tree.insert(one)
  }

  return {
    list: () => tree.items(),
    all: () => owners.values(),
    of(owner, part) {
      const key = ownerKey(owner)
      const known = owners.get(key)
      if (known) return known
      const made: OrderedOwner<Entry> = { key, use: ledger.epochUsageOf(key), isIn: false, entries: ownerQueues(part) }
      owners.set(key, made)
      return made
    },
    changed(owner) {
      const isIn = owner.entries.asked() !== undefined
      if (isIn && owner.isIn) tree.changed(owner)
      else if (isIn) tree.insert(owner)
      else if (owner.isIn) tree.remove(owner)
      owner.isIn = isIn
    },
    first: (wanted, look) => tree.first(wanted, look),
  }
}

function treeOf<Entry extends Ordered>(): FitTree<OrderedOwner<Entry>> {
  return fitTree<OrderedOwner<Entry>>({ isBefore: isLess, askedOf: ({ entries }) => entries.asked() ?? nothing })
}

type Placed = { readonly use: Usage; readonly key: string }

function isLess(a: Placed, b: Placed): boolean {
  return a.use < b.use || (a.use === b.use && a.key < b.key)
}
