/**
 * What is read of jobs without knowing their ids. Every question stands on an index over pages; none looks at all jobs.
 */

import type { AttemptRef, ClassId, JobId } from '../../../../core/kernel/ids.ts'
import { leaseOf } from '../../../../core/model/job.ts'
import type { JobStore, QueueSlice } from '../../../../core/ports/store.ts'
import type { QueueCount, WaitingJob } from '../../../../core/model/task-queue.ts'
import { type Database, guarded } from './database.ts'
import type { KnownQueues } from './known-queues.ts'
import { type Page, type PageDocument, pageFields } from './page.ts'
import type { PageCache } from './page-cache.ts'
import type { SpecCache } from './specs.ts'

type Reading = Pick<JobStore, 'jobs' | 'specs' | 'queues' | 'next' | 'expired' | 'leasesBeyond'>

export type ReadingOptions = {
  readonly database: Database
  readonly cache: PageCache
  readonly specs: SpecCache
  readonly queues: KnownQueues
  readonly claiming: ReadonlySet<JobId>
}

/** Pages that one batch of a cursor brings. */
const pagesAtOnce = 16

type Head = { readonly _id: string; readonly waiting: number; readonly priority: number; readonly first: number }

export function openReading(options: ReadingOptions): Reading {
  const { cache, specs, claiming } = options
  return {
    async jobs(ids) {
      // Always as they are now: others change them too.
      const lying = await cache.ofJobs(ids)
      const read = await cache.read([...new Set([...lying.values()].map(({ first }) => first))])
      const found = new Map(read.flatMap((page) => [...page.jobs].map(([id, { job }]) => [id, job] as const)))
      return ids.flatMap((id) => found.get(id) ?? [])
    },
    async specs(ids) {
      const there = await cache.ofJobs(ids)
      return specs.all(ids.filter((id) => there.get(id)?.jobs.has(id)))
    },
    queues: (of) => heads(options, of),
    async next(classId, limit) {
      const found: WaitingJob[] = []
      const ours = new Set(claiming)
      const isFull = ({ pr, _id }: Pick<PageDocument, 'pr' | '_id'>): boolean => {
        const last = found.length < limit ? undefined : found.sort(compareWaiting)[limit - 1]
        // Pages come by their highest priority: none that is left has a job that is before it.
        return last !== undefined && compareWaiting(last, { priority: pr, id: _id as JobId }) < 0
      }
      const take = (page: Page): boolean => {
        found.push(...waitingIn(page).filter(({ id }) => !ours.has(id) && !claiming.has(id)))
        return true
      }
      await walk(options, { q: classId, w: { $gt: 0 } }, { pr: -1, _id: 1 }, take, isFull)
      return found.sort(compareWaiting).slice(0, limit)
    },
    async leasesBeyond(untilMs, limit) {
      const found: AttemptRef[] = []
      // A page knows the first end of its leases, and not the last.
      await walk(options, { un: { $gt: 0 } }, { un: 1 }, (page) => {
        for (const { job } of page.jobs.values()) {
          const isBeyond = (leaseOf(job.phase)?.untilMs ?? 0) > untilMs
          if (isBeyond) found.push({ jobId: job.id, attempt: job.attempt })
        }
        return found.length < limit
      })
      return found.slice(0, limit)
    },
    async expired(nowMs, limit) {
      const found: { readonly ref: AttemptRef; readonly untilMs: number }[] = []
      await walk(options, { un: { $lt: nowMs } }, { un: 1 }, (page) => {
        for (const { job } of page.jobs.values()) {
          const untilMs = leaseOf(job.phase)?.untilMs ?? Number.POSITIVE_INFINITY
          if (untilMs < nowMs) found.push({ ref: { jobId: job.id, attempt: job.attempt }, untilMs })
        }
        return found.length < limit
      })
      return found
        .sort((a, b) => a.untilMs - b.untilMs)
        .slice(0, limit)
        .map(({ ref }) => ref)
    },
  }
}

/** In the cursor's order, until `take` has enough, or until a page that `isEnough` before it is unpacked. */
async function walk(
  { database, cache }: ReadingOptions,
  filter: object,
  sort: Record<string, 1 | -1>,
  take: (page: Page) => boolean,
  isEnough: (document: Pick<PageDocument, 'pr' | '_id'>) => boolean = () => false,
): Promise<void> {
  const cursor = database.pages.find(filter, { projection: pageFields, sort, batchSize: pagesAtOnce })
  await guarded('reading jobs', async () => {
    for await (const document of cursor) {
      if (isEnough(document) || !take(cache.learn(document))) break
    }
    await cursor.close()
  })
}

async function heads(options: ReadingOptions, of: QueueSlice | undefined): Promise<readonly QueueCount[]> {
  const { database, queues } = options
  const found = await guarded('reading task queues', () =>
    database.pages
      .aggregate<Head>(
        [
          { $match: { ...among(of), w: { $gt: 0 } } },
          { $sort: { q: 1, pr: -1, _id: 1 } },
          { $group: { _id: '$q', waiting: { $sum: '$w' }, priority: { $first: '$pr' }, first: { $first: '$_id' } } },
          ...(of && 'limit' in of ? [{ $sort: { _id: 1 } }, { $limit: of.limit }] : []),
        ],
        { hint: 'waiting' },
      )
      .toArray(),
  )
  await queues.byIds(found.map(({ _id }) => _id as ClassId))
  const oldest = await oldestOf(options, found)
  return found.flatMap(({ _id, waiting, priority, first }) => {
    const head = oldest.get(first)
    if (head === undefined) return []
    const needs = head.needs === undefined ? {} : { needs: head.needs }
    return [{ queue: queues.known(_id as ClassId), waiting, topPriority: priority, oldestMs: head.submittedMs, ...needs }]
  })
}

function among(of: QueueSlice | undefined): object {
  if (!of) return {}
  return { q: 'ids' in of ? { $in: of.ids } : { $gt: of.after } }
}

/** The first waiting job of each of these pages. One that has none any more has left in between. */
async function oldestOf({ cache }: ReadingOptions, found: readonly Head[]): Promise<ReadonlyMap<number, WaitingJob>> {
  const read = await cache.some(found.map(({ first }) => first as JobId))
  return new Map(
    read.flatMap((page) => {
      const [first] = waitingIn(page)
      return first ? [[page.first as number, first] as const] : []
    }),
  )
}

function waitingIn(page: Page): readonly WaitingJob[] {
  const waiting: WaitingJob[] = []
  for (const { job } of page.jobs.values()) {
    const { id, priority, submittedMs, phase, needs } = job
    if (phase.state !== 'Waiting') continue
    waiting.push({ id, priority, submittedMs, part: page.first, ...(needs === undefined ? {} : { needs }) })
  }
  return waiting.sort(compareWaiting)
}

/** Highest priority first, then lowest id. */
function compareWaiting(a: Pick<WaitingJob, 'priority' | 'id'>, b: Pick<WaitingJob, 'priority' | 'id'>): number {
  return b.priority - a.priority || a.id - b.id
}
