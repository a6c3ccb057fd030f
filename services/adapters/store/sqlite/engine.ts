/**
 * The embedded store itself: synchronous, single-threaded, one SQLite database. The worker thread runs it for the service,
 * the simulator runs it in memory; both run this code.
 *
 * Decides nothing about jobs and VMs: it reads one, asks core what the event makes of it, and writes the answer with its
 * fact. Every operation stands inside a transaction that the caller begins and commits, so that many share one fsync.
 */

import type { Inside } from './inside.ts'
import { DatabaseSync } from 'node:sqlite'
import { asPilotageError, PilotageError } from '../../../../core/kernel/errors.ts'
import { coreDecisions, type Decisions } from '../../../../core/model/apply.ts'
import { type AccountingOperations, accountingOperations } from './accounting.ts'
import { type ArchiveOperations, archiveOperations, assertNoImport } from './archive.ts'
import { type FactOperations, factOperations, lastFactIn } from './facts.ts'
import { type ImageOperations, imageOperations } from './images.ts'
import type { JobOperations } from './job-operations.ts'
import { jobOperations } from './jobs.ts'
import { queueTable } from './queues.ts'
import { type ReadOperations, wholeReads } from './reads.ts'
import { type RoleOperations, roleOperations } from './roles.ts'
import { type SandboxOperations, sandboxOperations } from './sandbox.ts'
import type { ColumnNews } from './columns.ts'
import { columnWriter } from './column-writer.ts'
import { configure, migrate, type Purpose } from './schema.ts'
import { dropStaged } from './staging.ts'
import { tallies } from './tallies.ts'
import { type VmOperations, vmOperations } from './vms.ts'

export type Operations = JobOperations &
  VmOperations &
  ImageOperations &
  FactOperations &
  RoleOperations &
  SandboxOperations &
  AccountingOperations &
  ArchiveOperations &
  ReadOperations
export type OperationName = keyof Operations
export type Call = { readonly [Name in OperationName]: { name: Name; args: Parameters<Operations[Name]> } }[OperationName]

export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

export type Engine = {
  /** Runs the calls in order in one transaction, durable when it returns. One that throws fails alone. */
  commit(calls: readonly Call[]): readonly Outcome[]
  /** Writes the whole log into the database and empties it; false while a reader still needs the log. */
  emptyLog(): boolean
  close(): void
}

/** Closed again where it cannot be used: else its locks would stay until the garbage is collected. */
function openDatabase(path: string, purpose: Purpose): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    configure(db, purpose)
    migrate(db)
    if (purpose === 'service') assertNoImport(db)
    dropStaged(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** `publish`: what a reader in another thread needs of the columns. */
export type EngineOptions = {
  readonly decisions?: Decisions
  readonly purpose?: Purpose
  readonly publish?: (news: ColumnNews) => void
}

export function openEngine(
  path: string,
  { decisions = coreDecisions, purpose = 'service', publish }: EngineOptions = {},
): Engine {
  const db = openDatabase(path, purpose)
  const inside = emptyInside(db, decisions, publish)
  const { operations, rebuild, committed } = operationsOf(inside)
  rebuild()
  if (purpose === 'service') inside.columns.load(db)

  const run = (call: Call): unknown => (operations[call.name] as (...args: unknown[]) => unknown)(...call.args)

  /** Set once the disk refused a commit: what it holds is unknown from then on, and nothing more is acknowledged. */
  let broken: PilotageError | undefined

  function transaction<T>(work: () => T): T {
    db.exec('begin immediate')
    try {
      const value = work()
      durable()
      committed()
      return value
    } catch (error) {
      if (db.isTransaction) db.exec('rollback')
      if (!broken) rebuild()
      throw error
    }
  }

  function durable(): void {
    try {
      db.exec('commit')
    } catch (error) {
      broken = new PilotageError('store-failed', 'the disk refused a commit', { cause: error })
      throw broken
    }
  }

  function commit(calls: readonly Call[]): readonly Outcome[] {
    try {
      if (broken) throw broken
      return transaction(() => calls.map((call) => ({ ok: true, value: run(call) })))
    } catch (error) {
      const isDisk = isOfDisk(error)
      const reason = isDisk
        ? new PilotageError('unavailable', 'the disk is full or failed', { cause: error })
        : asPilotageError(error, 'store')
      // A full disk is no call's guilt: alone each would fail as well, at the price of a rebuild.
      if (broken || isDisk || calls.length === 1) return calls.map(() => ({ ok: false, error: reason }))
      // The whole group was rolled back: each call goes alone, and only the guilty one fails.
      return calls.flatMap((call) => commit([call]))
    }
  }

  return { commit, emptyLog: () => db.prepare('pragma wal_checkpoint(truncate)').get()?.busy === 0, close: () => db.close() }
}

/** `rebuild`: what is held in memory is as the database has it. `committed`: what was changed is durable. */
function operationsOf(inside: Inside): { operations: Operations; rebuild(): void; committed(): void } {
  const { db, columns } = inside
  const vms = vmOperations(inside)
  const jobs = jobOperations(inside)
  const reads = wholeReads(db, columns.columns)
  return {
    operations: Object.assign(jobs.operations, vms.operations, restOf(inside), reads),
    rebuild() {
      inside.tallies = tallies()
      inside.lastFact = lastFactIn(db)
      inside.queues.reload()
      vms.reload()
      jobs.reload()
      columns.discarded()
    },
    committed() {
      jobs.committed()
      columns.committed(inside.queues)
    },
  }
}

/** Nothing is read yet. */
function emptyInside(db: DatabaseSync, decisions: Decisions, publish: EngineOptions['publish']): Inside {
  const derived = { queues: queueTable(db), liveVms: new Map(), tallies: tallies(), columns: columnWriter(publish) }
  return { db, decisions, ...derived, lastFact: 0 }
}

/** Those that hold nothing in memory. */
function restOf(
  inside: Inside,
): ImageOperations & FactOperations & RoleOperations & SandboxOperations & AccountingOperations & ArchiveOperations {
  return Object.assign(
    imageOperations(inside),
    factOperations(inside),
    roleOperations(inside),
    sandboxOperations(inside.db),
    accountingOperations(inside.db),
    archiveOperations(inside),
  )
}

/**
 * SQLITE_IOERR and SQLITE_FULL, with whatever detail in the higher bits. All of it was rolled back: it may be asked again.
 */
function isOfDisk(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  return code === 10 || code === 13
}
