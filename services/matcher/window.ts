/**
 * The window on one task queue: its next jobs, in the order in which this process would have them.
 *
 * Where several processes serve, each prefers its own part of every queue, so that they do not ask for the same jobs: what
 * lies together in the store belongs to one of them. Priority stands above that: a job of a higher one comes first, in
 * whichever part it is. Only a preference: every process may take every job, and does when its own part has run out.
 */

import { windowJobs } from '../../core/kernel/limits.ts'
import type { WaitingJob } from '../../core/model/task-queue.ts'

/** Which of the processes that serve this is, counted from 0, and how many they are. */
export type Part = { readonly rank: number; readonly of: number }

/** Where the store names no parts: ids that belong together, as a submission's jobs start near each other. */
const blockJobs = 64
/** What a queue may take of the memory, and one reading of the store, however many processes there are. */
const maxWindowJobs = 4096

/** A window with fewer jobs is short: from this number on there is time to read the next ones before these are gone. */
const few = windowJobs / 4

export type Window = {
  /** In our order. */
  jobs: WaitingJob[]
  /** How many of them are of our own part; and the most since it was read last. */
  own: number
  maxOwn: number
  /** Whether it holds all that wait, as far as we know. */
  complete: boolean
}

export function newWindow(): Window {
  return { jobs: [], own: 0, maxOwn: 0, complete: true }
}

/** How many jobs it may hold, and how many are read at once: enough of every part. */
export function maxWindow({ of }: Part): number {
  return Math.min(maxWindowJobs, windowJobs * of)
}

/** Whether the window, or our own part of it, has become short, so that the next jobs must be read. */
export function isShort({ jobs, own, maxOwn, complete }: Window): boolean {
  // Where the store had few of our own the rest is as good: else every pick would be a reading.
  return !complete && (jobs.length < few || (own < few && maxOwn >= few))
}

/**
 * There is more of our own, and it is being read: better to wait for it than to ask for what another process is about to
 * take.
 */
export function awaitsOwn({ own, maxOwn }: Window): boolean {
  return own === 0 && maxOwn >= few
}

/**
 * By priority, then our own part, then that of the next process and so on, then by age: two that run out help two others.
 * No job stands behind every job.
 */
export function isBefore(a: WaitingJob | undefined, b: WaitingJob | undefined, part: Part): boolean {
  if (!a || !b) return a !== undefined
  if (a.priority !== b.priority) return a.priority > b.priority
  const distance = distanceOf(a, part) - distanceOf(b, part)
  return distance < 0 || (distance === 0 && a.id < b.id)
}

export function insert(window: Window, job: WaitingJob, part: Part): void {
  const { jobs } = window
  const max = maxWindow(part)
  const at = placeOf(jobs, job, part)
  if (jobs[at]?.id === job.id) return
  // Beyond the window's end stand jobs that only the store knows: this one is read with them when its turn comes.
  if (at === jobs.length && (!window.complete || jobs.length >= max)) {
    window.complete = false
    return
  }
  jobs.splice(at, 0, job)
  if (isOwn(job, part)) window.own += 1
  if (jobs.length > max) {
    const last = jobs.pop()
    if (last && isOwn(last, part)) window.own -= 1
    window.complete = false
  }
  window.maxOwn = Math.max(window.maxOwn, window.own)
}

/**
 * The first that fits, where that is asked; else the first; at the end of a queue, where all processes are left with the
 * same few jobs of others, the first of our stretch of them.
 */
export function takeFirst(window: Window, part: Part, fits?: (job: WaitingJob) => boolean): WaitingJob | undefined {
  const { jobs, complete, own } = window
  if (fits) return takeAt(window, part, jobs.findIndex(fits))
  const stretch = complete && own === 0 ? Math.floor((jobs.length * part.rank) / part.of) : 0
  const at = jobs[stretch]?.priority === jobs[0]?.priority ? stretch : 0
  return takeAt(window, part, at)
}

function takeAt(window: Window, part: Part, at: number): WaitingJob | undefined {
  if (at < 0) return undefined
  const [job] = window.jobs.splice(at, 1)
  if (job && isOwn(job, part)) window.own -= 1
  return job
}

/** What the store has read, or what was there, in the order of a part. */
export function order(window: Window, jobs: readonly WaitingJob[], part: Part): void {
  window.jobs = jobs.toSorted((a, b) => (isBefore(a, b, part) ? -1 : 1))
  window.own = window.jobs.reduce((count, job) => count + (isOwn(job, part) ? 1 : 0), 0)
  window.maxOwn = window.own
}

function isOwn(job: WaitingJob, part: Part): boolean {
  return distanceOf(job, part) === 0
}

function distanceOf({ id, part }: WaitingJob, { rank, of }: Part): number {
  if (of === 1) return 0
  const block = part === undefined ? Math.floor(id / blockJobs) : scattered(part)
  return ((block % of) - rank + of) % of
}

/**
 * First ids of parts come at equal distances, which must not all fall to one process (Knuth's multiplicative hash). The
 * lower bits are left out: where the distance is a power of two they are the same for all.
 */
function scattered(part: number): number {
  return Math.imul(part, 2_654_435_761) >>> 16
}

/** The first place whose job is not before this one: its own place where it is there already. */
function placeOf(jobs: readonly WaitingJob[], job: WaitingJob, part: Part): number {
  // New jobs mostly come last.
  if (!isBefore(job, jobs.at(-1), part) && jobs.at(-1)?.id !== job.id) return jobs.length
  let low = 0
  let high = jobs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(jobs[middle], job, part)) low = middle + 1
    else high = middle
  }
  return low
}
