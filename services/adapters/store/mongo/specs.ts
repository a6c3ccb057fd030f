/**
 * Descriptions of jobs, a document a page. They never change; the pages of recent ones are remembered as the texts that they
 * are.
 */

import { specOfText } from '../../../../core/model/earlier-job.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { JobSpec } from '../../../../core/model/job.ts'
import { type Database, guarded } from './database.ts'
import { pageJobs, rangesOf } from './page.ts'

export type SpecCache = {
  put(first: JobId, texts: readonly string[]): void
  of(id: JobId): Promise<JobSpec | undefined>
  all(ids: Iterable<JobId>): Promise<ReadonlyMap<JobId, JobSpec>>
  forget(first: JobId): void
}

const maxPages = 4096
const maxRanges = 200

export function openSpecs({ specs }: Database): SpecCache {
  const cache = new Map<number, readonly string[]>()
  /** Askers of one turn share a query. */
  let gathering: { readonly ids: Set<JobId>; readonly done: Promise<void> } | undefined

  function put(first: number, texts: readonly string[]): void {
    cache.delete(first)
    cache.set(first, texts)
    if (cache.size > maxPages) cache.delete(cache.keys().next().value as number)
  }

  /** A page begins with one of its jobs, and its texts stand in the order of their ids. */
  function lying(id: JobId): string | undefined {
    for (let first: number = id; first > id - pageJobs; first -= 1) {
      const texts = cache.get(first)
      if (texts && texts.length > id - first) return texts[id - first]
    }
    return undefined
  }

  async function read(ids: readonly JobId[]): Promise<void> {
    const ranges = rangesOf(ids)
    for (let at = 0; at < ranges.length; at += maxRanges) {
      const $or = ranges.slice(at, at + maxRanges)
      const found = await guarded('reading descriptions', () => specs.find({ $or }).toArray())
      for (const { _id, s } of found) put(_id, s)
    }
  }

  function gather(id: JobId): Promise<void> {
    if (!gathering) {
      const ids = new Set<JobId>()
      const done = Promise.resolve().then(() => {
        gathering = undefined
        return read([...ids])
      })
      gathering = { ids, done }
    }
    gathering.ids.add(id)
    return gathering.done
  }

  async function of(id: JobId): Promise<JobSpec | undefined> {
    if (lying(id) === undefined) await gather(id)
    const text = lying(id)
    return text === undefined ? undefined : specOfText(text, id)
  }

  return {
    put,
    of,
    async all(ids) {
      const found = await Promise.all([...ids].map(async (id) => [id, await of(id)] as const))
      return new Map(found.flatMap(([id, spec]) => (spec ? [[id, spec] as const] : [])))
    },
    forget: (first) => void cache.delete(first),
  }
}
