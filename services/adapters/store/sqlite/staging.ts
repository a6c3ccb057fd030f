/**
 * Large submissions on their way in. Their descriptions are written some at a time, each time in a transaction of its own
 * that other commits may precede, under ids that are reserved at the start; their jobs all come in the last transaction.
 *
 * What jobs of a submission wait for within it is written with their descriptions: a job that has not come does not end.
 *
 * Until the last one nothing can be seen of them: a description is looked up by a job that exists. The table `staged` names
 * the ids that are reserved, so that what a process leaves when it dies is deleted when the store is opened again. Ids may
 * be left out where a submission was refused or died.
 */

import type { DatabaseSync } from 'node:sqlite'
import { openDependencies } from '../../../../core/model/dependency.ts'
import { firstPhase } from '../../../../core/model/job.ts'
import { dependantTable } from './dependants.ts'
import { assert } from '../../../../core/kernel/assert.ts'
import type { ClassId, JobId } from '../../../../core/kernel/ids.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import { inputWriter } from './sandbox.ts'
import type { PackedJob, SubmissionHead, StagedSlice } from './job-operations.ts'

export type Staged = {
  readonly head: SubmissionHead
  readonly firstId: JobId
  readonly jobs: Omit<PackedJob, 'spec'>[]
  readonly queues: Map<ClassId, TaskQueue>
}

export type Staging = {
  begin(ticket: number, head: SubmissionHead, firstId: JobId): void
  add(ticket: number, slice: StagedSlice): void
  get(ticket: number): Staged | undefined
  /** Its jobs are in: it is no submission on its way any more. */
  done(ticket: number): void
  drop(ticket: number): void
  /** What was done is done: the transaction is durable. */
  committed(): void
  /** The transaction was rolled back: what was done in it is not. */
  reload(): void
}

export function openStaging(db: DatabaseSync): Staging {
  const reserve = db.prepare('insert into staged (first_id, count) values (?, ?)')
  const release = db.prepare('delete from staged where first_id = ?')
  const insertSpec = db.prepare('insert or replace into specs (id, spec) values (?, ?)')
  const dependants = dependantTable({ db })
  const removeSpecs = db.prepare('delete from specs where id >= ? and id < ?')
  const reserved = db.prepare('select 1 from staged where first_id = ?')
  const byTicket = new Map<number, Staged>()
  let over = new Set<number>()
  const nameInputs = inputWriter(db)

  function done(ticket: number): void {
    const staged = byTicket.get(ticket)
    if (!staged) return
    release.run(staged.firstId)
    over.add(ticket)
  }

  return {
    begin(ticket, head, firstId) {
      reserve.run(firstId, head.count)
      byTicket.set(ticket, { head, firstId, jobs: [], queues: new Map() })
    },
    add(ticket, { from, jobs, queues }) {
      const staged = byTicket.get(ticket)
      if (!staged) return
      assert(from <= staged.jobs.length, 'the slices of a submission come in their order')
      // A slice whose transaction was rolled back comes once more.
      staged.jobs.length = from
      nameInputs(staged.head.owner, staged.firstId + from, jobs)
      for (const { spec, inputs: _, ...job } of jobs) {
        const id = (staged.firstId + staged.jobs.length) as JobId
        insertSpec.run(id, spec)
        dependants.came({ id, phase: firstPhase(openDependencies(job.after, id)) }, (on) => !isWithin(staged, on))
        staged.jobs.push(job)
      }
      for (const queue of queues) staged.queues.set(queue.id, queue)
    },
    get: (ticket) => byTicket.get(ticket),
    done,
    drop(ticket) {
      const staged = byTicket.get(ticket)
      if (staged) {
        const { firstId, head } = staged
        removeSpecs.run(firstId, firstId + head.count)
        dependants.forget(firstId, firstId + head.count)
      }
      done(ticket)
    },
    committed() {
      if (over.size === 0) return
      for (const ticket of over) byTicket.delete(ticket)
      over = new Set()
    },
    reload() {
      over = new Set()
      // Ids whose reservation was rolled back go to others.
      for (const [ticket, { firstId }] of byTicket) if (!reserved.get(firstId)) byTicket.delete(ticket)
    },
  }
}

export function isWithin({ firstId, head }: Pick<Staged, 'firstId' | 'head'>, id: JobId): boolean {
  return id >= firstId && id < firstId + head.count
}

/** What a process that died has left: no caller was promised any of it. */
export function dropStaged(db: DatabaseSync): void {
  if (!db.prepare('select 1 from staged limit 1').get()) return
  db.exec(`begin immediate;
    delete from specs where id in (select specs.id from staged join specs on id >= first_id and id < first_id + count);
    delete from dependants where on_job in
      (select distinct on_job from staged join dependants on on_job >= first_id and on_job < first_id + count);
    delete from staged;
    commit`)
}

/** The highest id that is reserved. */
export function lastStagedIn(db: DatabaseSync): number {
  return Number(db.prepare('select max(first_id + count - 1) as id from staged').get()?.id ?? 0)
}
