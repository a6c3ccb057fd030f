/**
 * The reads for people, and of facts: what may pass over many rows, and what no decision waits for. They use nothing that
 * the writer holds in memory, so that a connection of their own can answer them while the writer commits.
 *
 * A listing is read in slices of the owner's jobs, newest first. Each slice is one statement, that is one short read
 * transaction: between two of them other reads get their turn, and the log can be written back. A job is looked at once, so
 * it is listed once. There is no index by state: it would cost each change of a job a quarter more, and a listing is allowed
 * to take its time.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { ClassId } from '../../../../core/kernel/ids.ts'
import type { Fact, Subject } from '../../../../core/model/fact-shapes.ts'
import { type Job, jobStates } from '../../../../core/model/job.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import type { JobQuery } from '../../../../core/ports/store.ts'
import { factOf } from './facts.ts'
import { jobOf, type JobRow, stateCode } from './rows.ts'
import { vmOf } from './vms.ts'

export type ReadOperations = {
  list(query: JobQuery): readonly Job[]
  history(subject: Subject, limit: number): readonly Fact[]
  facts(afterSeq: number, limit: number): readonly Fact[]
  endedVms(limit: number): readonly Vm[]
}

/** Yields between two slices; returns the answer. */
export type Slices<Answer> = Generator<undefined, Answer>

export type Listing = (query: JobQuery) => Slices<readonly Job[]>

/** A page of common jobs is found in the first slice; each later one is larger, up to some 10 ms of work. */
const firstSliceRows = 1000
const maxSliceRows = 16_000
const sliceGrowth = 4

type ListedRow = JobRow & { queue_id: string; vo: string; grp: string; owner: string }

/** Of rows that an index finds: each is short enough to be read at once. */
export function shortReads(db: DatabaseSync): Omit<ReadOperations, 'list'> {
  const ofSubject = db.prepare('select * from facts where subject = ? order by seq desc limit ?')
  const after = db.prepare('select * from facts where seq > ? order by seq limit ?')
  const last = db.prepare('select * from facts order by seq desc limit ?')
  const ended = db.prepare('select doc from vms where over = 1 order by intended_ms desc limit ?')
  return {
    history: (subject, limit) => ofSubject.all(subject, limit).map(factOf).reverse(),
    facts: (afterSeq, limit) =>
      afterSeq < 0 ? last.all(limit).map(factOf).reverse() : after.all(afterSeq, limit).map(factOf),
    endedVms: (limit) => ended.all(limit).map(vmOf),
  }
}

/** For a store without a reader beside it: a listing goes from its first slice to its last. */
export function wholeReads(db: DatabaseSync): ReadOperations {
  const list = listing(db)
  return { ...shortReads(db), list: (query) => wholeOf(list(query)) }
}

function wholeOf<Answer>(slices: Slices<Answer>): Answer {
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
  }
}

export function listing(db: DatabaseSync): Listing {
  const owners = db.prepare('select ref from owners where (?1 is null or vo = ?1) and (?2 is null or owner = ?2)')
  const sliceEnd = db.prepare('select id from jobs where owner_ref = ? and id < ? order by id desc limit 1 offset ?')
  // Cross joins: the jobs come first, and each names its task queue and its owner.
  const slice = db.prepare(`
    select jobs.*, queues.id as queue_id, owners.vo, owners.grp, owners.owner
    from jobs cross join queues on queues.ref = jobs.queue_ref cross join owners on owners.ref = jobs.owner_ref
    where jobs.owner_ref = ? and jobs.id < ? and jobs.id >= ? and ((1 << state) & ?) != 0
    order by jobs.id desc limit ?
  `)

  /** The newest of one owner that match, at most `limit`, none with an id below `minId`. */
  function* ofOwner(
    ownerRef: number,
    { states = jobStates, beforeId, limit }: JobQuery,
    minId: number,
  ): Slices<ListedRow[]> {
    const wanted = states.reduce((bits, state) => bits | (1 << stateCode[state]), 0)
    const found: ListedRow[] = []
    let below: number = beforeId ?? Number.MAX_SAFE_INTEGER
    let rows = firstSliceRows
    while (found.length < limit && below > minId) {
      const fromId = Math.max(minId, Number(sliceEnd.get(ownerRef, below, rows - 1)?.id ?? 0))
      found.push(...(slice.all(ownerRef, below, fromId, wanted, limit - found.length) as ListedRow[]))
      below = fromId
      rows = Math.min(rows * sliceGrowth, maxSliceRows)
      yield
    }
    return found
  }

  return function* list(query) {
    let newest: ListedRow[] = []
    for (const { ref } of owners.all(query.vo ?? null, query.owner ?? null)) {
      // What is older than a full page of other owners' jobs is on no page.
      const minId = newest.length < query.limit ? 0 : (newest.at(-1)?.id ?? 0)
      const found = yield* ofOwner(Number(ref), query, minId)
      newest = [...newest, ...found].sort((a, b) => b.id - a.id).slice(0, query.limit)
    }
    return newest.map((row) => jobOf(row, { id: row.queue_id as ClassId, vo: row.vo, group: row.grp, owner: row.owner }))
  }
}
