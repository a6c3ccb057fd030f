/**
 * Dependencies: a job waits for the ends of other jobs. Decides when a dependency is met and when it never can be, and
 * counts what is still open; the jobs themselves, and where their dependencies lie, are for others.
 *
 * A job that waits keeps its open dependencies in its own record (`Blocked` and `Held` of job.ts), so that each is settled
 * once, in the write that changes the job. A job that others wait for counts how often one began to (`awaited`): an ended
 * job with that count still has dependants that do not know of its end.
 */

import type { JobId } from '../kernel/ids.ts'

/** ok: it is Done. ended: it is Done, Failed or Killed. failed: it is Failed or Killed. */
export const dependencyConditions = ['ok', 'ended', 'failed'] as const
export type DependencyCondition = (typeof dependencyConditions)[number]

/**
 * Which job. As users name it: by id, by its place in the submission from 0, or by its name in the submission, which may
 * stand for several. As it is stored: by id, or by the distance of its id from the id of the job that waits.
 */
export type DependencyTarget =
  | { readonly job: JobId }
  | { readonly index: number }
  | { readonly name: string }
  | { readonly offset: number }

export type Dependency = DependencyTarget & { readonly when: DependencyCondition }

/** One that is not settled yet. */
export type OpenDependency = { readonly job: JobId; readonly when: DependencyCondition }

/** gone: it is not stored any more, so that its end is not known. */
export type DependencyEnd = 'Done' | 'Failed' | 'Killed' | 'gone'

export function isMetBy(when: DependencyCondition, end: DependencyEnd): boolean {
  switch (when) {
    case 'ok':
      return end === 'Done'
    case 'ended':
      return end !== 'gone'
    case 'failed':
      return end === 'Failed' || end === 'Killed'
  }
}

export function endText(job: JobId, end: DependencyEnd): string {
  return end === 'gone' ? `job ${job} is not stored any more` : `job ${job} is ${end}`
}

/** Of the stored description of a job with this id. */
export function openDependencies(after: readonly Dependency[] | undefined, id: JobId): readonly OpenDependency[] {
  return (after ?? []).map((one) => ({ job: targetOf(one, id), when: one.when }))
}

function targetOf(target: DependencyTarget, id: JobId): JobId {
  if ('job' in target) return target.job
  if ('offset' in target) return (id + target.offset) as JobId
  throw new Error(`assertion failed: job ${id} is stored with a dependency that names no job`)
}

/** As a caller reads it: every dependency by id. */
export function withJobIds<Spec extends { readonly after?: readonly Dependency[] }>(spec: Spec, id: JobId): Spec {
  return spec.after === undefined ? spec : { ...spec, after: openDependencies(spec.after, id) }
}
