/**
 * Scans of the columns: which jobs may pass a filter, in the order of a list; and counts. Some 2 ms per million jobs and
 * column that the filter looks at. Knows nothing of the database: the caller looks at the rows of what is found here.
 */

import { hashOf, longHashOf } from '../../../../core/kernel/text-hash.ts'
import { compareListed, type JobCursor, type JobFilter, type JobOrder } from '../../../../core/model/job-filter.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import { type JobStateName, jobStates } from '../../../../core/model/job.ts'
import { type Chunk, chunkJobs, chunkOf, type Columns, chunksInOrder } from './columns.ts'
import { stateCode } from './rows.ts'

/** `owners`: by their refs, where the filter restricts them. */
export type Scan = { readonly filter: JobFilter; readonly owners: ReadonlySet<number> | undefined }

/** Chunks between two turns: a millisecond or two. */
const chunksPerTurn = 4

type Column = Float64Array | Int32Array

/** Positions in a chunk whose jobs may pass, ascending. */
export type Selection = { readonly positions: Uint32Array; length: number }

export function newSelection(): Selection {
  return { positions: new Uint32Array(chunkJobs), length: 0 }
}

export function select(chunk: Chunk, { filter, owners }: Scan, into: Selection): void {
  selectStates(chunk, filter.states ?? jobStates, into)
  if (owners) keepOwners(chunk.owner, owners, into)
  for (const field of ['jobGroup', 'jobType', 'name'] as const) {
    const text = filter[field]
    if (text !== undefined) keepEqual(chunk[field], longHashOf(text), into)
  }
  for (const field of ['site', 'cloud'] as const) {
    const text = filter[field]
    if (text !== undefined) keepEqual(chunk[field], text === '' ? 0 : hashOf(text), into)
  }
  keepWithin(chunk.submitted, filter.submittedFromMs, filter.submittedToMs, into)
  keepWithin(chunk.changed, filter.changedFromMs, filter.changedToMs, into)
}

function selectStates({ state }: Chunk, states: readonly JobStateName[], into: Selection): void {
  const isWanted = new Uint8Array(jobStates.length + 1)
  for (const one of states) isWanted[stateCode[one] + 1] = 1
  const { positions } = into
  let length = 0
  for (let at = 0; at < chunkJobs; at += 1) {
    positions[length] = at
    length += isWanted[state[at] ?? 0] ?? 0
  }
  into.length = length
}

function keepOwners(column: Int32Array, owners: ReadonlySet<number>, into: Selection): void {
  const isWanted = new Uint8Array(Math.max(0, ...owners) + 1)
  for (const ref of owners) isWanted[ref] = 1
  const { positions } = into
  let length = 0
  for (let at = 0; at < into.length; at += 1) {
    const position = positions[at] ?? 0
    positions[length] = position
    length += isWanted[column[position] ?? 0] ?? 0
  }
  into.length = length
}

function keepEqual(column: Column, wanted: number, into: Selection): void {
  const { positions } = into
  let length = 0
  for (let at = 0; at < into.length; at += 1) {
    const position = positions[at] ?? 0
    positions[length] = position
    if (column[position] === wanted) length += 1
  }
  into.length = length
}

function keepWithin(column: Column, fromMs = -Infinity, toMs = Infinity, into: Selection): void {
  if (fromMs === -Infinity && toMs === Infinity) return
  const { positions } = into
  let length = 0
  for (let at = 0; at < into.length; at += 1) {
    const position = positions[at] ?? 0
    positions[length] = position
    const ms = column[position] ?? 0
    if (ms >= fromMs && ms < toMs) length += 1
  }
  into.length = length
}

export type Page = { readonly order: JobOrder; readonly after: JobCursor | undefined; readonly limit: number }

/** The first jobs behind `after` that may pass, in order, at most `limit`. Yields now and then. */
export function* firstIn(columns: Columns, scan: Scan, page: Page): Generator<undefined, readonly JobCursor[]> {
  const { order, after, limit } = page
  const first = firstOf(order, limit)
  const selection = newSelection()
  let turns = 0
  for (const chunk of chunksInOrder(columns, order.isDescending)) {
    if (order.by === 'submission') {
      if (first.isFull()) break
      if (after && isBeforePage(chunk, after.id, order)) continue
    }
    select(chunk, scan, selection)
    // In the order of the list: then what comes later is seldom better.
    const { positions, length } = selection
    for (let count = 0; count < length; count += 1) {
      const at = positions[order.isDescending ? length - 1 - count : count] ?? 0
      const id = (chunk.number * chunkJobs + at) as JobId
      const changedMs = chunk.changed[at] ?? 0
      if (after && !isBehind(after, id, changedMs, order)) continue
      first.offer(id, changedMs)
      if (order.by === 'submission' && first.isFull()) break
    }
    turns += 1
    if (turns % chunksPerTurn === 0) yield
  }
  return first.sorted()
}

/** As `compareListed`, without an object per job: this runs for each of millions. */
function isBehind(after: JobCursor, id: JobId, changedMs: number, { by, isDescending }: JobOrder): boolean {
  const ascending = by === 'change' && changedMs !== after.changedMs ? changedMs - after.changedMs : id - after.id
  return isDescending ? ascending < 0 : ascending > 0
}

function isBeforePage({ number }: Chunk, id: number, { isDescending }: JobOrder): boolean {
  return isDescending ? number > chunkOf(id) : number < chunkOf(id)
}

/** The first `limit` of what is offered: a heap whose root is the last of them. */
function firstOf(order: JobOrder, limit: number) {
  const heap: JobCursor[] = []
  const isAfter = (a: JobCursor, b: JobCursor): boolean => compareListed(a, b, order) > 0

  function swap(a: number, b: number): void {
    const [one, other] = [heap[a], heap[b]]
    if (one && other) [heap[a], heap[b]] = [other, one]
  }

  function rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      const [one, above] = [heap[at], heap[parent]]
      if (!one || !above || !isAfter(one, above)) return
      swap(at, parent)
      at = parent
    }
  }

  function sink(): void {
    for (let at = 0; ; ) {
      let last = at
      for (const child of [2 * at + 1, 2 * at + 2]) {
        const [one, other] = [heap[child], heap[last]]
        if (one && other && isAfter(one, other)) last = child
      }
      if (last === at) return
      swap(at, last)
      at = last
    }
  }

  return {
    isFull: () => heap.length >= limit,
    offer(id: JobId, changedMs: number): void {
      const root = heap[0]
      if (heap.length < limit) {
        heap.push({ id, changedMs })
        rise(heap.length - 1)
      } else if (root && !isBehind(root, id, changedMs, order) && id !== root.id) {
        heap[0] = { id, changedMs }
        sink()
      }
    },
    sorted: (): readonly JobCursor[] => heap.toSorted((a, b) => compareListed(a, b, order)),
  }
}
