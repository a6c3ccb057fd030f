/**
 * Jobs that wait for others, from the other side: which jobs wait for this one, and which ended jobs are still awaited. Both
 * stand in indexes over pages, which are counted anew from the jobs at each change of a page.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { isEnded, type Job, openOf } from '../../../../core/model/job.ts'
import type { DependencyStore, JobStore } from '../../../../core/ports/store.ts'
import { type Database, guarded } from './database.ts'
import { type Page, pageFields } from './page.ts'
import type { PageCache } from './page-cache.ts'

type Options = { readonly database: Database; readonly cache: PageCache }

const pagesAtOnce = 16
const eventsAtOnce = 1000

export function openDependencies({ database, cache }: Options): DependencyStore {
  async function walk(filter: object, sort: Record<string, 1>, take: (page: Page) => boolean): Promise<void> {
    const cursor = database.pages.find(filter, { projection: pageFields, sort, batchSize: pagesAtOnce })
    await guarded('reading jobs', async () => {
      for await (const document of cursor) if (!take(cache.learn(document))) break
      await cursor.close()
    })
  }

  return {
    async dependants(on, limit) {
      const found: JobId[] = []
      await walk({ dep: on }, { _id: 1 }, ({ jobs }) => {
        const waiting = [...jobs.values()].filter(({ job }) => openOf(job.phase).some((one) => one.job === on))
        found.push(...waiting.map(({ job }) => job.id).sort((a, b) => a - b))
        return found.length < limit
      })
      return found.slice(0, limit)
    },
    async awaitedEnds(endedBeforeMs, limit) {
      const found: Job[] = []
      await walk({ rel: { $lt: endedBeforeMs } }, { rel: 1 }, ({ jobs }) => {
        for (const { job } of jobs.values()) {
          if (isEnded(job.phase) && job.awaited !== undefined && job.changedMs < endedBeforeMs) found.push(job)
        }
        return found.length < limit
      })
      return found.sort((a, b) => a.changedMs - b.changedMs).slice(0, limit)
    },
  }
}

/**
 * Counts jobs that were there before as awaited, once more each. One that is not there will never end: its dependants are
 * Failed. May be done again by another process.
 */
export async function awaitOthers(
  { change, dependants }: Pick<JobStore, 'change'> & Pick<DependencyStore, 'dependants'>,
  others: readonly JobId[],
  nowMs: number,
): Promise<void> {
  for (let at = 0; at < others.length; at += eventsAtOnce) {
    const some = others.slice(at, at + eventsAtOnce)
    const outcomes = await change(
      some.map((jobId) => ({ kind: 'await', jobId })),
      nowMs,
    )
    for (const on of some.filter((_, index) => !outcomes[index]?.ok)) {
      for (let left = await dependants(on, eventsAtOnce); left.length > 0; left = await dependants(on, eventsAtOnce)) {
        await change(
          left.map((jobId) => ({ kind: 'dependency-ended', jobId, on, end: 'gone' })),
          nowMs,
        )
      }
    }
  }
}
