/**
 * The task queues with waiting jobs, ordered for matching. Never holds all jobs: of each queue a window of the next ones.
 *
 * A cache: rebuilt from the store at any time, and never the judge. An id that it gives may have left the queue meanwhile;
 * the claim in the store says so and costs nothing but the try. Owners are kept in the order of what they used of late, so
 * that the choice for an offer is: the least served owner who has something that fits; of that owner's queues the one with
 * the highest priority at its head, then the oldest.
 */

import type { ClassId, JobId } from '../../core/ids.ts'
import type { Owner } from '../../core/job.ts'
import { windowJobs } from '../../core/limits.ts'
import type { QueueCount, TaskQueue, WaitingJob } from '../../core/ports/store.ts'
import { hasRoom, type Place, type Room, suits } from '../../core/requirements.ts'
import { charged, shownUse, type Use } from '../../core/share.ts'

export type Picked = { readonly queue: TaskQueue; readonly job: WaitingJob }

export type WaitingIndex = {
  /** Jobs that wait from now on. */
  arrived(queue: TaskQueue, jobs: readonly WaitingJob[]): void
  /** The next job for what a place has free, taken out of the window; undefined where nothing fits. */
  take(place: Place, room: Room): Picked | undefined
  /** An owner used, or will use, so much: negative where an advance was too high. */
  charge(owner: Owner, coreMs: number, nowMs: number): void
  /** Decayed core-milliseconds of an owner. */
  usedBy(owner: Owner, nowMs: number): number
  /** The store's truth about which queues wait: adds what is unknown here, and reads on where a window is short. */
  learn(counts: readonly QueueCount[]): void
  /** What a restart needs to go on being fair; owners whose use has faded are left out. */
  uses(nowMs: number): Uses
}

export type Uses = { readonly epochMs: number; readonly owners: readonly (readonly [string, Use])[] }

type Entry = {
  readonly queue: TaskQueue
  readonly owner: OwnerEntry
  /** Sorted: highest priority first, then lowest id. */
  window: WaitingJob[]
  /** Whether the window holds all that wait, as far as we know. */
  complete: boolean
  reading: boolean
  /** While the next ones are being read: jobs that came, and jobs that were taken and may be read once more. */
  came: WaitingJob[]
  taken: Set<JobId>
  /** Whether the queue suits a kind of place: asked for every offer, so remembered. */
  readonly suits: Map<string, boolean>
}

type OwnerEntry = { readonly key: string; use: Use; readonly entries: Set<Entry> }

/** A core-second: less than this makes no difference to anybody. */
const fadedMs = 1000

export type ReadNext = (classId: ClassId, limit: number) => Promise<readonly WaitingJob[]>

export type IndexOptions = {
  readonly readNext: ReadNext
  /** Jobs became available after reading on. */
  readonly onReady: () => void
  readonly onError: (error: unknown) => void
  readonly uses: Uses
}

export function waitingIndex({ readNext, onReady, onError, uses: { epochMs, owners: kept } }: IndexOptions): WaitingIndex {
  const entries = new Map<ClassId, Entry>()
  const owners = new Map<string, OwnerEntry>()
  /** Least use first; ties by name, so that the order is one. */
  const order: OwnerEntry[] = []

  for (const [key, use] of kept) ownerEntry(key, use)

  function ownerEntry(key: string, use = 0): OwnerEntry {
    const known = owners.get(key)
    if (known) return known
    const owner: OwnerEntry = { key, use, entries: new Set() }
    owners.set(key, owner)
    order.splice(placeIn(order, owner), 0, owner)
    return owner
  }

  function entryOf(queue: TaskQueue): Entry {
    const known = entries.get(queue.id)
    if (known) return known
    const owner = ownerEntry(ownerKey(queue))
    const entry: Entry = {
      queue,
      owner,
      window: [],
      complete: true,
      reading: false,
      came: [],
      taken: new Set(),
      suits: new Map(),
    }
    entries.set(queue.id, entry)
    return entry
  }

  function readOn(entry: Entry): void {
    if (entry.reading) return
    entry.reading = true
    entry.came = []
    entry.taken = new Set()
    // Not before this turn's picks are on their way to the store as claims: else it would tell of them once more.
    Promise.resolve()
      .then(() => readNext(entry.queue.id, windowJobs))
      .then((jobs) => {
        entry.reading = false
        entry.window = jobs.filter(({ id }) => !entry.taken.has(id))
        entry.complete = jobs.length < windowJobs
        for (const job of entry.came) insert(entry, job)
        settle(entry)
        if (entry.window.length > 0) onReady()
      })
      .catch((error: unknown) => {
        entry.reading = false
        onError(error)
      })
  }

  /** Keeps an owner's set of queues that have something to give. */
  function settle(entry: Entry): void {
    if (entry.window.length > 0) entry.owner.entries.add(entry)
    else entry.owner.entries.delete(entry)
    if (!entry.complete && entry.window.length < windowJobs / 4) readOn(entry)
    else if (entry.complete && entry.window.length === 0 && !entry.reading) entries.delete(entry.queue.id)
  }

  function best(owner: OwnerEntry, place: Place, placeKey: string, room: Room): Entry | undefined {
    let found: Entry | undefined
    for (const entry of owner.entries) {
      if (!hasRoom(entry.queue, room) || !suitsPlace(entry, place, placeKey)) continue
      if (!found || isBefore(entry.window[0], found.window[0])) found = entry
    }
    return found
  }

  return {
    arrived(queue, jobs) {
      const entry = entryOf(queue)
      for (const job of jobs) insert(entry, job)
      settle(entry)
    },
    take(place, room) {
      const placeKey = keyOf(place)
      for (const owner of order) {
        if (owner.entries.size === 0) continue
        const entry = best(owner, place, placeKey, room)
        const job = entry?.window.shift()
        if (!entry || !job) continue
        if (entry.reading) entry.taken.add(job.id)
        settle(entry)
        return { queue: entry.queue, job }
      }
      return undefined
    },
    charge(owner, coreMs, nowMs) {
      const entry = ownerEntry(ownerKey(owner))
      order.splice(order.indexOf(entry), 1)
      entry.use = charged(entry.use, coreMs, nowMs, epochMs)
      order.splice(placeIn(order, entry), 0, entry)
    },
    usedBy: (owner, nowMs) => shownUse(owners.get(ownerKey(owner))?.use ?? 0, nowMs, epochMs),
    learn(counts) {
      for (const { queue, waiting } of counts) {
        const entry = entryOf(queue)
        if (entry.window.length >= waiting || entry.window.length >= windowJobs / 4) continue
        entry.complete = false
        settle(entry)
      }
    },
    uses(nowMs) {
      const worth = [...owners.values()].filter(({ use }) => shownUse(use, nowMs, epochMs) >= fadedMs)
      return { epochMs, owners: worth.map(({ key, use }) => [key, use] as const) }
    },
  }
}

function insert(entry: Entry, job: WaitingJob): void {
  if (entry.reading) entry.came.push(job)
  const { window } = entry
  let at = window.length
  while (at > 0 && isBefore(job, window[at - 1])) at -= 1
  if (window[at - 1]?.id === job.id) return
  // Beyond the window's end stand jobs that only the store knows: this one is read with them when its turn comes.
  if (at === window.length && (!entry.complete || window.length >= windowJobs)) {
    entry.complete = false
    return
  }
  window.splice(at, 0, job)
  if (window.length > windowJobs) {
    window.pop()
    entry.complete = false
  }
}

function isBefore(a: WaitingJob | undefined, b: WaitingJob | undefined): boolean {
  if (!a || !b) return a !== undefined
  return a.priority > b.priority || (a.priority === b.priority && a.id < b.id)
}

function suitsPlace(entry: Entry, place: Place, placeKey: string): boolean {
  const known = entry.suits.get(placeKey)
  if (known !== undefined) return known
  const answer = suits(entry.queue, place)
  entry.suits.set(placeKey, answer)
  return answer
}

/** Places of one kind answer alike. There are as many as offerings, not as VMs. */
function keyOf({ cloud, site, platform, tags, vos }: Place): string {
  return `${cloud} ${site} ${platform} ${tags.join(',')} ${vos.join(',')}`
}

function ownerKey({ vo, group, owner }: Owner): string {
  return `${vo}\u0000${group}\u0000${owner}`
}

function placeIn(order: readonly OwnerEntry[], owner: OwnerEntry): number {
  let low = 0
  let high = order.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = order[middle]
    if (other && (other.use < owner.use || (other.use === owner.use && other.key < owner.key))) low = middle + 1
    else high = middle
  }
  return low
}
