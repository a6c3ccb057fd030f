/**
 * Jobs that wait for others, from the other side: which jobs wait for this one. One row per open dependency, kept in step
 * with the list in the record of the job that waits, in the transaction that changes it.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { type Job, openOf } from '../../../../core/model/job.ts'
import type { Inside } from './inside.ts'
import type { DependencyOperations } from './job-operations.ts'
import { jobOf, type JobRow } from './rows.ts'

export type DependantTable = {
  /** A job came. `isKnown`: those of its dependencies that are here already. */
  came(job: Pick<Job, 'id' | 'phase'>, isKnown?: (on: JobId) => boolean): void
  /** What waits for these jobs, which never came. */
  forget(from: number, before: number): void
  of(on: JobId): readonly JobId[]
  /** A job changed: what it does not wait for any more is taken out. */
  changed(before: Job, after: Job): void
}

export function dependantTable({ db }: Pick<Inside, 'db'>): DependantTable {
  const insert = db.prepare('insert or ignore into dependants (on_job, job) values (?, ?)')
  const remove = db.prepare('delete from dependants where on_job = ? and job = ?')
  const forget = db.prepare('delete from dependants where on_job >= ? and on_job < ?')
  const ofJob = db.prepare('select job from dependants where on_job = ?')
  return {
    of: (on) => ofJob.all(on).map(({ job }) => Number(job) as JobId),
    came({ id, phase }, isKnown = () => false) {
      for (const { job } of openOf(phase)) if (!isKnown(job)) insert.run(job, id)
    },
    forget: (from, before) => void forget.run(from, before),
    changed(before, after) {
      const open = openOf(before.phase)
      if (open.length === 0) return
      const left = new Set(openOf(after.phase).map(({ job }) => job))
      for (const { job } of open) if (!left.has(job)) remove.run(job, before.id)
    },
  }
}

export function dependencyOperations({ db, queues }: Inside): DependencyOperations {
  const ofJob = db.prepare('select job from dependants where on_job = ? order by job limit ?')
  const ended = db.prepare(
    'select * from jobs where awaited > 0 and state in (5, 6, 7) and changed_ms < ? order by changed_ms limit ?',
  )
  return {
    dependants: (on, limit) => ofJob.all(on, limit).map(({ job }) => Number(job) as JobId),
    awaitedEnds: (endedBeforeMs, limit) =>
      (ended.all(endedBeforeMs, limit) as JobRow[]).map((row) => jobOf(row, queues.byRef(row.queue_ref))),
  }
}
