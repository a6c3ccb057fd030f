/**
 * A job as it comes into a store, and which jobs of a submission are awaited: the same in every store.
 *
 * Decides nothing about what a store keeps beside it. Dependencies within a submission are counted from its first job.
 */

import type { ClassId, JobId } from '../kernel/ids.ts'
import { openDependencies } from './dependency.ts'
import { firstPhase, type Job, type JobSpec } from './job.ts'
import type { Owner } from './owner.ts'
import type { Needs } from './requirements.ts'

/** What a store takes of a description into the job itself. */
export type SubmittedFields = Pick<
  JobSpec,
  'name' | 'jobGroup' | 'jobType' | 'priority' | 'maxAttempts' | 'maxMachineLosses' | 'after'
> & { readonly classId: ClassId; readonly needs?: Needs | undefined }

/** `isAwaited`: another job of the same submission waits for it. */
export function submittedJob(
  { vo, group, owner, id }: Owner & Pick<Job, 'id'>,
  { classId, name, jobGroup, jobType, priority, maxAttempts, maxMachineLosses, needs, after }: SubmittedFields,
  isAwaited: boolean,
  nowMs: number,
): Job {
  return {
    vo,
    group,
    owner,
    id,
    classId,
    name,
    jobGroup,
    jobType,
    priority,
    maxAttempts,
    machineLosses: 0,
    maxMachineLosses,
    submittedMs: nowMs,
    changedMs: nowMs,
    attempt: 0,
    phase: firstPhase(openDependencies(after, id)),
    ...(needs === undefined ? {} : { needs }),
    ...(isAwaited ? { awaited: 1 } : {}),
  }
}

/** The jobs that these wait for, each once. */
export function awaitedBy(jobs: readonly Pick<JobSpec, 'after'>[], firstId: number): ReadonlySet<JobId> {
  const awaited = new Set<JobId>()
  for (const [at, { after }] of jobs.entries()) {
    for (const { job } of openDependencies(after, (firstId + at) as JobId)) awaited.add(job)
  }
  return awaited
}
