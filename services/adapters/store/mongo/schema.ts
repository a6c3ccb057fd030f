/**
 * The indexes that this program stands on, and how a database gets to the version that it knows. Nothing here is done twice:
 * of many processes that start at once, each finds what the others made.
 */

import type { AnyBulkWriteOperation, CreateIndexesOptions, IndexSpecification, Timestamp } from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { accountedMark, type Database } from './database.ts'
import { listSummaryOf, namesIn } from './list-summary.ts'
import { type KeptJob, keptJob } from './job-text.ts'
import { jobsUpdate, listedFields, listedJobs, type PageDocument, pageFields, pageOf } from './page.ts'

type Declared = { readonly on: keyof Indexed; readonly key: IndexSpecification; readonly options: CreateIndexesOptions }
type Indexed = Pick<
  Database,
  | 'pages'
  | 'queues'
  | 'submissions'
  | 'vms'
  | 'emittedFacts'
  | 'facts'
  | 'specs'
  | 'claims'
  | 'claimedBlobs'
  | 'outputs'
  | 'usageRecords'
  | 'usageDays'
>

const where = (field: string, test: object): Pick<CreateIndexesOptions, 'partialFilterExpression'> => ({
  partialFilterExpression: { [field]: test },
})

/** Of jobs in a page; see list-summary.ts. */
const listed = { grp: 1, jg: 1, jt: 1, sb: 1, pb: 1, cb: 1, s0: 1, s1: 1 } as const
const changed = { c0: 1, c1: 1 } as const

/** By name: a changed one gets a new name. A test asks the server that each is used by the query it is for. */
export const indexes: readonly Declared[] = [
  // The next jobs of a task queue, and how many wait in each: covered, so that counting reads no page.
  { on: 'pages', key: { q: 1, pr: -1, _id: 1, w: 1 }, options: { name: 'waiting', ...where('w', { $gt: 0 }) } },
  // What an owner and a VO have waiting or held, and in which task queues: covered as well.
  { on: 'pages', key: { vo: 1, grp: 1, own: 1, q: 1, o: 1 }, options: { name: 'open', ...where('o', { $gt: 0 }) } },
  // Whether any page names a task queue.
  { on: 'pages', key: { q: 1 }, options: { name: 'queue' } },
  { on: 'pages', key: { lv: 1 }, options: { name: 'leased', ...where('lv', { $exists: true }) } },
  { on: 'pages', key: { un: 1 }, options: { name: 'until', ...where('un', { $exists: true }) } },
  { on: 'pages', key: { en: 1 }, options: { name: 'ended', ...where('en', { $exists: true }) } },
  // Listings by submission, of one owner and of all: what a page says of its jobs is looked at in the index.
  { on: 'pages', key: { vo: 1, own: 1, _id: 1, ...listed, ...changed }, options: { name: 'owner-listed' } },
  { on: 'pages', key: { _id: 1, vo: 1, own: 1, ...listed, ...changed }, options: { name: 'listed' } },
  // Listings by change, from either end.
  { on: 'pages', key: { c1: 1, _id: 1, vo: 1, own: 1, ...listed, c0: 1 }, options: { name: 'changed-last' } },
  { on: 'pages', key: { c0: 1, _id: 1, vo: 1, own: 1, ...listed, c1: 1 }, options: { name: 'changed-first' } },
  // Few jobs among many: their pages.
  { on: 'pages', key: { jg: 1, _id: 1 }, options: { name: 'job-group', ...where('jg', { $exists: true }) } },
  { on: 'pages', key: { nm: 1, _id: 1 }, options: { name: 'job-name' } },
  // The jobs that wait for a job; and ended jobs whose dependants may not know it.
  { on: 'pages', key: { dep: 1 }, options: { name: 'dependencies', ...where('dep', { $exists: true }) } },
  { on: 'pages', key: { rel: 1 }, options: { name: 'awaited', ...where('rel', { $exists: true }) } },
  { on: 'queues', key: { at: 1 }, options: { name: 'named' } },
  { on: 'submissions', key: { open: 1, at: 1 }, options: { name: 'open', ...where('open', { $exists: true }) } },
  { on: 'submissions', key: { at: 1 }, options: { name: 'age' } },
  { on: 'submissions', key: { first: 1 }, options: { name: 'first' } },
  { on: 'vms', key: { over: 1, at: -1 }, options: { name: 'over' } },
  { on: 'emittedFacts', key: { subject: 1, n: 1 }, options: { name: 'subject' } },
  { on: 'emittedFacts', key: { at: 1 }, options: { name: 'age' } },
  { on: 'facts', key: { at: 1 }, options: { name: 'age' } },
  { on: 'specs', key: { in: 1 }, options: { name: 'inputs', ...where('in', { $exists: true }) } },
  { on: 'claims', key: { at: 1 }, options: { name: 'age' } },
  { on: 'claimedBlobs', key: { removing: 1 }, options: { name: 'removing', ...where('removing', { $exists: true }) } },
  { on: 'outputs', key: { claim: 1 }, options: { name: 'claim' } },
  { on: 'usageRecords', key: { end: 1, _id: 1 }, options: { name: 'end' } },
  { on: 'usageDays', key: { day: 1 }, options: { name: 'day' } },
]

/** Steps to each version from the one before. The first is the making of it: its indexes are made at every start. */
const steps: readonly ((database: Database) => Promise<void>)[] = [
  async () => undefined,
  // Images are found by their names alone. A program that does not know them would make VMs from whatever it likes.
  async () => undefined,
  countHeld,
  summarise,
  // Jobs that wait for others: a program that does not know them would leave them out of the indexes.
  async () => undefined,
  // A program that does not know stories beside the jobs would show histories without their beginning.
  separateStories,
]
export const schemaVersion = steps.length

const pagesAtOnce = 500

function inBulks(pages: Database['pages']) {
  let statements: AnyBulkWriteOperation<PageDocument>[] = []
  const end = async (): Promise<void> => {
    if (statements.length > 0) await pages.bulkWrite(statements, { ordered: false })
    statements = []
  }
  return {
    end,
    async add(filter: Pick<PageDocument, '_id' | 'cv'>, update: object): Promise<void> {
      statements.push({ updateOne: { filter, update } })
      if (statements.length >= pagesAtOnce) await end()
    },
  }
}

/** Pages learn how many of their jobs wait or are held, and task queues when they were named last. */
async function countHeld({ pages, queues }: Database): Promise<void> {
  await queues.updateMany({ at: { $exists: false } }, [{ $set: { at: { $toLong: '$$NOW' } } }])
  const statements = inBulks(pages)
  for await (const document of pages.find({ o: { $exists: false } }, { projection: listedFields })) {
    const open = listedJobs(document, { states: ['Waiting', 'Held'] })
    if (open.length === 0) continue
    await statements.add({ _id: document._id, cv: document.cv }, { $set: { o: open.length } })
  }
  await statements.end()
}

/** Pages learn what listings look for, and jobs the cloud of their VM. */
async function summarise(database: Database): Promise<void> {
  const { pages, vms } = database
  // An index of earlier versions, which `owner-listed` stands in for.
  if (await pages.indexExists('owner').catch(() => false)) await pages.dropIndex('owner')
  const clouds = new Map<string, string>()
  for await (const { _id, doc } of vms.find({}, { projection: { doc: 1 } })) {
    const { cloud } = JSON.parse(doc) as { readonly cloud: string }
    clouds.set(_id, cloud)
    await vms.updateOne({ _id }, { $set: { cloud } })
  }
  const withCloud = (kept: KeptJob): KeptJob => {
    const { job, place, story } = kept
    const cloud = clouds.get(('lease' in job.phase && job.phase.lease?.vmId) || '')
    return cloud === undefined ? kept : keptJob(job, { ...place, cloud }, story)
  }
  const statements = inBulks(pages)
  for await (const document of pages.find({ sb: { $exists: false } }, { projection: pageFields })) {
    const page = pageOf(document)
    const jobs = new Map([...page.jobs].map(([id, kept]) => [id, withCloud(kept)]))
    const set = { ...listSummaryOf(jobs.values()), nm: namesIn(jobs.values()), ...jobsUpdate(page, jobs) }
    await statements.add({ _id: document._id, cv: document.cv }, { $set: set, $inc: { cv: 1 } })
  }
  await statements.end()
}

/**
 * Stories lie beside the jobs, each job in a line of its own. A process of an earlier version that still runs must not write
 * over this from a page that it read before: pages get a new version.
 */
async function separateStories({ pages }: Database): Promise<void> {
  const statements = inBulks(pages)
  for await (const document of pages.find({ y: { $exists: false } }, { projection: pageFields })) {
    const page = pageOf(document)
    if (!page.isEarlier) continue
    await statements.add({ _id: document._id, cv: document.cv }, { $set: jobsUpdate(page, page.jobs), $inc: { cv: 1 } })
  }
  await statements.end()
}

/** Throws `store-newer` for a database that a newer program has made or moved. */
export async function migrate(database: Database): Promise<void> {
  const { meta } = database
  const found = await meta.findOne({ _id: 'schema' })
  let version = Number(found?.version ?? 0)
  if (version > steps.length) {
    throw new PilotageError('store-newer', `the store has schema ${version}, this program knows up to ${steps.length}`)
  }
  for (; version < steps.length; version += 1) {
    // An empty database has nothing to move.
    if (found) await steps[version]?.(database)
    await meta.updateOne({ _id: 'schema' }, { $max: { version: version + 1 } }, { upsert: true })
  }
  for (const { on, key, options } of indexes) await database[on].createIndex(key, options)
  // From here on everything that happens is collected: nothing was written before.
  const { operationTime } = (await database.db.command({ ping: 1 })) as { operationTime?: Timestamp }
  if (!operationTime) throw new PilotageError('internal', 'the MongoDB server is no member of a replica set')
  await meta.updateOne({ _id: 'collected' }, { $setOnInsert: { from: operationTime } }, { upsert: true })
  await meta.updateOne({ _id: accountedMark }, { $setOnInsert: { last: 0 } }, { upsert: true })
}
