/** Jobs as the API shows them: each with the place where it runs, or ran last. */

import type { VmId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { jobToWire } from '../../../proto/codec/messages.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import type { JobPorts } from '../../jobs/ports.ts'

export async function jobsToWire(queue: JobPorts, jobs: readonly Job[]): Promise<wire.Job[]> {
  const vmIds = [...new Set(jobs.flatMap(({ phase }) => ('lease' in phase && phase.lease ? phase.lease.vmId : [])))]
  const vms = new Map<VmId, { site: string; cloud: string }>()
  for (const kept of await Promise.all(vmIds.map((id) => queue.store.vm(id)))) if (kept) vms.set(kept.vm.id, kept.vm)
  return jobs.map((job) => {
    const vmId = 'lease' in job.phase ? job.phase.lease?.vmId : undefined
    return jobToWire(job, vmId && vms.get(vmId))
  })
}
