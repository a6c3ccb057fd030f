/** The operations on jobs as they cross the threads, where descriptions are text: types only. */

import type { QueueCount, WaitingJob, TaskQueue } from '../../../../core/model/task-queue.ts'
import type { JobEvent } from '../../../../core/model/job-event.ts'
import type { EndedAttempt } from '../../../../core/model/apply.ts'
import type { Job, JobStateName } from '../../../../core/model/job.ts'
import type { Dependency } from '../../../../core/model/dependency.ts'
import type { Submission, JobOutcome, SubmitOutcome, QueueSlice, JobCount } from '../../../../core/ports/store.ts'
import type { Needs } from '../../../../core/model/requirements.ts'
import type { ClassId, JobId, AttemptRef } from '../../../../core/kernel/ids.ts'

/** A description crosses the threads and lies in its table as text: it is written once and read by the code that runs it. */
export type SpecText = string

/** A job with its description as text, beside the fields that its row needs. */
export type PackedJob = {
  readonly classId: ClassId
  readonly name: string
  readonly jobGroup: string
  readonly jobType: string
  readonly priority: number
  readonly maxAttempts: number
  readonly maxMachineLosses: number
  readonly needs?: Needs
  readonly after?: readonly Dependency[]
  /** Digests of input files; absent: none. */
  readonly inputs?: readonly string[]
  readonly spec: SpecText
}

export type PackedSubmission = Omit<Submission, 'jobs'> & { readonly jobs: readonly PackedJob[] }

export type PackedOutcome =
  | Exclude<JobOutcome, { ok: true }>
  | { ok: true; job: Job; was: JobStateName; ended?: EndedAttempt; spec?: SpecText }

export type DependencyOperations = {
  dependants(on: JobId, limit: number): readonly JobId[]
  awaitedEnds(endedBeforeMs: number, limit: number): readonly Job[]
}

export type JobOperations = StageOperations &
  DependencyOperations & {
    submit(submission: PackedSubmission, nowMs: number): SubmitOutcome
    change(events: readonly JobEvent[], nowMs: number): readonly PackedOutcome[]
    jobs(ids: readonly JobId[]): readonly Job[]
    specs(ids: readonly JobId[]): readonly (readonly [JobId, SpecText])[]
    queues(of?: QueueSlice): readonly QueueCount[]
    next(classId: ClassId, limit: number): readonly WaitingJob[]
    expired(nowMs: number, limit: number): readonly AttemptRef[]
    leasesBeyond(untilMs: number, limit: number): readonly AttemptRef[]
    counts(): readonly JobCount[]
    forget(endedBeforeMs: number, limit: number): readonly JobId[]
  }

export type SubmissionHead = Pick<Submission, 'owner' | 'idempotency' | 'quota'> & {
  readonly count: number
  readonly queueIds: readonly ClassId[]
}

/** Some of its jobs, from this place in it, and the task queues that are not described yet. */
export type StagedSlice = {
  readonly from: number
  readonly jobs: readonly PackedJob[]
  readonly queues: readonly TaskQueue[]
}

export type StageOperations = {
  /**
   * Reserves ids. `ticket`: the caller's own number for it. The outcome, where it is known already: then nothing is staged.
   */
  stageBegin(ticket: number, head: SubmissionHead): SubmitOutcome | undefined
  /** Without effect where nothing is staged under the ticket. */
  stage(ticket: number, slice: StagedSlice): void
  /** All of it becomes jobs, or nothing is left of it. */
  stageEnd(ticket: number, nowMs: number): SubmitOutcome
  /** Nothing is left of it. */
  stageDrop(ticket: number): void
}
