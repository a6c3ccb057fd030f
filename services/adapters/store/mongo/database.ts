/**
 * The database: its collections by type, the connection with what it waits for, and the one mapping of the driver's errors.
 *
 * Every write waits for the majority's journals; every read is of what a majority holds, so that nothing read is ever rolled
 * back. What a server does not answer in time is `unavailable`, with a hint when to come again; an outcome that is then
 * unknown is looked up by the caller, never guessed.
 */

import {
  type Binary,
  type ClientSession,
  type Collection,
  type Db,
  MongoClient,
  MongoBulkWriteError,
  MongoError,
  MongoServerError,
  type ResumeToken,
  type Timestamp,
} from 'mongodb'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { UsageKey, UsageMeasures, UsageRecord } from '../../../../core/model/usage-record.ts'
import type { VmStateName } from '../../../../core/model/vm.ts'
import { keepOnThisMachine } from './local-members.ts'
import type { Move, PageDocument } from './page.ts'

/** The name in databases that exist already: it must stay. */
export const emittedFactsCollection = 'told'

/** `in`: the claims on input files that its jobs name. */
export type SpecsDocument = { _id: number; s: string[]; in?: string[] }

/** `at`: when a submission named it last, within an hour. */
export type QueueDocument = { _id: string; vo: string; grp: string; own: string; req: string; at?: number }

/**
 * `open`: committed, but its pages may not all be there yet. `pages`: first and last id, task queue and priority of each.
 */
export type SubmissionDocument = {
  _id: string
  digest: string
  first: number
  n: number
  at: number
  vo: string
  grp: string
  own: string
  pages: [first: number, last: number, classId: string, priority: number][]
  open?: true
  /** How many of its jobs wait for others; absent: none. */
  blocked?: number
}

export type VmDocument = {
  _id: string
  cv: number
  wr: string[]
  st: VmStateName
  site: string
  /** Absent: an earlier version wrote it, and it ended before this one came. */
  cloud?: string
  over: boolean
  at: number
  doc: string
  story: string[]
  /** A stop that counts leases at this moment: claims wait for how it ends. */
  closing?: { by: string; at: Date }
  mv?: number
}

/** An upper bound of what waits or is held; `p`: submissions whose pages may not be there yet. */
export type QuotaDocument = {
  _id: string
  jobs: number
  taskQueues: number
  v: number
  p: Record<string, { jobs: number; taskQueues: number; at: number }>
}

export type ImageDocument = { _id: string; doc: string }

/** A fact that lies in no document of a job, VM or submission. */
export type EmittedFactDocument = { _id: string; subject: string; n: number; at: number; kind: string; data: string }

/** Facts in the order of the server's log, with where in that log they end. */
export type FactsDocument = {
  _id: number
  next: number
  at: number
  time: Timestamp
  token: ResumeToken
  /** Packed. */
  facts: Binary
  moves: [vo: string, ...Move][]
}

/** An owner's claim on content; `at`: renewed. */
export type ClaimDocument = {
  _id: string
  owner: string
  vo: string
  digest: string
  bytes: number
  at: number
  whole: boolean
}
/** Content with `n` claims; `removing`: with none, and its home still has it. */
export type ClaimedBlobDocument = { _id: string; vo: string; digest: string; n: number; removing?: true }
/** `claim`: of the job's owner on its content. */
export type OutputDocument = {
  _id: { job: number; attempt: number; path: string }
  digest: string
  bytes: number
  executable: boolean
  claim: string
}

export type UsageRecordDocument = { _id: string; end: number; kind: UsageRecord['kind']; vo: string; doc: string }
export type UsageMeterDocument = { _id: string; text: string }
/** `_id`: the key as text. */
export type UsageDayDocument = { _id: string } & UsageKey & UsageMeasures

/** The document of `meta` that says up to which fact was accounted; made with the schema. */
export const accountedMark = 'accounted'

export type RoleDocument = { _id: string; holder: string; fence: number; until: Date }
/**
 * `schema`: version; `ids`, `images`: the last one given; `accounted`: the last fact whose usage was recorded; `collected`:
 * where facts begin; `tallies`: counts up to a number of facts.
 */
export type MetaDocument = {
  _id: string
  version?: number
  last?: number
  from?: Timestamp
  next?: number
  counts?: [vo: string, ...Move][]
}

export type Database = {
  readonly client: MongoClient
  /** Why the client is closed for good: it was led beyond this machine. */
  strayed(): PilotageError | undefined
  readonly db: Db
  readonly pages: Collection<PageDocument>
  readonly specs: Collection<SpecsDocument>
  readonly queues: Collection<QueueDocument>
  readonly submissions: Collection<SubmissionDocument>
  readonly vms: Collection<VmDocument>
  readonly images: Collection<ImageDocument>
  readonly quotas: Collection<QuotaDocument>
  readonly emittedFacts: Collection<EmittedFactDocument>
  readonly facts: Collection<FactsDocument>
  readonly roles: Collection<RoleDocument>
  readonly claims: Collection<ClaimDocument>
  readonly claimUse: Collection<{ _id: string; bytes: number }>
  readonly claimedBlobs: Collection<ClaimedBlobDocument>
  readonly outputs: Collection<OutputDocument>
  readonly usageRecords: Collection<UsageRecordDocument>
  readonly usageDays: Collection<UsageDayDocument>
  readonly usageMeters: Collection<UsageMeterDocument>
  readonly meta: Collection<MetaDocument>
  readonly notes: Collection<{ _id: string; text: string }>
  /** When the last write of this process with a fact reached the server's log. */
  lastFactWrite(): Timestamp | undefined
}

/** A request finds a server within this time or fails: half a minute covers an election and then some. */
const answerWithinMs = 10_000
const writtenWithinMs = 10_000
/** Batches are large and few; more connections only queue at the server. */
const maxConnections = 20

/** `mayLeave`: also servers beyond this machine, since the connection is encrypted or the operator says so. */
export function openDatabase(url: string, name: string, mayLeave = false): Database {
  const client = new MongoClient(url, {
    appName: 'pilotage',
    retryReads: true,
    retryWrites: true,
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: writtenWithinMs },
    readPreference: 'primary',
    serverSelectionTimeoutMS: answerWithinMs,
    connectTimeoutMS: answerWithinMs,
    socketTimeoutMS: 3 * answerWithinMs,
    maxPoolSize: maxConnections,
    monitorCommands: true,
  })
  const db = client.db(name)
  const strayed = mayLeave ? () => undefined : keepOnThisMachine(client)
  return {
    client,
    strayed,
    db,
    pages: db.collection('pages'),
    specs: db.collection('specs'),
    queues: db.collection('queues'),
    submissions: db.collection('submissions'),
    vms: db.collection('vms'),
    images: db.collection('images'),
    quotas: db.collection('quotas'),
    emittedFacts: db.collection(emittedFactsCollection),
    facts: db.collection('facts'),
    roles: db.collection('roles'),
    claims: db.collection('sandboxClaims'),
    claimUse: db.collection('sandboxUse'),
    claimedBlobs: db.collection('sandboxBlobs'),
    outputs: db.collection('sandboxOutputs'),
    usageRecords: db.collection('usageRecords'),
    usageDays: db.collection('usageDays'),
    usageMeters: db.collection('usageMeters'),
    meta: db.collection('meta'),
    notes: db.collection('notes'),
    lastFactWrite: watchedWrites(client),
  }
}

/** The collections whose writes can carry facts. */
export const factCarriers: readonly string[] = ['pages', 'vms', 'submissions', emittedFactsCollection]

/** The driver keeps no operation time for bulk writes; the replies have it. */
function watchedWrites(client: MongoClient): () => Timestamp | undefined {
  const mine = new Set<number>()
  let last: Timestamp | undefined
  client.on('commandStarted', ({ commandName, requestId, command }) => {
    const isWrite = commandName === 'update' || commandName === 'insert'
    const canCarryFacts = isWrite && factCarriers.includes(String(command[commandName]))
    // The facts of a transaction are in the log with its commit.
    if (canCarryFacts || commandName === 'commitTransaction') mine.add(requestId)
  })
  client.on('commandFailed', ({ requestId }) => void mine.delete(requestId))
  client.on('commandSucceeded', ({ requestId, reply }) => {
    if (!mine.delete(requestId)) return
    const { operationTime } = reply as { operationTime?: Timestamp }
    if (operationTime && (!last || operationTime.greaterThan(last))) last = operationTime
  })
  return () => last
}

/** When a client should come again: an election takes some seconds. */
const retryAfterMs = 2000

/** Runs a call of the driver; what it throws becomes ours. The server's address and account are not in it. */
export async function guarded<T>(doing: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (thrown) {
    throw errorOf(thrown, doing)
  }
}

/** All of it or nothing; repeated by the driver where another one was first. */
export function inTransaction<Answer>(
  { client }: Pick<Database, 'client'>,
  doing: string,
  work: (session: ClientSession) => Promise<Answer>,
): Promise<Answer> {
  return guarded(doing, () => client.withSession((session) => session.withTransaction(() => work(session))))
}

export function errorOf(thrown: unknown, doing: string): unknown {
  if (!(thrown instanceof MongoError)) return thrown
  const reason = thrown instanceof MongoServerError ? (thrown.codeName ?? thrown.name) : thrown.name
  if (isRefusal(thrown)) return new PilotageError('internal', `${doing}: ${reason}: ${thrown.message}`, { cause: thrown })
  return new PilotageError('unavailable', `${doing}: the store does not answer (${reason})`, { retryAfterMs, cause: thrown })
}

/** Said by a healthy server about the request itself: a mistake of ours. Everything else may be better in a moment. */
function isRefusal(error: MongoError): boolean {
  const refusals = new Set([
    'BadValue',
    'FailedToParse',
    'TypeMismatch',
    'InvalidOptions',
    'BSONObjectTooLarge',
    'Unauthorized',
  ])
  return error instanceof MongoServerError && refusals.has(error.codeName ?? '')
}

/** The indexes of the documents of an unordered insert that were there already; anything else is thrown. */
export function duplicatesOf(thrown: unknown): readonly number[] {
  if (!(thrown instanceof MongoBulkWriteError)) throw thrown
  const errors = [thrown.writeErrors].flat()
  if (errors.length === 0 || errors.some(({ code }) => code !== duplicateKey)) throw thrown
  return errors.map(({ index }) => index)
}

const duplicateKey = 11_000

export function isDuplicate(thrown: unknown): boolean {
  return thrown instanceof MongoServerError && thrown.code === duplicateKey
}
