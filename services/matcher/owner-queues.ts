/**
 * One owner's task queues that have something to give, by what stands at their head: the first that fits is the best.
 *
 * What a search costs must not follow how many queues an owner has. A search goes on where the last pick for the same offer
 * left off, since room only shrinks; and how far a search of an earlier offer came in vain is remembered with its room,
 * until a job comes that might fit.
 */

import { hasRoom } from '../../core/language/rules.ts'
import { covers, type Room } from '../../core/model/resources.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type { WaitingJob } from '../../core/model/task-queue.ts'
import { isBefore, type Part } from './window.ts'

/** What is ordered here. `placed`: the head by which it stands in the order. */
export type Ordered = {
  readonly window: { readonly jobs: readonly WaitingJob[] }
  /** Less than any of its jobs asks for. */
  readonly minDemand: { readonly vo: string; readonly requirements: Requirements }
  placed?: WaitingJob
}

export type OwnerQueues<Entry extends Ordered> = {
  /** Best head first. */
  readonly list: readonly Entry[]
  /** Stands where its head belongs from now on, or nowhere where it has none. `isMore`: jobs came. */
  place(entry: Entry, part: Part, isMore: boolean): void
  reorder(part: Part): void
  /** Where a search for this room begins: none of those before fits it. */
  beginning(placeKey: string, room: Room, part: Part): number
  /** None before the one with this head fits the room; undefined: none at all. */
  searched(placeKey: string, room: Room, upTo: WaitingJob | undefined, part: Part): void
}

/** None of those that stand before `upTo` fits the room. */
type Vain = { readonly room: Room; readonly upTo: WaitingJob | undefined }

/** Kinds of places are as many as offerings; of each some rooms, none of which covers another. */
const maxPlaces = 64
const maxRooms = 8

export function ownerQueues<Entry extends Ordered>(): OwnerQueues<Entry> {
  const list: Entry[] = []
  const vain = new Map<string, Vain[]>()

  function indexOf(job: WaitingJob | undefined, part: Part): number {
    let [low, high] = [0, list.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(list[middle]?.placed, job, part)) low = middle + 1
      else high = middle
    }
    return low
  }

  function remove(at: number): void {
    // The first one goes without moving all the others.
    if (at === 0) list.shift()
    else list.splice(at, 1)
  }

  /** What came may fit: searches go no further than to it. */
  function hope({ minDemand }: Entry, head: WaitingJob, part: Part): void {
    for (const [placeKey, known] of vain) {
      const next = known.map((one) => {
        const isNews = hasRoom(minDemand, one.room) && isBefore(head, one.upTo, part)
        return isNews ? { room: one.room, upTo: head } : one
      })
      vain.set(placeKey, next)
    }
  }

  return {
    list,
    place(entry, part, isMore) {
      const [head] = entry.window.jobs
      if (isMore && head && vain.size > 0) hope(entry, head, part)
      if (entry.placed === head) return
      if (entry.placed) {
        const at = indexOf(entry.placed, part)
        const after = list[at + 1]?.placed
        if (head && isBefore(entry.placed, head, part) && isBefore(head, after, part)) {
          entry.placed = head
          return
        }
        remove(at)
      }
      entry.placed = head
      if (head) list.splice(indexOf(head, part), 0, entry)
    },
    reorder(part) {
      vain.clear()
      for (const entry of list) entry.placed = entry.window.jobs[0]
      list.sort((a, b) => (isBefore(a.placed, b.placed, part) ? -1 : 1))
    },
    beginning(placeKey, room, part) {
      let at = 0
      for (const known of vain.get(placeKey) ?? []) {
        if (covers(known.room, room)) at = Math.max(at, indexOf(known.upTo, part))
      }
      return at
    },
    searched(placeKey, room, upTo, part) {
      const left = (vain.get(placeKey) ?? []).filter((known) => !saysMore({ room, upTo }, known, part))
      vain.delete(placeKey)
      vain.set(placeKey, [...left.slice(1 - maxRooms), { room, upTo }])
      const [oldest] = vain.keys()
      if (vain.size > maxPlaces && oldest !== undefined) vain.delete(oldest)
    },
  }
}

/** Whether everything that the known search says follows from the first one. */
function saysMore({ room, upTo }: Vain, known: Vain, part: Part): boolean {
  return covers(room, known.room) && !isBefore(upTo, known.upTo, part)
}
