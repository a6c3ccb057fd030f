/**
 * Pages that this process has read or written recently. A cache: a process changes a page by compare-and-set on the
 * version that lies here, and reads it anew when that is no longer the one.
 *
 * Never goes back: an older reading that arrives late does not replace a newer one. Bounded; the longest unused goes first.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { type Database, guarded } from './database.ts'
import type { KnownQueues } from './known-queues.ts'
import { type Page, type PageDocument, pageFields, pageOf, rangesOf } from './page.ts'

export type PageCache = {
  /** The page of each job that exists, from here where it lies here, else read. */
  ofJobs(ids: Iterable<JobId>): Promise<ReadonlyMap<JobId, Page>>
  /** These pages, from here where they lie here. */
  some(firsts: readonly JobId[]): Promise<readonly Page[]>
  /** As they are now. Those that are gone are missing. */
  read(firsts: readonly JobId[]): Promise<readonly Page[]>
  put(page: Page): Page
  /** From a reading of the store; the newer of the two. */
  learn(document: Pick<PageDocument, keyof typeof pageFields>): Page
  drop(first: JobId): void
}

/** Some 30 KB each. */
const maxPages = 4096
/** Ranges in one query. */
const maxRanges = 200

export function openPageCache({ pages }: Database, queues: KnownQueues): PageCache {
  const cache = new Map<JobId, Page>()
  const firstOf = new Map<JobId, JobId>()

  function drop(first: JobId): void {
    const page = cache.get(first)
    cache.delete(first)
    for (const id of page?.jobs.keys() ?? []) firstOf.delete(id)
  }

  function put(page: Page): Page {
    drop(page.first)
    cache.set(page.first, page)
    for (const id of page.jobs.keys()) firstOf.set(id, page.first)
    if (cache.size > maxPages) drop(cache.keys().next().value as JobId)
    return page
  }

  function learn(document: Pick<PageDocument, keyof typeof pageFields>): Page {
    const lying = cache.get(document._id as JobId)
    return lying && lying.version >= document.cv ? lying : put(pageOf(document))
  }

  async function find(filter: object): Promise<readonly Page[]> {
    const found = await guarded('reading jobs', () => pages.find(filter, { projection: pageFields }).toArray())
    await queues.byIds(found.map(({ q }) => q as Page['classId']))
    return found.map(learn)
  }

  return {
    drop,
    put,
    learn,
    async ofJobs(ids) {
      const found = new Map<JobId, Page>()
      const missing: JobId[] = []
      for (const id of ids) {
        const page = cache.get(firstOf.get(id) ?? (0 as JobId))
        if (page) found.set(id, page)
        else missing.push(id)
      }
      const ranges = rangesOf(missing)
      for (let at = 0; at < ranges.length; at += maxRanges) {
        const read = await find({ $or: ranges.slice(at, at + maxRanges) })
        for (const page of read) for (const id of page.jobs.keys()) found.set(id, page)
      }
      return found
    },
    async some(firsts) {
      const missing = firsts.filter((first) => !cache.has(first))
      if (missing.length > 0) await find({ _id: { $in: missing } })
      return firsts.flatMap((first) => cache.get(first) ?? [])
    },
    async read(firsts) {
      for (const first of firsts) drop(first)
      return firsts.length === 0 ? [] : find({ _id: { $in: firsts } })
    },
  }
}
