/** Status: live counts, kept by the store with every change, never counted on request. */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import type { VmStateName } from '../../core/model/vm.ts'
import type { JobCount, JobStore, VmStore } from '../../core/ports/store.ts'

export type StatusPorts = { readonly store: Pick<JobStore, 'counts'> & Pick<VmStore, 'liveVms'> }

export type VmCount = {
  readonly state: VmStateName
  readonly cloud: string
  readonly site: string
  readonly count: number
}

export type Status = {
  readonly jobs: readonly JobCount[]
  /** By state, cloud and site. */
  readonly vms: readonly VmCount[]
}

/** Of every VO: what a caller sees of it is `statusFor`. */
export async function status({ store }: StatusPorts): Promise<Status> {
  const [jobs, live] = await Promise.all([store.counts(), store.liveVms()])
  const vms = new Map<string, VmCount>()
  for (const { vm } of live) {
    const key = `${vm.phase.state} ${vm.cloud}`
    const count = vms.get(key) ?? { state: vm.phase.state, cloud: vm.cloud, site: vm.site, count: 0 }
    vms.set(key, { ...count, count: count.count + 1 })
  }
  return { jobs, vms: [...vms.values()] }
}

export function statusFor(caller: Caller, { jobs, vms }: Status): Status {
  const vo = visibleVo(caller)
  return { jobs: vo === undefined ? jobs : jobs.filter((count) => count.vo === vo), vms }
}
