/**
 * The archive port over MongoDB. Any number of processes might work on the store, so it is watched from both ends: no role
 * may be live when it begins, and none may have been given to anybody until it is over. Whatever service starts takes a
 * role, the keeper's if no other. Two archives at once are kept apart by a role of their own.
 */

import type { Db } from 'mongodb'
import {
  type ArchiveBatch,
  type ArchiveCounts,
  type ArchiveKey,
  type ArchivePlace,
  type ArchiveRecords,
  type ArchiveSection,
  archiveSections,
} from '../../../../core/model/archive.ts'
import { type Clock, until } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Archive } from '../../../../core/ports/archive.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { RoleLease } from '../../../../core/ports/store.ts'
import { systemRandom } from '../../../../core/kernel/random.ts'
import { writeBatch } from './archive-in.ts'
import { archiveReaders, type Readers } from './archive-out.ts'
import { countAll, openForServices } from './archive-end.ts'
import { openChanges } from './changes.ts'
import { openClaimGate } from './claim-gate.ts'
import { openClaimRoom } from './claim-room.ts'
import { openCollector } from './collector.ts'
import { type Database, emittedFactsCollection, errorOf, guarded, openDatabase } from './database.ts'
import { openDependencies } from './dependants.ts'
import { assertNoImport, importMarks } from './import-mark.ts'
import { type KnownQueues, knownQueues } from './known-queues.ts'
import { openRoles } from './roles.ts'
import { migrate, schemaVersion } from './schema.ts'
import { openPageCache } from './page-cache.ts'
import { openSpecs } from './specs.ts'
import { complete } from './submit.ts'

export type MongoArchiveOptions = {
  /** May hold an account: never to be logged. */
  readonly url: string
  /** Members of the replica set may be beyond this machine; absent: none may. */
  readonly mayLeave?: boolean
  readonly database: string
  readonly clock: Clock
  readonly log: Log
}

type Alone = {
  /** Takes the store for this process. Throws `store-locked` while anybody works with it. */
  take(): Promise<void>
  /** Throws `store-locked` if anybody has, since `take`. */
  assert(): Promise<void>
  /** Without effect before `take`. */
  renew(): Promise<void>
  letGo(): Promise<void>
}

const archiveRole = 'archive'
const holdMs = 15_000
export const renewEveryMs = 4000
/** One whose process was killed ends within this. */
const patienceMs = 20_000

export type MongoArchive = {
  readonly archive: Archive
  /** To be called every `renewEveryMs` while the archive is open, so that it stays the only one. */
  renew(): Promise<void>
}

/** Throws `unavailable` where no primary answers. */
export async function openMongoArchive(options: MongoArchiveOptions): Promise<MongoArchive> {
  const { clock, log } = options
  const database = openDatabase(options.url, options.database, options.mayLeave)
  try {
    await guarded('connecting to the store', () => database.client.connect())
  } catch (error) {
    await database.client.close().catch(() => undefined)
    throw database.strayed() ?? errorOf(error, 'opening the store')
  }
  const queues = knownQueues(database, clock)
  const readers: Readers = archiveReaders(database)
  const alone = aloneWith(database, clock)
  const archive: Archive = {
    kind: 'mongo',
    schema: schemaVersion,
    async settle() {
      const made = await guarded('looking for a store', () => database.meta.findOne({ _id: 'schema' }))
      if (!made) throw new PilotageError('not-found', `there is no store in the database ${options.database}`)
      await alone.take()
      await guarded('preparing the store', () => migrate(database))
      await assertNoImport(database)
      await completeAll(database, queues, clock)
      await collectAll(database, clock, log)
    },
    read: <Section extends ArchiveSection>(section: Section, after: ArchiveKey | undefined, limit: number) =>
      readers[section](after, limit) as Promise<readonly ArchiveRecords[Section][]>,
    assertUntouched: () => alone.assert(),
    async begin(header) {
      await alone.take()
      await guarded('preparing the store', () => migrate(database))
      return begin(database, header)
    },
    write: async (batch: ArchiveBatch, { records, digest }: ArchivePlace) => {
      await writeBatch({ database, queues }, batch)
      await guarded('keeping the place of an import', () =>
        importMarks(database).updateOne({ _id: 'import' }, { $set: { records, digest } }),
      )
    },
    counts: (): Promise<ArchiveCounts> => countAll(database),
    async finish() {
      await alone.assert()
      await openForServices(database)
    },
    async close() {
      await alone.letGo()
      await database.client.close()
    },
  }
  return { archive, renew: alone.renew }
}

function aloneWith(database: Database, clock: Clock): Alone {
  const roles = openRoles(database)
  const holder = `archive-${systemRandom().letters(8)}`
  let fences: string | undefined
  let lost: unknown

  async function hold(): Promise<boolean> {
    return (await roles.hold(archiveRole, holder, holdMs, clock.nowMs())) !== undefined
  }

  async function assertUnused(): Promise<void> {
    const others = (await roles.roles('', clock.nowMs())).filter((lease) => lease.holder !== holder)
    if (others.length > 0) throw inUse(others)
  }

  /** Every holding of a role that there ever was shows in its number. */
  async function fencesNow(): Promise<string> {
    const all = await guarded('reading roles', () => database.roles.find().sort({ _id: 1 }).toArray())
    return JSON.stringify(all.filter(({ _id }) => _id !== archiveRole).map(({ _id, fence }) => [_id, fence]))
  }

  return {
    async take() {
      if (fences !== undefined) return
      // Waits for an archive whose process was killed; what else works here is reported below.
      const isOurs = await until(clock, hold, { withinMs: patienceMs, everyMs: 500 })
      await assertUnused()
      if (!isOurs) throw new PilotageError('store-locked', 'another archive of this store is under way')
      fences = await fencesNow()
    },
    async renew() {
      if (fences !== undefined && !(await hold())) lost = new Error('another archive has the role')
    },
    async assert() {
      await assertUnused()
      if (lost !== undefined || fences === undefined || (await fencesNow()) !== fences || !(await hold())) {
        throw new PilotageError('store-locked', 'another process worked with the store in between: stop every service on it')
      }
    },
    async letGo() {
      await roles.letGo(archiveRole, holder).catch(() => undefined)
    },
  }
}

function inUse(leases: readonly RoleLease[]): PilotageError {
  const held = leases.map(({ role, holder }) => `${role} (${holder})`).join(', ')
  const what = 'stop every service on it; one that was killed lets go within a quarter of a minute'
  return new PilotageError('store-locked', `the store is in use: ${held}. A store that moves has no one picture: ${what}`)
}

async function completeAll(database: Database, queues: KnownQueues, clock: Clock): Promise<void> {
  const random = systemRandom()
  const parts = { database, cache: openPageCache(database, queues), specs: openSpecs(database), queues, clock, random }
  const gate = openClaimGate(database, clock)
  const { change } = openChanges({ ...parts, gate, room: openClaimRoom(database, random) })
  const { dependants } = openDependencies(parts)
  for (;;) {
    const open = await guarded('reading open submissions', () =>
      database.submissions.find({ open: true }).limit(100).toArray(),
    )
    if (open.length === 0) return
    await complete({ ...parts, change, dependants }, open)
  }
}

/** What the last service did and no process collected any more. */
async function collectAll(database: Database, clock: Clock, log: Log): Promise<void> {
  // The first look at the server's log may come before its end was reached.
  let quiet = 0
  await openCollector(database, clock, log).run(
    () => quiet < 2,
    (changes) => {
      quiet = changes === 0 ? quiet + 1 : 0
    },
  )
}

async function begin(database: Database, header: string): Promise<ArchivePlace> {
  const marks = importMarks(database)
  const known = await guarded('looking for an import', () => marks.findOne({ _id: 'import' }))
  if (!known) {
    const full = await fullIn(database.db)
    if (full.length > 0) {
      const what = `the database is not empty (${full.join(', ')})`
      throw new PilotageError('conflict', `${what}: an import needs one that is; drop it, or name another in store.database`)
    }
    await guarded('beginning an import', () => marks.insertOne({ _id: 'import', header, records: 0, digest: '' }))
    return { records: 0, digest: '' }
  }
  if (known.header === header) return { records: known.records, digest: known.digest }
  const what = `another archive's import into this store was not finished, ${known.records} records are in it`
  throw new PilotageError('conflict', `${what}: finish that one, or begin with an empty store`)
}

/** Collections with something in them; of what the database says of itself, what only use brings. */
async function fullIn(db: Db): Promise<readonly string[]> {
  const sections = archiveSections.filter((name) => !['jobs', 'counters', 'usage'].includes(name))
  const names = [...sections, 'pages', 'specs', 'usageDays', 'usageMeters', 'usageRecords', emittedFactsCollection]
  const found = await guarded('looking into the database', () =>
    Promise.all(
      names.map(async (name) => ((await db.collection(name).findOne({}, { projection: { _id: 1 } })) ? [name] : [])),
    ),
  )
  const ids = await guarded('looking into the database', () =>
    db.collection<{ _id: string }>('meta').findOne({ _id: 'ids' }),
  )
  return [...found.flat(), ...(ids ? ['ids'] : [])]
}
