/**
 * The end of an import: what is there is counted, and then the store is given to services: the counts of jobs as they are,
 * and the collector's place behind everything that the import wrote.
 *
 * Only the last step takes the mark away, and each may be done again.
 */

import type { Timestamp } from 'mongodb'
import type { ArchiveCounts } from '../../../../core/model/archive.ts'
import { countersOf, noKey } from './archive-out.ts'
import { accountedMark, type Database, guarded, type MetaDocument } from './database.ts'
import { importMarks } from './import-mark.ts'
import { unpacked } from './job-text.ts'
import { listedFields, listedJobs, siteOf } from './page.ts'

export async function countAll(database: Database): Promise<ArchiveCounts> {
  const { queues, submissions, images, vms, notes, pages, facts, meta, usageDays, usageMeters, usageRecords } = database
  const [counted, jobs, factCount] = await Promise.all([
    guarded('counting', () =>
      Promise.all([
        queues.countDocuments(),
        submissions.countDocuments({ _id: { $gt: `${noKey}\uffff` } }),
        images.countDocuments(),
        vms.countDocuments(),
        notes.countDocuments(),
        usageDays.countDocuments(),
        usageMeters.countDocuments(),
        usageRecords.countDocuments(),
        meta.countDocuments({ _id: accountedMark, last: { $gt: 0 } }),
      ]),
    ),
    sumOver(pages.find({}, { projection: { z: 1 } }), ({ z }) => (unpacked(z) as unknown[]).length),
    sumOver(facts.find({}, { projection: { facts: 1 } }), (document) => (unpacked(document.facts) as unknown[]).length),
  ])
  const counters = await countersOf(database)
  const [queueCount, keyCount, imageCount, vmCount, noteCount, ...usage] = counted
  return {
    queues: queueCount,
    submissions: keyCount,
    images: imageCount,
    vms: vmCount,
    jobs,
    facts: factCount,
    notes: noteCount,
    counters: counters.length,
    usage: usage.reduce((sum, count) => sum + count, 0),
  }
}

async function sumOver<T>(documents: AsyncIterable<T>, countOf: (document: T) => number): Promise<number> {
  let sum = 0
  await guarded('counting', async () => {
    for await (const document of documents) sum += countOf(document)
  })
  return sum
}

export async function openForServices(database: Database): Promise<void> {
  const { meta, db } = database
  const facts = (await countersOf(database)).find(({ name }) => name === 'facts')
  const counts = await talliesOf(database)
  const next = (facts?.highest ?? 0) + 1
  await guarded('keeping counts', () => meta.replaceOne({ _id: 'tallies' }, { next, counts }, { upsert: true }))
  // After the last write, by the server's own reckoning: what comes from here on is what services did.
  const { operationTime } = (await guarded('asking for the time', () => db.command({ ping: 1 }))) as {
    operationTime?: Timestamp
  }
  if (!operationTime) throw new Error('assertion failed: a member of a replica set reports its time')
  await guarded('opening the store', () =>
    meta.updateOne({ _id: 'collected' }, { $set: { from: operationTime } }, { upsert: true }),
  )
  await guarded('opening the store', () => importMarks(database).deleteOne({ _id: 'import' }))
}

async function talliesOf({ pages }: Database): Promise<NonNullable<MetaDocument['counts']>> {
  const sums = new Map<string, NonNullable<MetaDocument['counts']>[number]>()
  await guarded('counting', async () => {
    for await (const document of pages.find({}, { projection: listedFields })) {
      for (const kept of listedJobs(document)) {
        const { vo, phase } = kept.job
        const site = siteOf(kept)
        const key = JSON.stringify([vo, phase.state, site])
        sums.set(key, [vo, phase.state, site, (sums.get(key)?.[3] ?? 0) + 1])
      }
    }
  })
  return [...sums.values()]
}
