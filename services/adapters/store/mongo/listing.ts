/**
 * Lists and counts of jobs by a filter. Pages are found by what they say of their jobs (list-summary.ts), in an index in the
 * order of the list; only those that may hold a wanted job are unpacked, until the list is full.
 *
 * A list by change stops when no page that is left can hold a job that comes before the last one found: pages come in the
 * order of their first or last change, and equal ones in the order of their ids.
 */

import {
  attributeOf,
  compareListed,
  type CountedAttribute,
  type JobCursor,
  type JobFilter,
  newestFirst,
} from '../../../../core/model/job-filter.ts'
import { hashOf } from '../../../../core/kernel/text-hash.ts'
import { newCounting } from '../../../../core/model/job-counts.ts'
import { type Job, jobStates } from '../../../../core/model/job.ts'
import type { JobQuery, JobStore } from '../../../../core/ports/store.ts'
import { type BoundedPage, boundedPages, maxBoundedPages } from './bounded-pages.ts'
import { type Database, guarded } from './database.ts'
import { type ListSummary, pageFilterOf } from './list-summary.ts'
import { listedFields, listedJobs, type PageDocument, pageJobs } from './page.ts'

/** Pages that one batch of a cursor brings, and that are unpacked in one turn. */
const pagesAtOnce = 64
/** Where all jobs of a page pass: the first pages fill the list, or each has one job. */
const fewPagesAtOnce = 16
/** Of a job group or a name: if it lies in more pages than this, it is frequent, and the order of the list finds it soon. */
const maxNarrowPages = 512

/** In the right order the first pages may do. */
const firstSlice = 4

/** Pages that gave no job, or that came after the list was full: the order of the index does not end it soon. */
const maxWalkedInVain = 16
/** Pages of several jobs that gave some: their bounds may be those of others. A page of one job stands in its place. */
const maxWalkedMixed = 64

const boundFields = { last: 1, c0: 1, c1: 1 } as const

export function openListing(database: Database): Pick<JobStore, 'list' | 'countBy'> {
  return {
    list: (query) => guarded('listing jobs', () => list(database, query)),
    countBy: (filter, query) => guarded('counting jobs', () => countBy(database, filter, query)),
  }
}

async function list(database: Database, query: JobQuery): Promise<readonly Job[]> {
  const asked = askedFor(query)
  const narrow = await narrowed(database, query)
  const bounds = narrow === undefined ? asked.bounds : { $and: [asked.bounds, { _id: { $in: [...narrow] } }] }
  const filter = { ...pageFilterOf(query), ...bounds }
  const projection = { ...listedFields, ...boundFields }
  const hint = narrow === undefined ? { hint: asked.hint } : {}
  const batchSize = selectsWithinPages(query) ? pagesAtOnce : fewPagesAtOnce
  const cursor = database.pages.find(filter, { projection, sort: asked.sort, batchSize, ...hint })
  const first = firstOf(query)
  let [walkedInVain, walkedMixed, hasLooked] = [0, 0, false]
  for await (const document of cursor) {
    if (first.isBefore(document)) break
    const wasFull = first.isFull()
    const hasGained = first.take(document)
    if (wasFull || !hasGained) walkedInVain += 1
    else if (document.last > document._id) walkedMixed += 1
    if (hasLooked || (walkedInVain < maxWalkedInVain && walkedMixed < maxWalkedMixed)) continue
    hasLooked = true
    if (await isFilledByBounds(database, query, filter, first)) break
  }
  await cursor.close()
  return first.found
}

/** Goes on over the other pages in a better order, where there is one. Whether the list is complete then. */
async function isFilledByBounds(
  database: Database,
  query: JobQuery,
  filter: Record<string, unknown>,
  first: First,
): Promise<boolean> {
  const cursor = boundedPages(database, query, filter, pagesAtOnce)
  if (!cursor) return false
  let seen = 0
  let slice: BoundedPage[] = []
  let sliceSize = firstSlice
  const takeSlice = async (): Promise<void> => {
    const ids = slice.map(({ _id }) => _id).filter((id) => !first.hasTaken(id))
    const read = await database.pages.find({ _id: { $in: ids } }, { projection: listedFields }).toArray()
    for (const document of read) first.take(document)
    slice = []
    sliceSize = Math.min(2 * sliceSize, pagesAtOnce)
  }
  for await (const page of cursor) {
    if (slice.length === sliceSize) await takeSlice()
    if (slice.length === 0 && first.isBefore({ ...page, c0: page.bound, c1: page.bound })) {
      await cursor.close()
      return true
    }
    slice.push(page)
    seen += 1
  }
  await takeSlice()
  return seen < maxBoundedPages
}

type First = ReturnType<typeof firstOf>

/** Whether one job of a page may pass and another not. */
function selectsWithinPages({ vo, group, owner, jobGroup, jobType, order, after, limit, ...within }: JobQuery): boolean {
  return Object.values(within).some((value) => value !== undefined)
}

/** The jobs of pages that pass, in the order of the list, at most its limit. */
function firstOf(query: JobQuery) {
  const { order = newestFirst, after, limit } = query
  const found: Job[] = []
  const taken = new Set<number>()
  return {
    found,
    isFull: (): boolean => found.length === limit,
    hasTaken: (id: number): boolean => taken.has(id),
    /** Whether what was found comes before every job of this page and of those behind it. */
    isBefore(document: Pick<PageDocument, '_id' | 'last' | 'c0' | 'c1'>): boolean {
      const last = found.length < limit ? undefined : found[limit - 1]
      return last !== undefined && isBeforeAll(last, document, order)
    },
    /** Each page once. Whether the list has jobs of it now. */
    take(document: Pick<PageDocument, keyof typeof listedFields>): boolean {
      if (taken.has(document._id)) return false
      taken.add(document._id)
      const last = found.length < limit ? undefined : found[limit - 1]
      const isWanted = (job: JobCursor): boolean =>
        isBehind(job, after, order) && (last === undefined || compareListed(job, last, order) < 0)
      const fit = listedJobs(document, query, isWanted)
      if (fit.length === 0) return false
      found.push(...fit.map(({ job }) => job))
      found.sort((a, b) => compareListed(a, b, order))
      found.length = Math.min(found.length, limit)
      return true
    },
  }
}

type Order = NonNullable<JobQuery['order']>

function isBehind(job: JobCursor, after: JobCursor | undefined, order: Order): boolean {
  return after === undefined || compareListed(after, job, order) < 0
}

/** Whether the job comes before every job of this page and of those behind it in the order of the cursor. */
function isBeforeAll(job: Job, document: Pick<PageDocument, '_id' | 'last' | 'c0' | 'c1'>, { by, isDescending }: Order) {
  const { _id, last, c0 = 0, c1 = Infinity } = document
  if (by === 'submission') return true
  if (isDescending) return job.changedMs > c1 || (job.changedMs === c1 && job.id > last)
  return job.changedMs < c0 || (job.changedMs === c0 && job.id < _id)
}

type Asked = {
  readonly sort: Record<string, 1 | -1>
  readonly bounds: Record<string, unknown>
  readonly hint: string
}

/** The order, where it begins, and the index that has both. */
function askedFor({ order = newestFirst, after, vo, owner }: JobQuery): Asked {
  const { by, isDescending } = order
  const direction = isDescending ? -1 : 1
  if (by === 'submission') {
    const beyond = isDescending ? { $lt: after?.id } : { $gt: (after?.id ?? 0) - pageJobs }
    const hint = vo !== undefined && owner !== undefined ? 'owner-listed' : 'listed'
    return { sort: { _id: direction }, bounds: after ? { _id: beyond } : {}, hint }
  }
  const [first, name] = isDescending ? (['c1', 'changed-last'] as const) : (['c0', 'changed-first'] as const)
  const beyond = isDescending ? { c0: { $lte: after?.changedMs } } : { c1: { $gte: after?.changedMs } }
  return { sort: { [first]: direction, _id: direction }, bounds: after ? { $and: [beyond] } : {}, hint: name }
}

/** The only pages that can hold what is wanted, where they are few. */
async function narrowed({ pages }: Database, { name, jobGroup }: JobFilter): Promise<ReadonlySet<number> | undefined> {
  const tests = [
    ...(name === undefined ? [] : [{ filter: { nm: hashOf(name) }, hint: 'job-name' }]),
    ...(jobGroup ? [{ filter: { jg: jobGroup }, hint: 'job-group' }] : []),
  ]
  let narrow: ReadonlySet<number> | undefined
  for (const { filter, hint } of tests) {
    const found = await pages
      .find(filter, { projection: { _id: 1 }, hint, limit: maxNarrowPages + 1, batchSize: maxNarrowPages + 2 })
      .toArray()
    if (found.length > maxNarrowPages) continue
    const these = new Set(found.map(({ _id }) => _id))
    const known = narrow
    narrow = known ? new Set([...these].filter((first) => known.has(first))) : these
  }
  return narrow
}

const countFields = { q: 1, vo: 1, grp: 1, own: 1, jg: 1, jt: 1, s0: 1, s1: 1, c0: 1, c1: 1, ct: 1 } as const

type Counted = Pick<PageDocument, '_id' | 'vo' | 'grp' | 'own' | 'jg' | 'jt' | 's0' | 's1' | 'c0' | 'c1' | 'ct'>

async function countBy(database: Database, filter: JobFilter, query: Parameters<JobStore['countBy']>[1]) {
  const { by, limit } = query
  const counting = newCounting()
  const needsJobs = by.includes('name') || filter.name !== undefined
  const narrow = await narrowed(database, filter)
  const cursor = database.pages.find(
    { ...pageFilterOf(filter), ...(narrow ? { _id: { $in: [...narrow] } } : {}) },
    { projection: countFields, ...(narrow ? {} : { hint: 'listed' }) },
  )
  let unpacked: number[] = []
  const unpack = async (): Promise<void> => {
    const read = await database.pages.find({ _id: { $in: unpacked } }, { projection: listedFields }).toArray()
    for (const document of read) {
      for (const { job, place } of listedJobs(document, filter)) {
        counting.add(
          by.map((attribute) => attributeOf(job, place, attribute)),
          1,
        )
      }
    }
    unpacked = []
  }
  for await (const document of cursor) {
    if (!needsJobs && isWithinTimes(document, filter)) countPage(document, filter, by, counting.add)
    else unpacked.push(document._id)
    if (unpacked.length >= pagesAtOnce) await unpack()
  }
  await unpack()
  return counting.result(limit)
}

/** Whether the times of all of its jobs are. */
function isWithinTimes({ s0 = 0, s1 = 0, c0 = 0, c1 = 0 }: Counted, filter: JobFilter): boolean {
  const { submittedFromMs = 0, submittedToMs = Infinity, changedFromMs = 0, changedToMs = Infinity } = filter
  return s0 >= submittedFromMs && s1 < submittedToMs && c0 >= changedFromMs && c1 < changedToMs
}

function countPage(
  { vo, grp, own, jg = '', jt = '', ct = [] }: Counted,
  { states, site: wantedSite, cloud: wantedCloud }: JobFilter,
  by: readonly CountedAttribute[],
  add: (values: readonly string[], count: number) => void,
): void {
  const alike = { vo, group: grp, owner: own, jobGroup: jg, jobType: jt, name: '' }
  for (const [code, site, cloud, count] of ct satisfies ListSummary['ct']) {
    const state = jobStates[code]
    if (!state || (states && !states.includes(state))) continue
    if (wantedSite !== undefined && wantedSite !== site) continue
    if (wantedCloud !== undefined && wantedCloud !== cloud) continue
    const values = { ...alike, state, site, cloud }
    add(
      by.map((attribute) => values[attribute]),
      count,
    )
  }
}
