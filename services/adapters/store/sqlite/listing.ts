/**
 * Listing jobs and forgetting old ones: the two that walk rows. A list is filtered by the database itself, which passes over
 * a million jobs in a fraction of a second; forgetting looks at a bounded number of rows at a time.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { type Job, jobStates } from '../../../../core/model/job.ts'
import type { JobQuery } from '../../../../core/ports/store.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { Inside } from './engine.ts'
import { jobOf, type JobRow, stateCode } from './rows.ts'

export function listOperation({ db, queues }: Inside): (query: JobQuery) => readonly Job[] {
  const ofOwner = db.prepare(
    'select * from jobs where owner_ref = ? and id < ? and ((1 << state) & ?) != 0 order by id desc limit ?',
  )

  /** The newest of one owner that match, below an id. */
  function ofOne(ownerRef: number, { states, beforeId, limit }: JobQuery): JobRow[] {
    const wanted = (states ?? jobStates).reduce((bits, state) => bits | (1 << stateCode[state]), 0)
    return ofOwner.all(ownerRef, beforeId ?? Number.MAX_SAFE_INTEGER, wanted, limit) as JobRow[]
  }

  return (query) =>
    queues
      .ownersOf(query.vo, query.owner)
      .flatMap((ownerRef) => ofOne(ownerRef, query))
      .sort((a, b) => b.id - a.id)
      .slice(0, query.limit)
      .map((row) => jobOf(row, queues.byRef(row.queue_ref)))
}

/** A VM is remembered so much longer than the jobs that ran on it: a VM's life, rounded up. */
const vmsLongerMs = 30 * 24 * 60 * 60 * 1000

/** More than a job leaves, so that facts go as fast as their jobs. */
const factsPerJob = 10

export function forgetOperation(inside: Inside): (endedBeforeMs: number, limit: number) => readonly JobId[] {
  const { db, queues } = inside
  // The oldest jobs have the lowest ids: a few of them are looked at each time, from where the last look stopped.
  const look = db.prepare('select * from jobs where id > ? order by id limit ?')
  const removeJob = db.prepare('delete from jobs where id = ?')
  const removeSpec = db.prepare('delete from specs where id = ?')
  const removeFacts = db.prepare('delete from facts where seq in (select seq from facts order by seq limit ?) and at_ms < ?')
  const keepLastFact = db.prepare(
    "insert into ids (name, value) values ('fact', ?) on conflict (name) do update set value = excluded.value",
  )
  const removeKeys = db.prepare('delete from submissions where at_ms < ?')
  const removeVms = db.prepare('delete from vms where over = 1 and intended_ms < ?')
  const keepLastId = db.prepare(
    "insert into ids (name, value) select 'job', max(id) from jobs where true on conflict do nothing",
  )
  const raiseLastId = db.prepare("update ids set value = max(value, (select max(id) from jobs)) where name = 'job'")
  let cursor = 0

  return (endedBeforeMs, limit) => {
    const rows = look.all(cursor, limit) as JobRow[]
    const last = rows.at(-1)
    // Ids are given in the order of submission: all beyond is young, and the next look begins with the oldest again.
    const isAmongOld = last !== undefined && rows.length === limit && last.submitted_ms < endedBeforeMs
    cursor = isAmongOld ? last.id : 0
    const old = rows.filter((row) => row.state >= stateCode.Done && row.changed_ms < endedBeforeMs)
    if (old.length > 0) {
      keepLastId.run()
      raiseLastId.run()
    }
    for (const row of old) {
      removeJob.run(row.id)
      removeSpec.run(row.id)
      const queue = queues.byRef(row.queue_ref)
      const job = jobOf(row, queue)
      inside.tallies.moved(job, undefined, exactly(queue.requirements, job.needs))
    }
    for (const [ref, rowsOf] of Map.groupBy(old, (row) => row.queue_ref)) queues.named(ref, -rowsOf.length)
    const { changes } = removeFacts.run(limit * factsPerJob, endedBeforeMs)
    // All of them may be gone: whoever reads on behind the last one must not miss the next.
    if (changes > 0) keepLastFact.run(inside.lastFact)
    removeKeys.run(endedBeforeMs)
    removeVms.run(endedBeforeMs - vmsLongerMs)
    return old.map((row) => row.id as JobId)
  }
}
