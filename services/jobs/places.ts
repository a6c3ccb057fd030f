/** Where jobs run, or ran last: the site and cloud of the VM that has or had the lease. */

import type { VmId } from '../../core/kernel/ids.ts'
import type { Job } from '../../core/model/job.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { VmStore } from '../../core/ports/store.ts'

export type Place = Pick<Vm, 'site' | 'cloud'>
/** By VM. */
export type Places = ReadonlyMap<VmId, Place>

export type PlacePorts = { readonly store: Pick<VmStore, 'vm'> }

/** A VM whose record is forgotten is left out. */
export async function placesOf({ store }: PlacePorts, jobs: readonly Job[]): Promise<Places> {
  const vmIds = [...new Set(jobs.flatMap(({ phase }) => ('lease' in phase && phase.lease ? phase.lease.vmId : [])))]
  const kept = await Promise.all(vmIds.map((id) => store.vm(id)))
  return new Map(kept.flatMap((one) => (one ? [[one.vm.id, one.vm] as const] : [])))
}
