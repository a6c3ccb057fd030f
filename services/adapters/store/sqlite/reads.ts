/**
 * The reads for people, and of facts: what may pass over many rows, and what no decision waits for. They use nothing that
 * the writer holds in memory, so that a connection of their own can answer them while the writer commits.
 *
 * A listing finds its jobs in the columns (columns.ts), which this file was given, and reads the rows of those alone; each
 * row is looked at once more, since it may have changed since. Between two slices other reads get their turn, and the log
 * can be written back. There is no index by state: it would cost each change of a job a quarter more.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { ClassId, JobId } from '../../../../core/kernel/ids.ts'
import type { CountQuery, JobCounts } from '../../../../core/model/job-counts.ts'
import {
  compareListed,
  type JobCursor,
  type JobFilter,
  type JobOrder,
  type LeasePlace,
  newestFirst,
  nowhere,
  passes,
} from '../../../../core/model/job-filter.ts'
import type { Fact, Subject } from '../../../../core/model/fact-shapes.ts'
import type { Job } from '../../../../core/model/job.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import type { JobQuery } from '../../../../core/ports/store.ts'
import { type AccountingReads, accountingReads } from './accounting.ts'
import { countIn } from './column-counts.ts'
import { firstIn, type Scan } from './column-scan.ts'
import type { Columns } from './columns.ts'
import { factOf } from './facts.ts'
import { jobOf, type JobRow } from './rows.ts'
import { vmOf } from './vms.ts'

export type ReadOperations = AccountingReads & {
  list(query: JobQuery): readonly Job[]
  countBy(filter: JobFilter, query: CountQuery): JobCounts
  history(subject: Subject, limit: number): readonly Fact[]
  facts(afterSeq: number, limit: number): readonly Fact[]
  endedVms(limit: number): readonly Vm[]
}

/** Yields between two slices; returns the answer. */
export type Slices<Answer> = Generator<undefined, Answer>

/** Rows that are read in one slice: some 5 ms. */
const rowsPerSlice = 250

type ListedRow = JobRow & { queue_id: string; vo: string; grp: string; owner: string }

/** Of rows that an index finds: each is short enough to be read at once. */
export function shortReads(db: DatabaseSync): Omit<ReadOperations, 'list' | 'countBy'> {
  const ofSubject = db.prepare('select * from facts where subject = ? order by seq desc limit ?')
  const after = db.prepare('select * from facts where seq > ? order by seq limit ?')
  const last = db.prepare('select * from facts order by seq desc limit ?')
  const ended = db.prepare('select doc from vms where over = 1 order by intended_ms desc limit ?')
  return {
    ...accountingReads(db),
    history: (subject, limit) => ofSubject.all(subject, limit).map(factOf).reverse(),
    facts: (afterSeq, limit) =>
      afterSeq < 0 ? last.all(limit).map(factOf).reverse() : after.all(afterSeq, limit).map(factOf),
    endedVms: (limit) => ended.all(limit).map(vmOf),
  }
}

/** For a store without a reader beside it: a listing goes from its first slice to its last. */
export function wholeReads(db: DatabaseSync, columns: Columns): ReadOperations {
  const { list, countBy } = longReads(db, columns)
  return {
    ...shortReads(db),
    list: (query) => wholeOf(list(query)),
    countBy: (filter, query) => wholeOf(countBy(filter, query)),
  }
}

function wholeOf<Answer>(slices: Slices<Answer>): Answer {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
  }
}

export type LongReads = {
  list(query: JobQuery): Slices<readonly Job[]>
  countBy(filter: JobFilter, query: CountQuery): Slices<JobCounts>
}

export function longReads(db: DatabaseSync, columns: Columns): LongReads {
  const rows = rowReader(db)
  const allOwners = db.prepare('select ref, vo, grp, owner from owners')

  function scanOf(filter: JobFilter): Scan {
    const { vo, group, owner } = filter
    if (vo === undefined && group === undefined && owner === undefined) return { filter, owners: undefined }
    const isWanted = (row: Record<string, unknown>): boolean =>
      (vo ?? row.vo) === row.vo && (group ?? row.grp) === row.grp && (owner ?? row.owner) === row.owner
    return { filter, owners: new Set(allOwners.all().flatMap((row) => (isWanted(row) ? [Number(row.ref)] : []))) }
  }

  return {
    *list(query) {
      const { order = newestFirst, limit } = query
      const scan = scanOf(query)
      const found: Job[] = []
      let { after } = query
      for (;;) {
        const wanted = limit - found.length
        const some = yield* firstIn(columns, scan, { order, after, limit: wanted })
        for (const [at, cursor] of some.entries()) {
          const job = rows.passing(cursor, query, order)
          if (job) found.push(job)
          if ((at + 1) % rowsPerSlice === 0) yield
        }
        after = some.at(-1)
        // What was found and did not pass has changed since.
        if (some.length < wanted || found.length >= limit) return found.sort((a, b) => compareListed(a, b, order))
      }
    },
    countBy(filter, query) {
      const owners = new Map(
        allOwners.all().map((row) => {
          return [Number(row.ref), { vo: String(row.vo), group: String(row.grp), owner: String(row.owner) }] as const
        }),
      )
      return countIn(columns, scanOf(filter), query, { owners, textOf: rows.textOf })
    },
  }
}

function rowReader(db: DatabaseSync) {
  const one = db.prepare(`
    select jobs.*, queues.id as queue_id, owners.vo, owners.grp, owners.owner
    from jobs cross join queues on queues.ref = jobs.queue_ref cross join owners on owners.ref = jobs.owner_ref
    where jobs.id = ?
  `)
  const placeOf = db.prepare("select site, doc ->> '$.cloud' as cloud from vms where id = ?")
  const texts = db.prepare('select name, job_group, job_type from jobs where id = ?')

  function placeOfRow({ vm_id: vmId }: JobRow): LeasePlace {
    const found = vmId === null ? undefined : placeOf.get(vmId)
    return found ? { site: String(found.site), cloud: String(found.cloud) } : nowhere
  }

  return {
    /** As it is now; undefined: it is gone, or it does not pass any more, or its place in the list is behind. */
    passing(cursor: JobCursor, filter: JobFilter, { by, isDescending }: JobOrder): Job | undefined {
      const row = one.get(cursor.id) as ListedRow | undefined
      if (!row) return undefined
      const queue = { id: row.queue_id as ClassId, vo: row.vo, group: row.grp, owner: row.owner }
      const job = jobOf(row, queue)
      const needsPlace = filter.site !== undefined || filter.cloud !== undefined
      if (!passes(job, needsPlace ? placeOfRow(row) : nowhere, filter)) return undefined
      const isBehind = by === 'change' && !isDescending && job.changedMs > cursor.changedMs
      return isBehind ? undefined : job
    },
    textOf(id: JobId, attribute: 'name' | 'jobGroup' | 'jobType'): string | undefined {
      const row = texts.get(id)
      if (!row) return undefined
      const { name, job_group: jobGroup, job_type: jobType } = row
      return String({ name, jobGroup, jobType }[attribute])
    },
  }
}
