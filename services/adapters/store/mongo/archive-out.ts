/**
 * A MongoDB store's content as records of an archive, in the order of their keys. Facts come from where the collector wrote
 * them in one order: the stories beside jobs and VMs are copies of these.
 */

import { specOfText } from '../../../../core/model/earlier-job.ts'
import type {
  ArchivedCounter,
  ArchivedJob,
  ArchivedKey,
  ArchivedNote,
  ArchiveKey,
  ArchiveRecords,
  ArchiveSection,
} from '../../../../core/model/archive.ts'
import type { Fact } from '../../../../core/model/fact-shapes.ts'
import type { ClassId, JobId, VmId } from '../../../../core/kernel/ids.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import {
  archivedUsage,
  type ArchivedUsage,
  type UsageEntry,
  usageKeyOf,
  type UsagePart,
  usagePartsAfter,
} from '../../../../core/model/usage-archive.ts'
import type { UsageRecord } from '../../../../core/model/usage-record.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import { accountedMark, type Database, guarded } from './database.ts'
import { imageOf } from './images.ts'
import { unpacked } from './job-text.ts'
import { listedFields, listedJobs, pageJobs } from './page.ts'

export type ReadSection<Section extends ArchiveSection> = (
  after: ArchiveKey | undefined,
  limit: number,
) => Promise<readonly ArchiveRecords[Section][]>

export type Readers = { readonly [Section in ArchiveSection]: ReadSection<Section> }

/** Submissions without a key bear a number after this sign; what they were answered stands in their fact alone. */
export const noKey = '#'

export function archiveReaders(database: Database): Readers {
  const { queues, submissions, images, vms, notes } = database
  const behind = (after: ArchiveKey | undefined) => ({ _id: { $gt: String(after ?? '') } })
  const byId = { _id: 1 } as const
  return {
    async queues(after, limit) {
      const found = await guarded('reading task queues', () => queues.find(behind(after)).sort(byId).limit(limit).toArray())
      return found.map(({ _id, vo, grp, own, req }) => {
        const requirements = JSON.parse(req) as TaskQueue['requirements']
        return { id: _id as ClassId, vo, group: grp, owner: own, requirements }
      })
    },
    async submissions(after, limit) {
      // Keys are JSON lists: all of them lie behind the sign.
      const filter = { _id: { $gt: String(after ?? `${noKey}\uffff`) } }
      const found = await guarded('reading submissions', () =>
        submissions.find(filter).project<KeyFields>(keyFields).sort(byId).limit(limit).toArray(),
      )
      return found.map(({ _id, digest, first, n, at }): ArchivedKey => {
        return { key: _id, digest, firstId: first as JobId, count: n, atMs: at }
      })
    },
    async images(after, limit) {
      const found = await guarded('reading images', () => images.find(behind(after)).sort(byId).limit(limit).toArray())
      return found.map(imageOf)
    },
    async vms(after, limit) {
      const found = await guarded('reading VMs', () => vms.find(behind(after)).sort(byId).limit(limit).toArray())
      return found.map(({ doc }) => JSON.parse(doc) as Vm)
    },
    jobs: (after, limit) => readJobs(database, Number(after ?? 0), limit),
    facts: (after, limit) => readFacts(database, Number(after ?? 0), limit),
    async notes(after, limit) {
      const found = await guarded('reading notes', () => notes.find(behind(after)).sort(byId).limit(limit).toArray())
      return found.map(({ _id, text }): ArchivedNote => ({ name: _id, text }))
    },
    usage: (after, limit) => readUsage(database, after === undefined ? undefined : String(after), limit),
    async counters(after) {
      const counters = await countersOf(database)
      return counters.filter(({ name }) => after === undefined || name > String(after))
    },
  }
}

const keyFields = { _id: 1, digest: 1, first: 1, n: 1, at: 1 } as const
type KeyFields = { _id: string; digest: string; first: number; n: number; at: number }

async function readJobs({ pages, specs }: Database, after: number, limit: number): Promise<readonly ArchivedJob[]> {
  // The page of the next job may begin before it.
  const cursor = pages.find(
    { _id: { $gt: after - pageJobs } },
    { projection: listedFields, sort: { _id: 1 }, batchSize: 64 },
  )
  const found: { readonly first: number; readonly job: ArchivedJob['job'] }[] = []
  await guarded('reading jobs', async () => {
    for await (const document of cursor) {
      const jobs = listedJobs(document, {}, ({ id }) => id > after).map(({ job }) => job)
      found.push(...jobs.sort((a, b) => a.id - b.id).map((job) => ({ first: document._id, job })))
      if (found.length >= limit) break
    }
  })
  const some = found.slice(0, limit)
  const firsts = [...new Set(some.map(({ first }) => first))]
  const texts = await guarded('reading descriptions', () => specs.find({ _id: { $in: firsts } }).toArray())
  const byFirst = new Map(texts.map(({ _id, s }) => [_id, s]))
  return some.map(({ first, job }) => {
    const text = byFirst.get(first)?.[job.id - first]
    if (!text) throw new Error(`assertion failed: job ${job.id} has no description`)
    return { job, spec: specOfText(text, job.id) }
  })
}

async function readFacts({ facts }: Database, after: number, limit: number): Promise<readonly Fact[]> {
  const from = await guarded('reading facts', () =>
    facts.findOne({ _id: { $lte: after + 1 } }, { sort: { _id: -1 }, projection: { _id: 1 } }),
  )
  const found: Fact[] = []
  const cursor = facts.find({ _id: { $gte: from?._id ?? 0 } }, { sort: { _id: 1 }, projection: { facts: 1 }, batchSize: 16 })
  await guarded('reading facts', async () => {
    for await (const document of cursor) {
      found.push(...(unpacked(document.facts) as Fact[]).filter(({ seq }) => seq > after))
      if (found.length >= limit) break
    }
  })
  return found.slice(0, limit)
}

export async function countersOf({ facts, meta }: Database): Promise<readonly ArchivedCounter[]> {
  const [last, ids] = await guarded('reading the highest numbers', () =>
    Promise.all([
      facts.findOne({}, { sort: { _id: -1 }, projection: { next: 1 } }),
      meta.findOne({ _id: 'ids' }, { projection: { last: 1 } }),
    ]),
  )
  return [
    { name: 'facts', highest: (last?.next ?? 1) - 1 },
    { name: 'jobs', highest: ids?.last ?? 0 },
  ]
}

async function readUsage(database: Database, after: string | undefined, limit: number): Promise<readonly ArchivedUsage[]> {
  const found: UsageEntry[] = []
  for (const { part, after: from } of usagePartsAfter(after)) {
    if (found.length < limit) found.push(...(await usageEntries(database, part, from, limit - found.length)))
  }
  return found.map(archivedUsage)
}

async function usageEntries(
  { meta, usageDays, usageMeters, usageRecords }: Database,
  part: UsagePart,
  after: string,
  limit: number,
): Promise<readonly UsageEntry[]> {
  const behind = { _id: { $gt: after } }
  const byId = { _id: 1 } as const
  return guarded('reading usage', async () => {
    switch (part) {
      case 'accounted': {
        const seq = (await meta.findOne({ _id: accountedMark }))?.last ?? 0
        return seq > 0 ? [{ part, seq }] : []
      }
      case 'day': {
        const days = await usageDays.find(behind).sort(byId).limit(limit).toArray()
        return days.map(({ _id, ...measures }) => ({ part, sum: { key: usageKeyOf(_id), measures } }))
      }
      case 'meter': {
        const meters = await usageMeters.find(behind).sort(byId).limit(limit).toArray()
        return meters.map(({ _id, text }) => ({ part, vmId: _id as VmId, text }))
      }
      case 'record': {
        const records = await usageRecords.find(behind).sort(byId).limit(limit).toArray()
        return records.map(({ doc }) => ({ part, record: JSON.parse(doc) as UsageRecord }))
      }
    }
  })
}
