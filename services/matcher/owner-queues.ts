/**
 * One owner's task queues that have something to give, by what stands at their head: the first that fits is the best.
 *
 * What a search costs must not follow how many queues an owner has: a tree leads past those that cannot fit. Where several
 * numbers together are what does not fit, it leads to many in vain; so the rooms for which nothing was found are remembered,
 * until a job comes that might fit.
 */

import { hasRoom } from '../../core/language/rules.ts'
import { covers, type Room } from '../../core/model/resources.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type { WaitingJob } from '../../core/model/task-queue.ts'
import { type Asked, type FitTree, fitTree, type Wanted } from './fit-tree.ts'
import { isBefore, type Part } from './window.ts'

/** What is ordered here. `placed`: the head by which it stands in the order. */
export type Ordered = {
  readonly window: { readonly jobs: readonly WaitingJob[] }
  /** Less than any of its jobs asks for. */
  readonly minDemand: { readonly vo: string; readonly requirements: Requirements }
  /** The same for the tree. */
  asked: Asked
  placed?: WaitingJob
}

export type OwnerQueues<Entry extends Ordered> = {
  /** Best head first. */
  list(): readonly Entry[]
  /** Of all of them; undefined: there is none. */
  asked(): Asked | undefined
  /** Stands where its head belongs from now on, or nowhere where it has none. `isMore`: jobs came. */
  place(entry: Entry, isMore: boolean): void
  /** What it asks for is something else. */
  changed(entry: Entry): void
  /** In the order of this part, with nothing remembered. */
  reorder(part: Part): void
  /** The first answer for a queue that may fit, best head first. */
  first<Answer>(wanted: Wanted, look: (entry: Entry) => Answer | undefined): Answer | undefined
  /** Whether it is known that none fits. */
  isVain(kind: number, room: Room): boolean
  /** None fits. */
  foundNone(kind: number, room: Room): void
}

/** Kinds of places are as many as offerings; of each some rooms, none of which covers another. */
const maxPlaces = 64
const maxRooms = 8

export function ownerQueues<Entry extends Ordered>(first: Part = { rank: 0, of: 1 }): OwnerQueues<Entry> {
  let tree = treeIn<Entry>(first)
  const vain = new Map<number, readonly Room[]>()

  /** What came may fit where nothing did. */
  function hope({ minDemand }: Entry): void {
    for (const [kind, rooms] of vain) {
      const left = rooms.filter((room) => !hasRoom(minDemand, room))
      if (left.length < rooms.length) vain.set(kind, left)
    }
  }

  return {
    list: () => tree.items(),
    asked: () => tree.asked(),
    place(entry, isMore) {
      const [head] = entry.window.jobs
      if (isMore && head && vain.size > 0) hope(entry)
      if (entry.placed === head) return
      if (entry.placed) tree.remove(entry)
      entry.placed = head
      if (head) tree.insert(entry)
    },
    changed: (entry) => tree.changed(entry),
    reorder(part) {
      vain.clear()
      const entries = tree.items()
      tree = treeIn(part)
      for (const entry of entries) {
        entry.placed = entry.window.jobs[0]
        if (entry.placed) tree.insert(entry)
      }
    },
    first: (wanted, look) => tree.first(wanted, look),
    isVain: (kind, room) => vain.get(kind)?.some((known) => covers(known, room)) ?? false,
    foundNone(kind, room) {
      const left = (vain.get(kind) ?? []).filter((known) => !covers(room, known))
      vain.delete(kind)
      vain.set(kind, [...left.slice(1 - maxRooms), room])
      const [oldest] = vain.keys()
      if (vain.size > maxPlaces && oldest !== undefined) vain.delete(oldest)
    },
  }
}

function treeIn<Entry extends Ordered>(part: Part): FitTree<Entry> {
  return fitTree({ isBefore: (a, b) => isBefore(a.placed, b.placed, part), askedOf: ({ asked }) => asked })
}
