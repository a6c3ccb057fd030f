/**
 * Forgetting: jobs leave their pages, empty pages leave with their descriptions, and what is only of use beside them goes
 * with age. Idempotent, and safe against every process that changes the same page at the time: a page leaves only as it was
 * seen.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { isEnded } from '../../../../core/model/job.ts'
import type { JobStore } from '../../../../core/ports/store.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import { type Database, guarded } from './database.ts'
import type { KnownQueues } from './known-queues.ts'
import { packed } from './job-text.ts'
import { jobsUpdate, leaving, type Page, pageFields, pageOf, summaryOf, summaryUpdate, summed } from './page.ts'
import { removeEmpty } from './removal.ts'
import type { PageCache } from './page-cache.ts'
import { forgetOutputs } from './sandbox.ts'
import type { SpecCache } from './specs.ts'

export type ForgetOptions = {
  readonly database: Database
  readonly cache: PageCache
  readonly specs: SpecCache
  readonly queues: KnownQueues
  readonly random: Random
}

/** A VM is remembered so much longer than the jobs that ran on it: a VM's life, rounded up. */
const vmsLongerMs = 30 * 24 * 60 * 60 * 1000
const pagesAtOnce = 64
const writesKept = 8
/** Task queues that are looked at in one round. */
const queuesAtOnce = 100

export function openForget(options: ForgetOptions): JobStore['forget'] {
  const { database, cache, queues } = options
  const { pages, submissions, facts, emittedFacts, vms } = database

  return async (endedBeforeMs, limit) => {
    const found = await guarded('reading old jobs', () =>
      pages
        .find({ en: { $lt: endedBeforeMs } }, { projection: pageFields })
        .sort({ en: 1 })
        .limit(pagesAtOnce)
        .toArray(),
    )
    await queues.byIds(found.map(({ q }) => q as Page['classId']))
    const forgotten: JobId[] = []
    for (const document of found) {
      const room = limit - forgotten.length
      if (room <= 0) break
      forgotten.push(...(await forgetIn(options, pageOf(document), endedBeforeMs, room)))
      cache.drop(document._id as JobId)
    }
    await queues.forget(queuesAtOnce)
    // The last one stays, however old: it holds the collector's place and the highest number.
    const last = await guarded('reading facts', () => facts.findOne({}, { sort: { _id: -1 }, projection: { _id: 1 } }))
    await guarded('forgetting what is old', () =>
      Promise.all([
        submissions.deleteMany({ at: { $lt: endedBeforeMs } }),
        facts.deleteMany({ at: { $lt: endedBeforeMs }, _id: { $lt: last?._id ?? 0 } }),
        emittedFacts.deleteMany({ at: { $lt: endedBeforeMs } }),
        vms.deleteMany({ over: true, at: { $lt: endedBeforeMs - vmsLongerMs } }),
      ]),
    )
    return forgotten
  }
}

async function forgetIn(
  { database, specs, queues, random }: ForgetOptions,
  page: Page,
  endedBeforeMs: number,
  room: number,
): Promise<readonly JobId[]> {
  const old = [...page.jobs.values()]
    .filter(({ job }) => isEnded(job.phase) && job.awaited === undefined && job.changedMs < endedBeforeMs)
    .slice(0, room)
  const ids = old.map(({ job }) => job.id)
  const left = new Map(page.jobs)
  for (const id of ids) left.delete(id)
  const moves = summed(old.map(leaving))
  const version = page.version + 1
  const summary = summaryOf(left.values(), queues.known(page.classId).requirements, page.priority)
  const { set, unset } = summaryUpdate(page, summary)
  Object.assign(set, {
    cv: version,
    ...jobsUpdate(page, left),
    mv: { cv: version, vo: page.owner.vo, m: moves, f: packed('[]') },
    wr: [...page.writes.slice(1 - writesKept), random.letters(12)],
  })
  const filter = { _id: page.first, cv: page.version }
  const { matchedCount } = await guarded('forgetting jobs', () =>
    database.pages.updateOne(filter, { $set: set, $unset: unset }),
  )
  // Another process changed it in between: it comes again.
  if (matchedCount === 0) return []
  await forgetOutputs(database, ids)
  if (left.size === 0) await removeEmpty({ database, specs }, page.first, version)
  return ids
}
