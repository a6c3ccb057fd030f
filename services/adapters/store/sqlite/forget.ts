/**
 * Forgetting: removes jobs that ended long ago with all that belongs to them, and facts, keys and VMs of the same age. Each
 * call looks at a bounded number of rows, because every other write waits for it.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import type { Inside } from './inside.ts'
import { jobRemoval } from './removal.ts'
import { jobOf, type JobRow, stateCode } from './rows.ts'

/** A VM is remembered so much longer than the jobs that ran on it: a VM's life, rounded up. */
const vmsLongerMs = 30 * 24 * 60 * 60 * 1000

const endedCodes: ReadonlySet<number> = new Set([stateCode.Done, stateCode.Failed, stateCode.Killed])

/** More than a job leaves, so that facts go as fast as their jobs. */
const factsPerJob = 10

export function forgetOperation(inside: Inside): (endedBeforeMs: number, limit: number) => readonly JobId[] {
  const { db, queues } = inside
  // The oldest jobs have the lowest ids: a few of them are looked at each time, from where the last look stopped.
  const look = db.prepare('select * from jobs where id > ? order by id limit ?')
  const removeFacts = db.prepare('delete from facts where seq in (select seq from facts order by seq limit ?) and at_ms < ?')
  const keepLastFact = db.prepare(
    "insert into ids (name, value) values ('fact', ?) on conflict (name) do update set value = excluded.value",
  )
  const removeKeys = db.prepare('delete from submissions where at_ms < ?')
  const removeVms = db.prepare('delete from vms where over = 1 and intended_ms < ?')
  const removal = jobRemoval(inside)
  let cursor = 0

  return (endedBeforeMs, limit) => {
    const rows = look.all(cursor, limit) as JobRow[]
    const last = rows.at(-1)
    // Ids are given in the order of submission: all beyond is young, and the next look begins with the oldest again.
    const isAmongOld = last !== undefined && rows.length === limit && last.submitted_ms < endedBeforeMs
    cursor = isAmongOld ? last.id : 0
    const old = rows.filter((row) => endedCodes.has(row.state) && row.awaited === 0 && row.changed_ms < endedBeforeMs)
    for (const row of old) removal.remove(jobOf(row, queues.byRef(row.queue_ref)))
    const { changes } = removeFacts.run(limit * factsPerJob, endedBeforeMs)
    // All of them may be gone: a reader that reads on behind the last one must not miss the next.
    if (changes > 0) keepLastFact.run(inside.lastFact)
    removeKeys.run(endedBeforeMs)
    removeVms.run(endedBeforeMs - vmsLongerMs)
    return old.map((row) => row.id as JobId)
  }
}
