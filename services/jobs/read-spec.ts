/** What was submitted, read back by those who may read what it printed. */

import type { Caller } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { jobById } from './list-jobs.ts'

export type SpecPorts = { readonly store: Pick<JobStore, 'jobs' | 'specs'> }

/** With the defaults filled in. Throws `not-found`, and `forbidden` for the job of another member of the VO. */
export async function readSpec(ports: SpecPorts, caller: Caller, id: JobId): Promise<JobSpec> {
  const job = await jobById(ports, caller, id, 'its specification')
  const spec = (await ports.store.specs([job.id])).get(job.id)
  if (!spec) throw new PilotageError('not-found', `job ${id} has no specification: it is not kept any more`)
  return spec
}
