/** One job: its record and specification, its history, and why it waits or runs where it does. */

import type { Caller } from '../../core/access/caller.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { Job, JobSpec } from '../../core/model/job.ts'
import type { FactStore, JobStore } from '../../core/ports/store.ts'
import { explainJob, type ExplainPorts } from './explain.ts'
import type { Explained } from './explanation.ts'
import { jobById } from './list-jobs.ts'

export type JobReadPorts = ExplainPorts & { readonly store: Pick<FactStore, 'history'> }

const maxHistory = 1000

export type JobReading = {
  readonly job: Job
  readonly spec: JobSpec | undefined
  readonly facts: readonly Fact[]
  readonly explained: Explained
}

/** Throws `not-found`. */
export async function readJob(ports: JobReadPorts, caller: Caller, id: JobId): Promise<JobReading> {
  const job = await jobById(ports, caller, id)
  const [specs, facts, explained] = await Promise.all([
    ports.store.specs([job.id]),
    ports.store.history(`job:${job.id}`, maxHistory),
    explainJob(ports, job),
  ])
  return { job, spec: specs.get(job.id), facts, explained }
}

/** Throws `not-found`. The submission itself stands in the job's record. */
export async function jobHistory(
  ports: { readonly store: Pick<JobStore, 'jobs'> & Pick<FactStore, 'history'> },
  caller: Caller,
  id: JobId,
): Promise<{ readonly job: Job; readonly facts: readonly Fact[] }> {
  const job = await jobById(ports, caller, id)
  return { job, facts: await ports.store.history(`job:${job.id}`, maxHistory) }
}
