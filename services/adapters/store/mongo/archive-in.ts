/**
 * Records of an archive into an empty MongoDB store: jobs as pages, facts in their order and as the stories of their
 * subjects. Each batch comes after all before it, so whatever lies beyond its first record is left of a batch that was
 * cut short, and goes first: a batch may be written any number of times.
 *
 * The server's log of changes has all this too; no process reads that part of it.
 */

import { type AnyBulkWriteOperation, type Document, Timestamp } from 'mongodb'
import type { ArchiveBatch, ArchivedJob, ArchivedKey, ArchiveRecords } from '../../../../core/model/archive.ts'
import { never } from '../../../../core/kernel/assert.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Fact } from '../../../../core/model/fact-shapes.ts'
import { type LeasePlace, nowhere } from '../../../../core/model/job-filter.ts'
import type { ClassId, JobId } from '../../../../core/kernel/ids.ts'
import { type ArchivedUsage, usageEntryOf } from '../../../../core/model/usage-archive.ts'
import { isOver, type Vm } from '../../../../core/model/vm.ts'
import { noKey } from './archive-out.ts'
import { dayDocument, recordDocument } from './accounting.ts'
import {
  accountedMark,
  type Database,
  emittedFactsCollection,
  type FactsDocument,
  guarded,
  type SubmissionDocument,
  type VmDocument,
} from './database.ts'
import type { KnownQueues } from './known-queues.ts'
import { keptJob, type KeptJob, packed, type Story, type StoryEntry, withFact } from './job-text.ts'
import { jobsUpdate, newPage, type NewPage, type PageDocument, pageFields, pageJobs, pageOf, rangesOf } from './page.ts'

type Within = { readonly database: Database; readonly queues: KnownQueues }

/** Of one kind in one message to the server. */
const maxDocuments = 500
const factsInDocument = 500
const maxRanges = 200

export async function writeBatch(within: Within, batch: ArchiveBatch): Promise<void> {
  const { database, queues } = within
  switch (batch.section) {
    case 'queues':
      return queues.keep(batch.records)
    case 'submissions':
      return put(database, 'submissions', batch.records.map(submissionDocument))
    case 'images':
      return put(
        database,
        'images',
        batch.records.map((image) => ({ _id: image.entry.name, doc: JSON.stringify(image) })),
      )
    case 'vms':
      return put(database, 'vms', batch.records.map(vmDocument))
    case 'jobs':
      return writeJobs(within, batch.records)
    case 'facts':
      return writeFacts(database, batch.records)
    case 'notes':
      return put(
        database,
        'notes',
        batch.records.map(({ name, text }) => ({ _id: name, text })),
      )
    case 'counters':
      return writeCounters(database, batch.records)
    case 'usage':
      return writeUsage(database, batch.records)
    default:
      return never(batch)
  }
}

type Named =
  | 'submissions'
  | 'images'
  | 'vms'
  | 'notes'
  | 'usageDays'
  | 'usageMeters'
  | 'usageRecords'
  | typeof emittedFactsCollection

/** Whole documents under their names. */
async function put(database: Database, name: Named, documents: readonly { readonly _id: string }[]): Promise<void> {
  const statements = documents.map(({ _id, ...replacement }) => {
    return { replaceOne: { filter: { _id }, replacement, upsert: true } }
  })
  await write(database, name, statements)
}

async function write(database: Database, name: string, statements: readonly object[]): Promise<void> {
  const collection = database.db.collection<Document & { _id: string | number }>(name)
  for (let at = 0; at < statements.length; at += maxDocuments) {
    const slice = statements.slice(at, at + maxDocuments) as AnyBulkWriteOperation<Document & { _id: string | number }>[]
    await guarded('writing an archive', () => collection.bulkWrite(slice, { ordered: false }))
  }
}

async function insert(database: Database, name: string, documents: readonly object[]): Promise<void> {
  const statements = documents.map((document) => ({ insertOne: { document } }))
  return write(database, name, statements)
}

function submissionDocument({ key, digest, firstId, count, atMs }: ArchivedKey): SubmissionDocument {
  const [vo, group, owner] = JSON.parse(key) as [string, string, string]
  return { _id: key, digest, first: firstId, n: count, at: atMs, vo, grp: group, own: owner, pages: [] }
}

function vmDocument(vm: Vm): VmDocument {
  const { id, site, cloud, intendedMs, phase } = vm
  const doc = JSON.stringify(vm)
  return { _id: id, cv: 1, wr: [], st: phase.state, site, cloud, over: isOver(phase), at: intendedMs, doc, story: [] }
}

async function writeJobs({ database, queues }: Within, records: readonly ArchivedJob[]): Promise<void> {
  const first = records[0]?.job.id
  if (first === undefined) return
  const known = await queues.byIds(records.map(({ job }) => job.classId))
  const stranger = records.find(({ job }) => !known.has(job.classId))
  if (stranger) {
    const what = `job ${stranger.job.id} names a task queue that the archive does not have`
    throw new PilotageError('invalid-argument', what)
  }
  const places = await placesOf(database, records)
  const runs = runsOf(records)
  await guarded('writing an archive', () =>
    Promise.all([database.pages.deleteMany({ _id: { $gte: first } }), database.specs.deleteMany({ _id: { $gte: first } })]),
  )
  await insert(
    database,
    'specs',
    runs.map((run) => ({ _id: run[0]?.job.id, s: textsOf(run) })),
  )
  await insert(
    database,
    'pages',
    runs.map((run) => pageDocument(run, queues, places)),
  )
}

/** A job is counted at the site of its VM, live or last; one whose VM is forgotten at none. */
async function placesOf({ vms }: Database, records: readonly ArchivedJob[]): Promise<ReadonlyMap<string, LeasePlace>> {
  const ids = records.flatMap(({ job: { phase } }) => ('lease' in phase && phase.lease ? [phase.lease.vmId as string] : []))
  const found = await guarded('reading VMs', () =>
    vms.find({ _id: { $in: [...new Set(ids)] } }, { projection: { site: 1, cloud: 1 } }).toArray(),
  )
  return new Map(found.map(({ _id, site, cloud = '' }) => [_id, { site, cloud }]))
}

const alike = ['classId', 'priority', 'jobGroup', 'jobType'] as const

/**
 * What makes a page: jobs of one task queue, priority, job group and job type. There may be gaps where jobs were forgotten,
 * none of other jobs.
 */
function runsOf(records: readonly ArchivedJob[]): readonly (readonly ArchivedJob[])[] {
  const runs: ArchivedJob[][] = []
  for (const record of records) {
    const run = runs.at(-1)
    const head = run?.[0]?.job
    const { job } = record
    const joins = head && alike.every((field) => head[field] === job[field]) && job.id - head.id < pageJobs
    if (run && joins) run.push(record)
    else runs.push([record])
  }
  return runs
}

/** Each at its job's distance from the first; no caller asks for what lies in a gap. */
function textsOf(run: readonly ArchivedJob[]): readonly string[] {
  const first = run[0]?.job.id ?? 0
  const texts: string[] = []
  for (const { job, spec } of run) {
    while (texts.length < job.id - first) texts.push('')
    texts.push(JSON.stringify(spec))
  }
  return texts
}

function pageDocument(
  run: readonly ArchivedJob[],
  queues: KnownQueues,
  places: ReadonlyMap<string, LeasePlace>,
): PageDocument {
  const [head] = run
  if (!head) throw new Error('assertion failed: a page has a job')
  const { id, classId, vo, group, owner, priority, jobGroup, jobType } = head.job
  const jobs = new Map<JobId, KeptJob>(
    run.map(({ job }) => {
      const vmId = 'lease' in job.phase ? job.phase.lease?.vmId : undefined
      return [job.id, keptJob(job, places.get(vmId ?? '') ?? nowhere, [])]
    }),
  )
  const page: NewPage = {
    first: id,
    owner: { vo, group, owner },
    classId,
    priority,
    jobGroup,
    jobType,
    jobs,
  }
  return newPage(page, 'import', queues.known(classId as ClassId).requirements)
}

/**
 * The oldest there is: a caller that waits for the collector waits for what comes after. The server takes zero for "now".
 */
const longAgo = new Timestamp({ t: 1, i: 1 })

async function writeFacts(database: Database, records: readonly Fact[]): Promise<void> {
  const first = records[0]?.seq
  if (first === undefined) return
  await guarded('writing an archive', () => database.facts.deleteMany({ _id: { $gte: first } }))
  const documents: FactsDocument[] = []
  for (let at = 0; at < records.length; at += factsInDocument) {
    documents.push(factsDocument(records.slice(at, at + factsInDocument)))
  }
  const bySubject = Map.groupBy(records, ({ subject }) => subject.split(':', 1)[0])
  await Promise.all([
    extendJobStories(database, bySubject.get('job') ?? []),
    extendVmStories(database, bySubject.get('vm') ?? []),
    keepSubmissions(database, bySubject.get('submission') ?? []),
    put(
      database,
      emittedFactsCollection,
      [...bySubject].flatMap(([kind, some]) => (own.has(kind ?? '') ? [] : some.map(importedFactDocument))),
    ),
  ])
  await insert(database, 'facts', documents)
}

/** Subjects whose facts lie with them. */
const own = new Set(['job', 'vm', 'submission'])

function factsDocument(facts: readonly Fact[]): FactsDocument {
  const [first, last] = [facts[0]?.seq ?? 0, facts.at(-1)?.seq ?? 0]
  const at = Math.max(...facts.map(({ atMs }) => atMs))
  // No place in this server's log: the collector begins where the import ended.
  return { _id: first, next: last + 1, at, time: longAgo, token: null, facts: packed(JSON.stringify(facts)), moves: [] }
}

function importedFactDocument({ seq, atMs, subject, kind, data }: Fact) {
  // Later ones are numbered by microseconds: far above.
  return { _id: `import.${seq}`, subject, n: seq, at: atMs, kind, data: JSON.stringify(data) }
}

/** In place of a version, below all versions: a fact that stands in a story is known by it, however often it comes. */
function entryNumber({ seq }: Fact): number {
  return -seq
}

/** The story with what is new to it, or undefined where nothing is. */
function storyWith(story: Story, facts: readonly Fact[]): Story | undefined {
  const lowest = Math.min(1, ...story.map(([version]) => version))
  const fresh = facts.filter((fact) => entryNumber(fact) < lowest)
  if (fresh.length === 0) return undefined
  return fresh.reduce<Story>((so, fact) => withFact(so, entryNumber(fact), fact.atMs, fact), story)
}

async function extendJobStories(database: Database, facts: readonly Fact[]): Promise<void> {
  const byJob = Map.groupBy(facts, ({ subject }) => Number(subject.slice('job:'.length)) as JobId)
  const ranges = rangesOf([...byJob.keys()])
  for (let at = 0; at < ranges.length; at += maxRanges) {
    const $or = ranges.slice(at, at + maxRanges)
    const found = await guarded('reading jobs', () => database.pages.find({ $or }, { projection: pageFields }).toArray())
    const statements = found.flatMap((document) => {
      const page = pageOf(document)
      const jobs = new Map(page.jobs)
      let isNew = false
      for (const { job, place, story } of page.jobs.values()) {
        const longer = storyWith(story, byJob.get(job.id) ?? [])
        if (!longer) continue
        jobs.set(job.id, keptJob(job, place, longer))
        isNew = true
      }
      return isNew ? [{ updateOne: { filter: { _id: page.first }, update: { $set: jobsUpdate(page, jobs) } } }] : []
    })
    await write(database, 'pages', statements)
  }
}

async function extendVmStories(database: Database, facts: readonly Fact[]): Promise<void> {
  const byVm = Map.groupBy(facts, ({ subject }) => subject.slice('vm:'.length))
  const found = await guarded('reading VMs', () =>
    database.vms.find({ _id: { $in: [...byVm.keys()] } }, { projection: { story: 1 } }).toArray(),
  )
  const statements = found.flatMap(({ _id, story }) => {
    const longer = storyWith(
      story.map((text) => JSON.parse(text) as StoryEntry),
      byVm.get(_id) ?? [],
    )
    if (!longer) return []
    const texts = longer.map((entry) => JSON.stringify(entry))
    return [{ updateOne: { filter: { _id }, update: { $set: { story: texts } } } }]
  })
  await write(database, 'vms', statements)
}

/** Submissions without a key are known by their fact alone. */
async function keepSubmissions(database: Database, facts: readonly Fact[]): Promise<void> {
  const statements = facts.map(({ atMs, data }) => {
    const { vo, group, owner, firstId, count } = data as Readonly<Record<string, string | number>>
    const fields = { digest: '', n: count, at: atMs, vo, grp: group, own: owner, pages: [] }
    const update = { $setOnInsert: { _id: `${noKey}${firstId}`, ...fields } }
    return { updateOne: { filter: { first: firstId }, update, upsert: true } }
  })
  await write(database, 'submissions', statements)
}

async function writeCounters(database: Database, counters: readonly ArchiveRecords['counters'][]): Promise<void> {
  for (const { name, highest } of counters) {
    if (name === 'jobs') {
      await guarded('writing an archive', () =>
        database.meta.updateOne({ _id: 'ids' }, { $set: { last: highest } }, { upsert: true }),
      )
    } else await raiseFacts(database, highest)
  }
}

/** The highest number may be one that no fact has any more. */
async function raiseFacts(database: Database, highest: number): Promise<void> {
  const last = await guarded('reading facts', () =>
    database.facts.findOne({}, { sort: { _id: -1 }, projection: { next: 1 } }),
  )
  if ((last?.next ?? 1) > highest) return
  const nothing = { next: highest + 1, at: 0, time: longAgo, token: null, facts: packed('[]'), moves: [] }
  await guarded('writing an archive', () => database.facts.replaceOne({ _id: highest }, nothing, { upsert: true }))
}

async function writeUsage(database: Database, archived: readonly ArchivedUsage[]): Promise<void> {
  const entries = archived.map(usageEntryOf)
  const days = entries.flatMap((one) => (one.part === 'day' ? [dayDocument(one.sum)] : []))
  const meters = entries.flatMap((one) => (one.part === 'meter' ? [{ _id: String(one.vmId), text: one.text }] : []))
  const records = entries.flatMap((one) => (one.part === 'record' ? [recordDocument(one.record)] : []))
  await put(database, 'usageDays', days)
  await put(database, 'usageMeters', meters)
  await put(database, 'usageRecords', records)
  for (const one of entries) {
    if (one.part !== 'accounted') continue
    await guarded('writing an archive', () =>
      database.meta.updateOne({ _id: accountedMark }, { $set: { last: one.seq } }, { upsert: true }),
    )
  }
}
