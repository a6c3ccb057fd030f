/**
 * The task queues with waiting jobs, ordered for matching. Never holds all jobs: of each queue a window of the next ones.
 *
 * A cache: rebuilt from the store at any time, and never the judge. An id that it gives may have left the queue since;
 * the claim in the store says so and costs nothing but the try. Owners are kept in the order of their turns in the share
 * tree, so that the choice for an offer is: the first owner in turn who has something that fits; of that owner's queues the
 * one with the highest priority at its head, then the oldest. Where several processes serve, each has its own order within
 * a priority.
 */

import type { ClassId, JobId } from '../../core/kernel/ids.ts'
import type { QueueCount, TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'
import type { Place, Room } from '../../core/model/resources.ts'
import type { UsageLedger } from '../../core/share/ledger.ts'
import type { Weights } from '../../core/share/weights.ts'
import { type OwnerOrder, ownerOrder } from './owner-order.ts'
import {
  type Entry,
  type Found,
  isAwaited,
  newEntry,
  offerOf,
  pickOf,
  type Search,
  suitsPlace,
  takeFitting,
} from './pick.ts'
import { everyKind, noKind, placeKinds } from './place-kinds.ts'
import { insert, isShort, order, type Part, maxWindow } from './window.ts'

export type Picked = { readonly queue: TaskQueue; readonly job: WaitingJob }

export type WaitingIndex = {
  /** Jobs that wait from now on. */
  arrived(queue: TaskQueue, jobs: readonly WaitingJob[]): void
  /**
   * The next job for what a place has free, taken out of the window; undefined where nothing fits. `search`: of one offer,
   * whose room only shrinks from pick to pick.
   */
  take(place: Place, room: Room, search?: Search): Picked | undefined
  /** The next job of this task queue alone, whatever owner has its turn. */
  takeOf(classId: ClassId, place: Place, room: Room): Picked | undefined
  /**
   * One that was taken did not wait any more: others are faster. What is left of the window is read anew before it is used.
   */
  missed(queue: TaskQueue): void
  /** The priority of these jobs of a task queue was set. They are in their new order once the queue is read anew. */
  reranked(classId: ClassId, jobs: readonly { readonly id: JobId }[]): void
  /** The store's truth about which queues wait: adds what is unknown here, and reads on where a window is short. */
  learn(counts: readonly QueueCount[]): void
  /** Called when jobs became available after reading on. */
  onReady(listener: () => void): void
  /** Time has gone by: the weights of the share tree as they are now. */
  tick(weights: Weights, nowMs: number): void
}

export type ReadNext = (classId: ClassId, limit: number) => Promise<readonly WaitingJob[]>

export type IndexOptions = {
  readonly readNext: ReadNext
  readonly onError: (error: unknown) => void
  /** The usage of owners, which moves their turns. */
  readonly ledger: UsageLedger
  /**
   * Which of the processes that serve this one is; absent: the only one. May change at any time, and each process may be
   * wrong about it for a while.
   */
  readonly part?: () => Part
}

const alone = (): Part => ({ rank: 0, of: 1 })

export function waitingIndex({ readNext, onError, ledger, part: partNow = alone }: IndexOptions): WaitingIndex {
  const entries = new Map<ClassId, Entry>()
  const owners = ownerOrder<Entry>(ledger)
  const listeners: (() => void)[] = []
  let part: Part = { ...partNow() }
  const kinds = placeKinds(() => forgetKinds(entries, owners, part))

  /** Everything is in the order of the part that we have now. */
  function turn(): void {
    const { rank, of } = partNow()
    if (rank === part.rank && of === part.of) return
    part = { rank, of }
    for (const { window } of entries.values()) order(window, window.jobs, part)
    for (const owner of owners.all()) owner.entries.reorder(part)
  }

  function readOn(entry: Entry): void {
    if (entry.reading) return
    entry.reading = true
    entry.isOutdated = false
    entry.came = []
    entry.taken = new Set()
    const { window } = entry
    const max = maxWindow(part)
    // Not before this turn's picks are on their way to the store as claims: else it would show them once more.
    Promise.resolve()
      .then(() => readNext(entry.queue.id, max))
      .then((jobs) => {
        turn()
        keepRead(entry, jobs, max, part)
        settle(entry, true)
        if (entry.isOutdated) readOn(entry)
        if (window.jobs.length > 0) for (const listener of listeners) listener()
      })
      .catch((error: unknown) => {
        entry.reading = false
        onError(error)
      })
  }

  /** Keeps an owner's set of queues that have something to give. */
  function settle(entry: Entry, isMore: boolean): void {
    const { window } = entry
    entry.owner.entries.place(entry, isMore)
    owners.changed(entry.owner)
    if (isShort(window)) readOn(entry)
    else if (window.complete && window.jobs.length === 0 && !entry.reading) entries.delete(entry.queue.id)
  }

  function taken({ entry, job }: Found): Picked {
    if (entry.reading) entry.taken.add(job.id)
    owners.served(entry.owner)
    settle(entry, false)
    return { queue: entry.queue, job }
  }

  return {
    arrived(queue, jobs) {
      turn()
      const entry = entryIn(entries, owners, queue, part)
      for (const job of jobs) {
        if (entry.reading) entry.came.push(job)
        insert(entry.window, job, part)
      }
      settle(entry, true)
    },
    take(place, room, search = new Set()) {
      turn()
      const offer = offerOf(place, room, part, kinds.of(place))
      const found = owners.first(offer.wanted, (owner) =>
        search.has(owner) ? undefined : pickOf(owners, owner, offer, search),
      )
      return found && taken(found)
    },
    takeOf(classId, place, room) {
      turn()
      const entry = entries.get(classId)
      const offer = offerOf(place, room, part, kinds.of(place))
      if (!entry || isAwaited(entry) || !suitsPlace(owners, entry, offer)) return undefined
      const job = takeFitting(entry, offer)
      return job && taken({ entry, job })
    },
    missed(queue) {
      const entry = entries.get(queue.id)
      if (!entry || entry.reading || entry.window.jobs.length === 0) return
      entry.isStale = true
      readOn(entry)
    },
    reranked(classId, jobs) {
      const entry = entries.get(classId)
      if (entry && isToRead(entry, jobs, part)) readOn(entry)
    },
    learn(counts) {
      turn()
      for (const { queue, waiting, topPriority } of counts) {
        const entry = entryIn(entries, owners, queue, part)
        const { window } = entry
        if (window.jobs.length < waiting) window.complete = false
        // Others submit and set priorities as well: something urgent must not wait for the end of our window.
        const isUrgent = topPriority > (window.jobs[0]?.priority ?? -Infinity)
        if (isUrgent) readOn(entry)
        else settle(entry, false)
      }
    },
    onReady(listener) {
      listeners.push(listener)
    },
    tick: (weights, nowMs) => owners.tick(weights, nowMs),
  }
}

/** What was read is the window, with what came and without what was taken since it was asked for. */
function keepRead(entry: Entry, jobs: readonly WaitingJob[], max: number, part: Part): void {
  const { window, taken, came } = entry
  entry.reading = false
  entry.isStale = entry.isOutdated
  order(
    window,
    jobs.filter(({ id }) => !taken.has(id)),
    part,
  )
  window.complete = jobs.length < max
  for (const job of came) insert(window, job, part)
}

/** Whether it is to be read now; else it is being read, and once more after that. The jobs leave the window until then. */
function isToRead(entry: Entry, jobs: readonly { readonly id: JobId }[], part: Part): boolean {
  const { window } = entry
  const ids = new Set(jobs.map(({ id }) => id))
  order(
    window,
    window.jobs.filter(({ id }) => !ids.has(id)),
    part,
  )
  window.complete = false
  entry.isStale = true
  entry.isOutdated = entry.reading
  return !entry.reading
}

function entryIn(entries: Map<ClassId, Entry>, owners: OwnerOrder<Entry>, queue: TaskQueue, part: Part): Entry {
  const known = entries.get(queue.id)
  if (known) return known
  const entry = newEntry(queue, owners.of(queue, part))
  entries.set(queue.id, entry)
  return entry
}

/** Kinds of places have other numbers from now on: no task queue knows which it suits. */
function forgetKinds(entries: ReadonlyMap<ClassId, Entry>, owners: OwnerOrder<Entry>, part: Part): void {
  for (const entry of entries.values()) {
    entry.asked = { ...entry.asked, kinds: everyKind }
    entry.known = noKind
  }
  for (const owner of owners.all()) {
    owner.entries.reorder(part)
    owners.changed(owner)
  }
}
