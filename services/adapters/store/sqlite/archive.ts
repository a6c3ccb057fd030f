/**
 * The operations of the embedded store for archives: records in the order of their keys, out and in. Each assumes the
 * engine's open transaction, so that a batch and the place that it leads to are written together or not at all.
 *
 * What the engine holds in memory is not kept in step with what is written here: a store into which an import went is opened
 * anew by the process that works with it.
 */

import { specOfText } from '../../../../core/model/earlier-job.ts'
import type { DatabaseSync } from 'node:sqlite'
import type {
  ArchiveBatch,
  ArchiveCounts,
  ArchivedJob,
  ArchiveKey,
  ArchivePlace,
  ArchiveRecords,
  ArchiveSection,
} from '../../../../core/model/archive.ts'
import { never } from '../../../../core/kernel/assert.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Job } from '../../../../core/model/job.ts'
import { isOver } from '../../../../core/model/vm.ts'
import { dependantTable } from './dependants.ts'
import type { Inside } from './inside.ts'
import { factOf, lastFactIn } from './facts.ts'
import { imageOf } from './images.ts'
import { insertJobSql, jobColumns, jobOf, type JobRow, needsText } from './rows.ts'
import { lastJobIn } from './submit.ts'
import { usageArchive } from './usage-archive.ts'
import { vmOf } from './vms.ts'

export type ArchiveOperations = {
  archiveSettle(): void
  archiveRead(section: ArchiveSection, after: ArchiveKey | undefined, limit: number): readonly object[]
  archiveBegin(header: string): ArchivePlace
  archiveWrite(batch: ArchiveBatch, place: ArchivePlace): void
  archiveCounts(): ArchiveCounts
  archiveFinish(): void
}

export function archiveOperations(inside: Inside): ArchiveOperations {
  const { db, queues } = inside
  const reading = readers(inside)
  const writing = writers(inside)
  const usage = usageArchive(db)
  const begun = db.prepare('select header, records, digest from imports')
  const begin = db.prepare("insert into imports (one, header, records, digest) values (1, ?, 0, '')")
  const move = db.prepare('update imports set records = ?, digest = ?')
  const count = (table: string): number => Number(db.prepare(`select count(*) as n from ${table}`).get()?.n)
  return {
    archiveSettle: () => assertNoImport(db),
    archiveRead: (section, after, limit) => reading[section](after, limit),
    archiveBegin(header) {
      const known = begun.get()
      if (!known) {
        const full = kept.filter((table) => count(table) > 0)
        if (full.length > 0) throw notEmpty(full)
        begin.run(header)
        return { records: 0, digest: '' }
      }
      if (known.header !== header) throw otherArchive(Number(known.records))
      return { records: Number(known.records), digest: String(known.digest) }
    },
    archiveWrite(batch, { records, digest }) {
      if (batch.section === 'usage') usage.write(batch.records)
      else writing(batch)
      if (move.run(records, digest).changes !== 1) throw new Error('assertion failed: an import that was begun is written')
    },
    archiveCounts: () => ({
      queues: count('queues'),
      submissions: count('submissions'),
      images: count('images'),
      vms: count('vms'),
      jobs: count('jobs'),
      facts: count('facts'),
      notes: count('notes'),
      counters: countersOf(db).length,
      usage: usage.count(),
    }),
    archiveFinish() {
      queues.recount()
      db.exec('delete from imports')
    },
  }
}

/** The tables that an empty store has nothing in. */
const kept = [
  'queues',
  'jobs',
  'submissions',
  'images',
  'vms',
  'facts',
  'notes',
  'ids',
  'usage_days',
  'usage_meters',
  'usage_records',
]

/** Throws `store-failed`: half of an installation is none. */
export function assertNoImport(db: DatabaseSync): void {
  const found = db.prepare('select records from imports').get()
  if (!found) return
  const what = `an import into this store was not finished, ${found.records} records are in it`
  throw new PilotageError('store-failed', `${what}: finish it with pilotage store import, or begin with an empty store`)
}

function notEmpty(tables: readonly string[]): PilotageError {
  return new PilotageError('conflict', `the store is not empty (${tables.join(', ')}): an import needs one that is`)
}

function otherArchive(records: number): PilotageError {
  const what = `another archive's import into this store was not finished, ${records} records are in it`
  return new PilotageError('conflict', `${what}: finish that one, or begin with an empty store`)
}

function countersOf(db: DatabaseSync): ArchiveRecords['counters'][] {
  return [
    { name: 'facts', highest: lastFactIn(db) },
    { name: 'jobs', highest: lastJobIn(db) },
  ]
}

type Read = (after: ArchiveKey | undefined, limit: number) => readonly object[]

function readers({ db, queues }: Inside): Readonly<Record<ArchiveSection, Read>> {
  const usage = usageArchive(db)
  /** Keys are texts that are not empty, or numbers from 1. */
  const rows = (sql: string, first: ArchiveKey, recordOf: (row: Record<string, unknown>) => object): Read => {
    const found = db.prepare(sql)
    return (after, limit) => found.all(after ?? first, limit).map(recordOf)
  }
  return {
    queues: rows('select ref from queues where id > ? order by id limit ?', '', ({ ref }) => queues.byRef(Number(ref))),
    submissions: rows('select * from submissions where key > ? order by key limit ?', '', (row) => ({
      key: row.key,
      digest: row.digest,
      firstId: row.first_id,
      count: row.count,
      atMs: row.at_ms,
    })),
    images: rows('select doc from images where name > ? order by name limit ?', '', imageOf),
    vms: rows('select doc from vms where id > ? order by id limit ?', '', vmOf),
    jobs: rows('select * from jobs join specs using (id) where id > ? order by id limit ?', 0, (row) => {
      const { spec, ...columns } = row as JobRow & { readonly spec: string }
      const job: Job = jobOf(columns, queues.byRef(columns.queue_ref))
      return { job, spec: specOfText(spec, job.id) } satisfies ArchivedJob
    }),
    facts: rows('select * from facts where seq > ? order by seq limit ?', 0, factOf),
    notes: rows('select name, text from notes where name > ? order by name limit ?', '', ({ name, text }) => ({
      name,
      text,
    })),
    counters: (after) => countersOf(db).filter(({ name }) => after === undefined || name > String(after)),
    usage: (after, limit) => usage.read(after === undefined ? undefined : String(after), limit),
  }
}

function writers({ db, queues }: Inside): (batch: Exclude<ArchiveBatch, { section: 'usage' }>) => void {
  const job = db.prepare(insertJobSql)
  const spec = db.prepare('insert or replace into specs (id, spec) values (?, ?)')
  const key = db.prepare('insert or replace into submissions (key, digest, first_id, count, at_ms) values (?, ?, ?, ?, ?)')
  const image = db.prepare('insert or replace into images (name, doc) values (?, ?)')
  const vm = db.prepare('insert or replace into vms (id, over, intended_ms, site, doc) values (?, ?, ?, ?, ?)')
  const fact = db.prepare('insert or replace into facts (seq, at_ms, subject, kind, data) values (?, ?, ?, ?, ?)')
  const note = db.prepare('insert or replace into notes (name, text) values (?, ?)')
  const dependants = dependantTable({ db })
  const counter = db.prepare('insert or replace into ids (name, value) values (?, ?)')

  function writeJob({ job: one, spec: description }: ArchivedJob): void {
    const refs = queues.byId(one.classId)
    if (!refs) throw new PilotageError('invalid-argument', `job ${one.id} names a task queue that the archive does not have`)
    const { ref, ownerRef } = refs
    const { name, jobGroup, jobType, priority, submittedMs, needs, maxMachineLosses } = one
    job.run(
      ref,
      ownerRef,
      name,
      jobGroup,
      jobType,
      priority,
      submittedMs,
      needsText(needs),
      maxMachineLosses,
      ...jobColumns(one),
    )
    dependants.came(one)
    spec.run(one.id, JSON.stringify(description))
  }

  return (batch) => {
    switch (batch.section) {
      case 'queues':
        for (const queue of batch.records) queues.keep(queue)
        return
      case 'submissions':
        for (const { key: name, digest, firstId, count, atMs } of batch.records) key.run(name, digest, firstId, count, atMs)
        return
      case 'images':
        for (const one of batch.records) image.run(one.entry.name, JSON.stringify(one))
        return
      case 'vms':
        for (const one of batch.records) {
          vm.run(one.id, isOver(one.phase) ? 1 : 0, one.intendedMs, one.site, JSON.stringify(one))
        }
        return
      case 'jobs':
        batch.records.forEach(writeJob)
        return
      case 'facts':
        for (const { seq, atMs, subject, kind, data } of batch.records) {
          fact.run(seq, atMs, subject, kind, JSON.stringify(data))
        }
        return
      case 'notes':
        for (const { name, text } of batch.records) note.run(name, text)
        return
      case 'counters':
        for (const { name, highest } of batch.records) {
          if (highest > 0) counter.run(name === 'jobs' ? 'job' : 'fact', highest)
        }
        return
      default:
        never(batch)
    }
  }
}
