/**
 * What a submission says of dependencies, checked against the jobs that are there: each job that is named by its id must be
 * one of the owner's VO, which every member may read. Whether it has ended, and how, is no reason to refuse: the same
 * submission would be taken a moment earlier, and a repeat of it gets the first answer.
 */

import { shown, type Violation } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { otherJobsPerCall } from '../../core/kernel/limits.ts'
import { resolveDependencies } from '../../core/language/dependency-graph.ts'
import type { Refuse } from '../../core/language/field-types.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Owner } from '../../core/model/owner.ts'
import type { JobStore } from '../../core/ports/store.ts'

const idsPerRead = 1000

/** What one refusal names of jobs that are not there. */
const maxUnknown = 100

/** With names and positions resolved; what is wrong goes to `violations`. */
export function resolved(specs: readonly JobSpec[], violations: Violation[]): readonly JobSpec[] {
  const refuse: Refuse = (path, value, rule, accepted) => void violations.push({ path, value: shown(value), rule, accepted })
  return resolveDependencies(specs, (at) => `jobs[${at}].after`, refuse)
}

/** The jobs beside the submission that it waits for, each once. */
export function othersAwaited(specs: readonly JobSpec[]): readonly JobId[] {
  const ids = new Set<JobId>()
  for (const { after = [] } of specs) for (const one of after) if ('job' in one) ids.add(one.job)
  return [...ids]
}

/** Those that the owner may not name: unknown, or of another VO. */
export async function refuseUnknown(
  { store }: { readonly store: Pick<JobStore, 'jobs'> },
  { vo }: Owner,
  specs: readonly JobSpec[],
  violations: Violation[],
): Promise<void> {
  const ids = othersAwaited(specs)
  if (ids.length > otherJobsPerCall) {
    const accepted = `at most ${otherJobsPerCall} different ids in all jobs of a submission`
    violations.push({ path: 'jobs', value: `${ids.length} ids in after`, rule: 'too many', accepted })
    return
  }
  const known = new Set<JobId>()
  for (let at = 0; at < ids.length; at += idsPerRead) {
    const jobs = await store.jobs(ids.slice(at, at + idsPerRead))
    for (const job of jobs) if (job.vo === vo) known.add(job.id)
  }
  if (known.size === ids.length) return
  for (const [index, { after = [] }] of specs.entries()) {
    for (const [place, one] of after.entries()) {
      if (!('job' in one) || known.has(one.job) || violations.length >= maxUnknown) continue
      const path = `jobs[${index}].after[${place}]`
      violations.push({
        path,
        value: shown(one.job),
        rule: 'no such job',
        accepted: `a job of VO ${shown(vo)} that is stored`,
      })
    }
  }
}
