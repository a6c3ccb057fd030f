/** What a VM may touch of a sandbox: that of attempts whose live lease it has, and of no others. */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import { attemptText } from '../../core/model/facts.ts'
import { type Job, leaseOf } from '../../core/model/job.ts'
import type { JobStore } from '../../core/ports/store.ts'

/** Throws `forbidden`, also for a job that does not exist. */
export async function heldJob(store: Pick<JobStore, 'jobs'>, vmId: VmId, attempt: AttemptRef): Promise<Job> {
  const [job] = await store.jobs([attempt.jobId])
  if (job && job.attempt === attempt.attempt && leaseOf(job.phase)?.vmId === vmId) return job
  throw new PilotageError('forbidden', `attempt ${attemptText(attempt)} is not held by ${vmId}`)
}
