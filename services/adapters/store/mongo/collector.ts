/**
 * The collector: one process at a time reads the server's log of changes and writes their facts in one order, with the
 * counts that follow from it. The log is the outbox: a fact stands in it because the change that it explains does.
 *
 * Its place in the log is kept in the very document that holds what was read up to there, under a number that only one can
 * take: a process that lost the role in between finds the number taken and writes nothing twice. What stays true: every
 * fact comes exactly once, those of one subject in order.
 */

import type { ChangeStream, ChangeStreamDocument, Document, Timestamp } from 'mongodb'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import type { Fact, FactData, NewFact, Subject } from '../../../../core/model/fact-shapes.ts'
import type { JobStateName } from '../../../../core/model/job.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { JobCount } from '../../../../core/ports/store.ts'
import {
  type Database,
  emittedFactsCollection,
  factCarriers,
  type FactsDocument,
  guarded,
  isDuplicate,
  type MetaDocument,
  type SubmissionDocument,
} from './database.ts'
import { caughtUp, submissionFact } from './facts.ts'
import { beginAnew, isForgotten } from './forgotten-log.ts'
import { packed, type StoryEntry, unpacked } from './job-text.ts'
import type { LoggedChange, Move } from './page.ts'

type Moved = [vo: string, ...Move]
type LoggedFacts = { readonly facts: readonly (NewFact & { readonly atMs: number })[]; readonly moves: readonly Moved[] }

/** Changes in one document: some hundred kilobytes. */
const maxChanges = 500
const awaitMs = 250
/** What comes within this time goes into one document: few of them, and a small lag. */
const gatherMs = 100
const tallyEveryMs = 2000

export type Collector = {
  /**
   * Reads and writes until `mayGoOn` says no. Throws where the server fails: come again. `onRead`: after each read, with the
   * number of changes.
   */
  run(mayGoOn: () => boolean, onRead?: (changes: number) => void): Promise<void>
  counts(): Promise<readonly JobCount[]>
}

export function openCollector(database: Database, clock: Clock, log: Log): Collector {
  const { facts, meta } = database

  async function run(mayGoOn: () => boolean, onRead?: (changes: number) => void): Promise<void> {
    try {
      await read(mayGoOn, onRead)
    } catch (error) {
      if (!isForgotten(error)) throw error
      log.error(
        {},
        'the server has forgotten what happened while no process collected facts: some are only in their own stories',
      )
      await beginAnew(database, clock.nowMs())
    }
  }

  async function read(mayGoOn: () => boolean, onRead?: (changes: number) => void): Promise<void> {
    const last = await guarded('reading facts', () => facts.findOne({}, { sort: { _id: -1 } }))
    // Facts that an import brought have no place in this server's log: theirs is where the import ended.
    const place = last?.token ? { resumeAfter: last.token } : { startAtOperationTime: await beginning(database) }
    const stream = database.db.watch(pipeline, { ...place, maxAwaitTimeMS: awaitMs, batchSize: maxChanges })
    let next = last?.next ?? 1
    let talliedMs = clock.monotonicMs()
    try {
      while (mayGoOn()) {
        const changes = await gather(stream, clock)
        if (changes.length > 0) {
          const document = documentOf(changes, next, clock.nowMs())
          if (!(await kept(facts, document))) {
            log.info({ seq: next }, 'another process collects facts')
            return
          }
          next = document.next
        }
        onRead?.(changes.length)
        if (clock.monotonicMs() - talliedMs < tallyEveryMs) continue
        talliedMs = clock.monotonicMs()
        await tally(database)
      }
    } finally {
      await stream.close().catch(() => undefined)
    }
  }

  return {
    run,
    async counts() {
      await caughtUp(database, clock)
      const kept = await guarded('reading counts', () => meta.findOne({ _id: 'tallies' }))
      return (await foldedFrom(database, kept)).counts
    },
  }
}

const pipeline: Document[] = [
  {
    $match: {
      'ns.coll': { $in: factCarriers },
      $or: [
        { operationType: 'insert', 'ns.coll': { $ne: 'pages' } },
        { operationType: 'update', 'updateDescription.updatedFields.mv': { $exists: true } },
      ],
    },
  },
  {
    $project: {
      _id: 1,
      ns: 1,
      operationType: 1,
      documentKey: 1,
      clusterTime: 1,
      fullDocument: 1,
      'updateDescription.updatedFields.cv': 1,
      'updateDescription.updatedFields.mv': 1,
      'updateDescription.updatedFields.story': 1,
    },
  },
]

async function beginning({ meta }: Database): Promise<Timestamp> {
  const collected = await guarded('reading where facts begin', () => meta.findOne({ _id: 'collected' }))
  if (!collected?.from) throw new Error('assertion failed: a prepared database knows where facts begin')
  return collected.from
}

async function gather(stream: ChangeStream, clock: Clock): Promise<readonly ChangeStreamDocument[]> {
  const first = await guarded('reading changes', () => stream.tryNext())
  if (!first) return []
  await sleep(clock, gatherMs)
  const changes = [first]
  while (changes.length < maxChanges) {
    const more = await guarded('reading changes', () => stream.tryNext())
    if (!more) break
    changes.push(more)
  }
  return changes
}

function documentOf(changes: readonly ChangeStreamDocument[], first: number, nowMs: number): FactsDocument {
  const logged = changes.map(loggedFactsIn)
  let seq = first
  const facts = logged.flatMap((one) => one.facts).map((fact): Fact => ({ seq: seq++, ...fact }))
  const last = changes.at(-1) as ChangeStreamDocument & { readonly clusterTime: Timestamp }
  const moves = new Map<string, Moved>()
  for (const [vo, state, site, by] of logged.flatMap((one) => one.moves)) {
    const key = `${vo} ${state} ${site}`
    moves.set(key, [vo, state, site, (moves.get(key)?.[3] ?? 0) + by])
  }
  // A number is used up even where no fact was emitted: the next document needs one of its own.
  const next = Math.max(seq, first + 1)
  return {
    _id: first,
    next,
    at: nowMs,
    time: last.clusterTime,
    token: last._id,
    facts: packed(JSON.stringify(facts)),
    moves: [...moves.values()],
  }
}

/** False if the number was taken: another process collects. */
async function kept(facts: Database['facts'], document: FactsDocument): Promise<boolean> {
  try {
    await guarded('keeping facts', () =>
      facts.insertOne(document).catch((error: unknown) => (isDuplicate(error) ? taken() : Promise.reject(error))),
    )
    return true
  } catch (error) {
    if (error === numberTaken) return false
    throw error
  }
}

const numberTaken = new Error('the number is taken')

function taken(): never {
  throw numberTaken
}

function loggedFactsIn(change: ChangeStreamDocument): LoggedFacts {
  if (change.operationType === 'update') {
    const id = (change.documentKey as { _id: unknown })._id
    const fields = (change.updateDescription.updatedFields ?? {}) as Record<string, unknown>
    return change.ns.coll === 'vms' ? factsOfVm(String(id), fields) : factsOfPage(fields)
  }
  if (change.operationType !== 'insert') return { facts: [], moves: [] }
  const document = change.fullDocument as Record<string, unknown>
  switch (change.ns.coll) {
    case 'vms':
      return {
        facts: (document.story as string[]).map((text) => factOf(`vm:${document._id}`, JSON.parse(text) as StoryEntry)),
        moves: [],
      }
    case emittedFactsCollection: {
      const { subject, kind, data, at } = document as { subject: Subject; kind: string; data: string; at: number }
      return { facts: [{ subject, kind, data: JSON.parse(data) as FactData, atMs: at }], moves: [] }
    }
    default:
      return factsOfSubmission(document as unknown as SubmissionDocument)
  }
}

function factsOfSubmission(document: SubmissionDocument): LoggedFacts {
  const fact = submissionFact(document)
  const { vo, n, blocked = 0 } = document
  const moves: Moved[] = [
    [vo, 'Waiting', '', n - blocked],
    [vo, 'Blocked', '', blocked],
  ]
  return { facts: [fact], moves: moves.filter(([, , , by]) => by > 0) }
}

function factsOfPage({ mv }: Record<string, unknown>): LoggedFacts {
  const { vo, m, f } = mv as LoggedChange
  const facts = (unpacked(f) as [id: number, entry: StoryEntry][]).map(([id, entry]) => factOf(`job:${id}`, entry))
  return { facts, moves: m.map((move) => [vo, ...move]) }
}

function factsOfVm(id: string, fields: Record<string, unknown>): LoggedFacts {
  const version = Number(fields.cv)
  const texts = Object.entries(fields).flatMap(([key, value]) =>
    key === 'story' ? (value as string[]) : key.startsWith('story.') ? [String(value)] : [],
  )
  const entries = texts.map((text) => JSON.parse(text) as StoryEntry).filter(([at]) => at === version)
  return { facts: entries.map((entry) => factOf(`vm:${id}`, entry)), moves: [] }
}

function factOf(subject: Subject, [, atMs, kind, data]: StoryEntry): NewFact & { readonly atMs: number } {
  return { subject, kind, data, atMs }
}

type Tallies = { readonly next: number; readonly counts: readonly JobCount[] }

/** The counts as last kept, with what was collected since. */
async function foldedFrom({ facts }: Database, kept: MetaDocument | null): Promise<Tallies> {
  const sums = new Map<string, JobCount>()
  const add = (vo: string, state: JobStateName, site: string, by: number): void => {
    const key = `${vo}\u0000${state}\u0000${site}`
    sums.set(key, { vo, state, site, count: (sums.get(key)?.count ?? 0) + by })
  }
  for (const [vo, state, site, count] of kept?.counts ?? []) add(vo, state, site, count)
  let next = Number(kept?.next ?? 1)
  await guarded('reading counts', async () => {
    for await (const document of facts.find(
      { _id: { $gte: next } },
      { sort: { _id: 1 }, projection: { next: 1, moves: 1 } },
    )) {
      for (const [vo, state, site, by] of document.moves) add(vo, state, site, by)
      next = document.next
    }
  })
  return { next, counts: [...sums.values()].filter(({ count }) => count !== 0) }
}

/** Kept now and then, so that no process has to add up everything from the beginning. */
async function tally(database: Database): Promise<void> {
  const kept = await guarded('reading counts', () => database.meta.findOne({ _id: 'tallies' }))
  const { next, counts } = await foldedFrom(database, kept)
  if (next === Number(kept?.next ?? 1)) return
  const moved = counts.map(({ vo, state, site, count }): Moved => [vo, state, site, count])
  await guarded('keeping counts', () =>
    database.meta
      .updateOne(
        { _id: 'tallies', $or: [{ next: { $lt: next } }, { next: { $exists: false } }] },
        { $set: { next, counts: moved } },
        { upsert: true },
      )
      .catch((error: unknown) => (isDuplicate(error) ? undefined : Promise.reject(error))),
  )
}
