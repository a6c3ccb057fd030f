/**
 * Taking jobs in: all of a submission or none, with consecutive ids, and the same answer for the same key.
 *
 * A large one is staged first (staging.ts), so that no transaction of it keeps the others waiting for long.
 *
 * One fact a submission, not one a job: each job's own history begins with its row.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { ClassId, JobId } from '../../../../core/kernel/ids.ts'
import { type Job, openOf } from '../../../../core/model/job.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import { awaitedBy, submittedJob } from '../../../../core/model/submitted-job.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import type { SubmitOutcome } from '../../../../core/ports/store.ts'
import { type QuotaRefusal, quotaRefusal } from '../../../../core/model/quota.ts'
import { newFact } from '../../../../core/model/fact-shapes.ts'
import { submissionKey } from '../../../../core/model/submission-key.ts'
import { dependantTable } from './dependants.ts'
import type { Inside } from './inside.ts'
import { factWriter } from './facts.ts'
import type { JobOperations, PackedJob, StageOperations, SubmissionHead } from './job-operations.ts'
import type { QueueRefs } from './queues.ts'
import { needsText, packOpen, stateCode } from './rows.ts'
import { inputWriter } from './sandbox.ts'
import { lastStagedIn, openStaging, type Staged, type Staging } from './staging.ts'

export type SubmitOperations = {
  readonly operations: Pick<JobOperations, 'submit'> & StageOperations
  committed(): void
  reload(): void
}

export function submitOperations(inside: Inside, change: JobOperations['change']): SubmitOperations {
  const { db } = inside
  const keys = keyTable(db)
  const insertSpec = db.prepare('insert into specs (id, spec) values (?, ?)')
  const insertJobs = jobWriter(inside, change)
  const nameInputs = inputWriter(db)
  const staging = openStaging(db)
  const emit = factWriter(inside)
  let lastId = 0

  /** The outcome, where it is known before anything is written. */
  function known(head: SubmissionHead): SubmitOutcome | undefined {
    const first = keys.answer(head)
    if (first) return first
    const refusal = refused(inside, head)
    return refusal && { ok: false, why: 'quota', refusal }
  }

  function taken(head: SubmissionHead, firstId: JobId, nowMs: number): SubmitOutcome {
    const { count } = head
    const { vo, group, owner } = head.owner
    keys.keep(head, firstId, nowMs)
    emit(newFact('submission', `submission:${firstId}`, 'Submitted', { vo, group, owner, firstId, count }), nowMs)
    return { ok: true, firstId, count, repeated: false }
  }

  const reserve = (count: number): JobId => {
    lastId += count
    return (lastId - count + 1) as JobId
  }

  return {
    operations: {
      submit({ jobs, queues, ...rest }, nowMs) {
        const head = { ...rest, count: jobs.length, queueIds: queues.map(({ id }) => id) }
        const outcome = known(head)
        if (outcome) return outcome
        const firstId = reserve(jobs.length)
        for (const [at, { spec }] of jobs.entries()) insertSpec.run(firstId + at, spec)
        nameInputs(head.owner, firstId, jobs)
        insertJobs(head.owner, firstId, jobs, queues, nowMs)
        return taken(head, firstId, nowMs)
      },
      stageBegin(ticket, head) {
        const outcome = known(head)
        if (!outcome) staging.begin(ticket, head, reserve(head.count))
        return outcome
      },
      stage: staging.add,
      stageEnd(ticket, nowMs) {
        const { head, firstId, jobs, queues } = wholeIn(staging, ticket)
        // Others were taken in since it began.
        const outcome = known(head)
        if (outcome) {
          staging.drop(ticket)
          return outcome
        }
        insertJobs(head.owner, firstId, jobs, queues.values(), nowMs, true)
        staging.done(ticket)
        return taken(head, firstId, nowMs)
      },
      stageDrop: staging.drop,
    },
    committed: staging.committed,
    reload() {
      staging.reload()
      lastId = Math.max(lastJobIn(db), lastStagedIn(db))
    },
  }
}

function wholeIn(staging: Staging, ticket: number): Staged {
  const staged = staging.get(ticket)
  if (staged?.jobs.length === staged?.head.count && staged) return staged
  throw new Error(`assertion failed: submission ${ticket} is staged whole`)
}

/** The answers that idempotency keys stand for. */
function keyTable(db: DatabaseSync) {
  const known = db.prepare('select digest, first_id, count from submissions where key = ?')
  const keep = db.prepare('insert into submissions (key, digest, first_id, count, at_ms) values (?, ?, ?, ?, ?)')
  return {
    answer({ owner, idempotency }: SubmissionHead): SubmitOutcome | undefined {
      const first = idempotency && known.get(submissionKey(owner, idempotency))
      if (!first) return undefined
      if (first.digest !== idempotency.digest) return { ok: false, why: 'key-conflict' }
      return { ok: true, firstId: Number(first.first_id) as JobId, count: Number(first.count), repeated: true }
    },
    keep({ owner, idempotency, count }: SubmissionHead, firstId: JobId, nowMs: number): void {
      if (idempotency) keep.run(submissionKey(owner, idempotency), idempotency.digest, firstId, count, nowMs)
    },
  }
}

type JobWriter = (
  owner: Owner,
  firstId: JobId,
  jobs: readonly Omit<PackedJob, 'spec'>[],
  named: Iterable<TaskQueue>,
  nowMs: number,
  /** What they wait for among themselves is there already. */
  areStaged?: boolean,
) => void

function jobWriter(inside: Inside, change: JobOperations['change']): JobWriter {
  const { db, queues } = inside
  const dependants = dependantTable(inside)
  const insertJob = db.prepare(
    `insert into jobs (id, queue_ref, owner_ref, name, priority, submitted_ms, changed_ms, max_attempts,
       max_machine_losses, needs, job_group, job_type, attempt, state, open, awaited)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
  )
  function insert(job: Job, { ref, ownerRef }: QueueRefs): void {
    const { id, name, priority, submittedMs, needs, jobGroup, jobType, phase, awaited = 0 } = job
    const most = [job.maxAttempts, job.maxMachineLosses]
    const rest = [needsText(needs), jobGroup, jobType, stateCode[phase.state], packOpen(openOf(phase)), awaited]
    insertJob.run(id, ref, ownerRef, name, priority, submittedMs, submittedMs, ...most, ...rest)
  }

  return (owner, firstId, jobs, named, nowMs, areStaged = false) => {
    const refsOf = new Map<ClassId, QueueRefs>()
    for (const queue of named) refsOf.set(queue.id, queues.keep(queue))
    const counts = new Map<number, number>()
    const awaited = awaitedBy(jobs, firstId)
    const came = jobs.map((packed, at): Job => {
      const refs = refsOf.get(packed.classId)
      if (!refs)
        throw new Error(`assertion failed: a submission names task queue ${packed.classId} and does not describe it`)
      const id = (firstId + at) as JobId
      const job = submittedJob({ ...owner, id }, packed, awaited.has(id), nowMs)
      insert(job, refs)
      counts.set(refs.ref, (counts.get(refs.ref) ?? 0) + 1)
      return job
    })
    for (const [ref, count] of counts) queues.named(ref, count)
    inside.tallies.came(came)
    for (const job of came) inside.columns.changed(job)
    if (awaited.size === 0) return
    const isOwn = (id: JobId): boolean => id >= firstId && id < firstId + jobs.length
    for (const job of came) dependants.came(job, (on) => areStaged && isOwn(on))
    awaitOthers(
      [...awaited].filter((id) => !isOwn(id)),
      nowMs,
    )
  }

  /** Jobs that were there before: each is awaited once more. One that is not there will never end. */
  function awaitOthers(others: readonly JobId[], nowMs: number): void {
    const outcomes = change(
      others.map((jobId) => ({ kind: 'await', jobId })),
      nowMs,
    )
    for (const on of others.filter((_, at) => !outcomes[at]?.ok)) {
      const waiting = dependants.of(on)
      change(
        waiting.map((jobId) => ({ kind: 'dependency-ended', jobId, on, end: 'gone' })),
        nowMs,
      )
    }
  }
}

function refused({ tallies }: Inside, { owner, quota, count, queueIds }: SubmissionHead): QuotaRefusal | undefined {
  if (!quota) return undefined
  const { open } = tallies
  const more = { jobs: count, taskQueues: queueIds.filter((id) => !open.has(id)).length }
  return (
    quotaRefusal('owner', quota.owner, open.useOf(owner), more) ?? quotaRefusal('vo', quota.vo, open.useOfVo(owner.vo), more)
  )
}

/** The highest id ever given: it may belong to a forgotten job, and is never given again. */
export function lastJobIn(db: DatabaseSync): number {
  const kept = db.prepare("select value from ids where name = 'job'").get()
  const found = db.prepare('select max(id) as id from jobs').get()
  return Math.max(Number(kept?.value ?? 0), Number(found?.id ?? 0))
}
