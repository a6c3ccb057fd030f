/**
 * Taking jobs in: all of a submission or none, with consecutive ids, and the same answer for the same key.
 *
 * One fact a submission, not one a job: each job's own history begins with its row.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { Job } from '../../../../core/model/job.ts'
import type { SubmitOutcome } from '../../../../core/ports/store.ts'
import { type QuotaRefusal, quotaRefusal } from '../../../../core/model/quota.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import { submissionKey } from '../../../../core/model/submission-key.ts'
import type { Inside } from './engine.ts'
import { factWriter } from './facts.ts'
import type { JobOperations, PackedSubmission } from './jobs.ts'
import { needsText } from './rows.ts'

export function submitOperation(inside: Inside): Pick<JobOperations, 'submit'> & { reload(): void } {
  const { db, queues } = inside
  const known = db.prepare('select digest, first_id, count from submissions where key = ?')
  const keepKey = db.prepare('insert into submissions (key, digest, first_id, count, at_ms) values (?, ?, ?, ?, ?)')
  const insertJob = db.prepare(
    `insert into jobs (id, queue_ref, owner_ref, name, priority, submitted_ms, changed_ms, max_attempts, needs, attempt, state)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)`,
  )
  const insertSpec = db.prepare('insert into specs (id, spec) values (?, ?)')
  const tell = factWriter(inside)
  let lastId = 0

  function insert(submission: PackedSubmission, nowMs: number): JobId {
    for (const queue of submission.queues) queues.keep(queue)
    const firstId = (lastId + 1) as JobId
    for (const [classId, jobs] of Map.groupBy(submission.jobs, (job) => job.classId)) {
      const refs = queues.byId(classId)
      if (refs) queues.named(refs.ref, jobs.length)
    }
    for (const { classId, name, priority, maxAttempts, needs, spec } of submission.jobs) {
      const refs = queues.byId(classId)
      if (!refs) throw new Error(`assertion failed: a submission names task queue ${classId} and does not describe it`)
      lastId += 1
      insertJob.run(lastId, refs.ref, refs.ownerRef, name, priority, nowMs, nowMs, maxAttempts, needsText(needs))
      insertSpec.run(lastId, spec)
      const job: Job = {
        ...submission.owner,
        id: lastId as JobId,
        classId,
        name,
        priority,
        maxAttempts,
        submittedMs: nowMs,
        changedMs: nowMs,
        attempt: 0,
        phase: { state: 'Waiting' },
        ...(needs === undefined ? {} : { needs }),
      }
      inside.tallies.moved(undefined, job, exactly(refs.queue.requirements, needs))
    }
    return firstId
  }

  return {
    submit(submission, nowMs): SubmitOutcome {
      const { vo, group, owner } = submission.owner
      const { idempotency } = submission
      const key = idempotency && submissionKey(submission.owner, idempotency)
      const first = key === undefined ? undefined : known.get(key)
      if (first) {
        if (first.digest !== idempotency?.digest) return { ok: false, why: 'key-conflict' }
        return { ok: true, firstId: Number(first.first_id) as JobId, count: Number(first.count), repeated: true }
      }
      const refusal = refused(inside, submission)
      if (refusal) return { ok: false, why: 'quota', refusal }
      const count = submission.jobs.length
      const firstId = insert(submission, nowMs)
      if (key !== undefined && idempotency) keepKey.run(key, idempotency.digest, firstId, count, nowMs)
      tell({ subject: `submission:${firstId}`, kind: 'Submitted', data: { vo, group, owner, firstId, count } }, nowMs)
      return { ok: true, firstId, count, repeated: false }
    },
    reload() {
      lastId = lastJobIn(db)
    },
  }
}

function refused({ tallies }: Inside, { owner, quota, jobs, queues: named }: PackedSubmission): QuotaRefusal | undefined {
  if (!quota) return undefined
  const { open } = tallies
  const more = { jobs: jobs.length, taskQueues: named.filter(({ id }) => !open.has(id)).length }
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
