/**
 * Picks for one offer from the task queues that wait: of an owner the first job that fits, whatever else stands before it.
 *
 * What a task queue is to the index stands here as well: its window, what it asks for at least, and which kinds of places it
 * is known to suit.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import { leastRoom, roomNumbers } from '../../core/language/least-room.ts'
import { exactly, minOf } from '../../core/language/requirement-class.ts'
import { hasRoom, suits } from '../../core/language/rules.ts'
import type { Demand } from '../../core/model/requirements.ts'
import type { Place, Room } from '../../core/model/resources.ts'
import type { TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'
import type { Asked, Wanted } from './fit-tree.ts'
import type { OrderedOwner, OwnerOrder } from './owner-order.ts'
import { everyKind, hasKind, noKind, withKind, withoutKind } from './place-kinds.ts'
import { awaitsOwn, newWindow, type Part, takeFirst, type Window } from './window.ts'

/** The owners of whom nothing fits. */
export type Search = Set<OrderedOwner<Entry>>

export type Entry = {
  readonly queue: TaskQueue
  /** Where the class asks for more than there is, its jobs may still fit: each job's own needs decide. */
  readonly minDemand: Demand
  placed?: WaitingJob
  readonly owner: OrderedOwner<Entry>
  readonly window: Window
  reading: boolean
  /** While the next ones are being read: jobs that came, and jobs that were taken and may be read once more. */
  came: WaitingJob[]
  taken: Set<JobId>
  /** Some of the window has gone to others: not to be used before it was read. */
  isStale: boolean
  /** What is being read was asked for before the order changed: it is read once more. */
  isOutdated: boolean
  /** Which kinds of places it may suit, and what it asks for at least. */
  asked: Asked
  /** Of which kinds it is known. */
  known: readonly number[]
}

type Owners = Pick<OwnerOrder<Entry>, 'changed'>

export type Offer = { readonly place: Place; readonly room: Room; readonly part: Part; readonly wanted: Wanted }

export type Found = { readonly entry: Entry; readonly job: WaitingJob }

/** What is being read is better than what is left of its window. */
export function isAwaited({ reading, isStale, window }: Entry): boolean {
  return reading && (isStale || awaitsOwn(window))
}

/** Up to this number of task queues that were looked at a search goes without a note of its result. */
const notedFrom = 16

export function takeFitting({ queue, minDemand, window }: Entry, { room, part }: Offer): WaitingJob | undefined {
  if (hasRoom(queue, room)) return takeFirst(window, part)
  if (!hasRoom(minDemand, room)) return undefined
  const { vo, requirements } = queue
  return takeFirst(window, part, ({ needs }) => hasRoom({ vo, requirements: exactly(requirements, needs) }, room))
}

export function newEntry(queue: TaskQueue, owner: OrderedOwner<Entry>): Entry {
  const nothing = { reading: false, came: [], taken: new Set<JobId>(), isStale: false, isOutdated: false }
  const minDemand = { vo: queue.vo, requirements: minOf(queue.requirements) }
  const asked = { least: leastRoom(minDemand.requirements), kinds: everyKind }
  return { queue, minDemand, owner, window: newWindow(), ...nothing, asked, known: noKind }
}

/** Never changes while the VM lives: asked once of each kind of place. */
export function suitsPlace(owners: Owners, entry: Entry, { place, wanted: { kind } }: Offer): boolean {
  if (hasKind(entry.known, kind)) return hasKind(entry.asked.kinds, kind)
  entry.known = withKind(entry.known, kind)
  if (suits(entry.queue, place)) return true
  entry.asked = { ...entry.asked, kinds: withoutKind(entry.asked.kinds, kind) }
  entry.owner.entries.changed(entry)
  owners.changed(entry.owner)
  return false
}

/** The owner's first job that fits, taken out of its window. */
export function pickOf(owners: Owners, owner: OrderedOwner<Entry>, offer: Offer, search: Search): Found | undefined {
  const { room, wanted } = offer
  const { entries: own } = owner
  if (own.isVain(wanted.kind, room)) {
    search.add(owner)
    return undefined
  }
  let isPassedOver = false
  let looked = 0
  const found = own.first(wanted, (entry): Found | undefined => {
    looked += 1
    if (isAwaited(entry)) {
      isPassedOver = true
      return undefined
    }
    const job = suitsPlace(owners, entry, offer) ? takeFitting(entry, offer) : undefined
    return job && { entry, job }
  })
  if (found || isPassedOver) return found
  search.add(owner)
  if (looked >= notedFrom) own.foundNone(wanted.kind, room)
  return undefined
}

export function offerOf(place: Place, room: Room, part: Part, kind: number): Offer {
  return { place, room, part, wanted: { room: roomNumbers(room), kind } }
}
