/** Nouns as messages of the API, where the message needs more than the noun alone: jobs with their places, VMs, task queues. */

import type { Job } from '../../../core/model/job.ts'
import { jobToWire, requirementsToWire } from '../../../proto/codec/messages.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import type * as operate from '../../../proto/gen/pilotage/v1/operate.ts'
import type { JobPorts } from '../../jobs/ports.ts'
import { placesOf } from '../../jobs/places.ts'
import type { WaitingQueue } from '../../jobs/task-queues.ts'
import { waitsForText } from '../../views/task-queue.ts'
import type { VmView } from '../../views/vm.ts'

export async function jobsToWire(ports: Pick<JobPorts, 'store'>, jobs: readonly Job[]): Promise<wire.Job[]> {
  const places = await placesOf(ports, jobs)
  return jobs.map((job) => {
    const vmId = 'lease' in job.phase ? job.phase.lease?.vmId : undefined
    return jobToWire(job, vmId && places.get(vmId))
  })
}

export function vmToWire(vm: VmView): operate.Vm {
  const { id, state, cloud, site, flavor, image, ref, cores, memoryBytes, leases, why, reason, intendedMs, beat } = vm
  return {
    vmId: id,
    state,
    cloud,
    site,
    flavor,
    image,
    ref,
    cores,
    memoryBytes,
    leases,
    reason: why || reason,
    intendedMs,
    activatedMs: vm.activeMs ?? 0,
    endedMs: vm.endedMs ?? 0,
    beatMs: beat?.atMs ?? 0,
    load1: beat?.load1 ?? 0,
    service: vm.service ?? '',
    addresses: [...(vm.addresses ?? [])],
    isolation: beat?.isolation ?? '',
  }
}

export function taskQueueToWire({ queue, waitsFor, ...count }: WaitingQueue): operate.TaskQueue {
  const { id, vo, group, owner, requirements } = queue
  return {
    ...count,
    taskQueue: id,
    vo,
    group,
    owner,
    requirements: requirementsToWire(requirements),
    waitsFor: waitsForText(waitsFor),
  }
}
