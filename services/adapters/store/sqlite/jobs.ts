/**
 * The operations of the embedded store on jobs. Each assumes the engine's open transaction.
 */

import { jobFact } from '../../../../core/facts.ts'
import type { AttemptRef, ClassId, JobId, VmId } from '../../../../core/ids.ts'
import { type Job, type JobEvent, type JobStateName, jobStates } from '../../../../core/job.ts'
import type {
  JobCount,
  JobOutcome,
  JobQuery,
  QueueCount,
  Submission,
  SubmitOutcome,
  WaitingJob,
} from '../../../../core/ports/store.ts'
import type { Inside } from './engine.ts'
import { factWriter } from './facts.ts'
import { forgetOperation, listOperation } from './keep.ts'
import { jobColumns, jobOf, type JobRow, updateJobSql } from './rows.ts'
import { submitOperation } from './submit.ts'

/** A description crosses the threads and lies in its table as text: it is written once and read by whoever runs it. */
export type SpecText = string

/** The port's submission with its descriptions as text, beside the two fields that the rows need. */
export type PackedSubmission = Omit<Submission, 'jobs'> & {
  readonly jobs: readonly {
    readonly classId: ClassId
    readonly name: string
    readonly priority: number
    readonly maxAttempts: number
    readonly spec: SpecText
  }[]
}

export type PackedOutcome = Exclude<JobOutcome, { ok: true }> | { ok: true; job: Job; was: JobStateName; spec?: SpecText }

export type JobOperations = {
  submit(submission: PackedSubmission, nowMs: number): SubmitOutcome
  change(events: readonly JobEvent[], nowMs: number): readonly PackedOutcome[]
  jobs(ids: readonly JobId[]): readonly Job[]
  specs(ids: readonly JobId[]): readonly (readonly [JobId, SpecText])[]
  list(query: JobQuery): readonly Job[]
  queues(): readonly QueueCount[]
  next(classId: ClassId, limit: number): readonly WaitingJob[]
  expired(nowMs: number, limit: number): readonly AttemptRef[]
  counts(): readonly JobCount[]
  forget(endedBeforeMs: number, limit: number): readonly JobId[]
}

export function jobOperations(inside: Inside): { operations: JobOperations; reload(): void } {
  const { db, queues } = inside
  const one = db.prepare('select * from jobs where id = ?')
  const update = db.prepare(updateJobSql)
  const specOf = db.prepare('select spec from specs where id = ?')
  const nextWaiting = db.prepare(
    'select id, priority, submitted_ms from jobs where queue_ref = ? and state = 0 order by priority desc, id limit ?',
  )
  const head = db.prepare(
    'select priority, submitted_ms from jobs where queue_ref = ? and state = 0 order by priority desc, id limit 1',
  )
  const tell = factWriter(inside)

  const find = (id: JobId): Job | undefined => {
    const known = inside.tallies.known(id)
    if (known) return known
    const row = one.get(id) as JobRow | undefined
    return row && jobOf(row, queues.byRef(row.queue_ref))
  }

  const requirementsOf = (job: Job) => {
    const refs = queues.byId(job.classId)
    if (!refs) throw new Error(`assertion failed: job ${job.id} names no known task queue`)
    return refs.queue.requirements
  }

  function apply(event: JobEvent, nowMs: number): PackedOutcome {
    const before = find(event.jobId)
    if (!before) return { ok: false, why: 'not-found' }
    if (event.kind === 'claim' && !inside.decisions.mayClaim(inside.liveVms.get(event.vmId))) {
      return { ok: false, why: 'vm-not-active' }
    }
    const decision = inside.decisions.changeJob(before, event, nowMs)
    if (!decision.ok) return decision
    const { next } = decision
    if (next !== before) {
      update.run(...jobColumns(next))
      inside.tallies.moved(before, next, requirementsOf(next))
    }
    if (decision.tell) tell(jobFact(before, next, event), nowMs)
    const outcome: PackedOutcome = { ok: true, job: next, was: before.phase.state }
    if (event.kind === 'claim') outcome.spec = String(specOf.get(event.jobId)?.spec)
    return outcome
  }

  const submitting = submitOperation(inside)
  return {
    operations: {
      submit: submitting.submit,
      forget: forgetOperation(inside),
      change: (events, nowMs) => events.map((event) => apply(event, nowMs)),
      jobs: (ids) => ids.flatMap((id) => find(id) ?? []),
      specs: (ids) =>
        ids.flatMap((id) => {
          const row = specOf.get(id)
          return row ? [[id, String(row.spec)] as const] : []
        }),
      list: listOperation(inside),
      queues: () =>
        inside.tallies.waitingQueues().flatMap((id) => {
          const refs = queues.byId(id as ClassId)
          const first = refs && head.get(refs.ref)
          if (!refs || !first) return []
          const waiting = inside.tallies.waitingBy(id)
          return [{ queue: refs.queue, waiting, topPriority: Number(first.priority), oldestMs: Number(first.submitted_ms) }]
        }),
      next(classId, limit) {
        const refs = queues.byId(classId)
        if (!refs) return []
        return nextWaiting.all(refs.ref, limit).map((row) => ({
          id: Number(row.id) as JobId,
          priority: Number(row.priority),
          submittedMs: Number(row.submitted_ms),
        }))
      },
      expired: (nowMs, limit) => inside.tallies.expired(nowMs, limit),
      counts: () => inside.tallies.counts(),
    },
    reload() {
      submitting.reload()
      const settled = db.prepare(
        'select state, queue_ref, vm_id, count(*) as n from jobs where state not in (2, 3, 4) group by state, queue_ref, vm_id',
      )
      for (const row of settled.iterate()) {
        const state = jobStates[Number(row.state)]
        const queue = queues.byRef(Number(row.queue_ref))
        const vmId = row.vm_id === null ? undefined : (String(row.vm_id) as VmId)
        if (state) inside.tallies.settled({ state, vo: queue.vo, queue: queue.id, vmId }, Number(row.n))
      }
      for (const row of db.prepare('select * from jobs where state in (2, 3, 4)').iterate() as Iterable<JobRow>) {
        const job = jobOf(row, queues.byRef(row.queue_ref))
        inside.tallies.moved(undefined, job, requirementsOf(job))
      }
    },
  }
}
