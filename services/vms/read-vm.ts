/**
 * One VM: its record, its history, and the jobs on it that the caller sees. A VM that the caller does not see is as unknown
 * as one that does not exist, because the end of its console stands in its history.
 */

import { type Caller, sees, seesVm, visibleVo } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../core/kernel/ids.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { Job } from '../../core/model/job.ts'
import { isOver, type KeptVm } from '../../core/model/vm.ts'
import type { FactStore, VmStore } from '../../core/ports/store.ts'

const maxHistory = 1000

export type VmReading = {
  readonly kept: KeptVm
  readonly facts: readonly Fact[]
  /** The jobs on it that the caller sees, and how many there are besides. */
  readonly jobs: readonly Job[]
  readonly hiddenJobs: number
}

export type VmReadPorts = {
  readonly store: Pick<VmStore, 'vm' | 'leasesOn'> & Pick<FactStore, 'history'>
}

/** Throws `not-found`. */
export async function readVm({ store }: VmReadPorts, caller: Caller, id: string): Promise<VmReading> {
  const kept = isVmId(id) ? await store.vm(id) : undefined
  if (!kept || !seesVm(caller, kept.vm)) throw new PilotageError('not-found', `no VM ${shown(id)}`)
  const { vm } = kept
  const [facts, leased] = await Promise.all([
    store.history(`vm:${vm.id}`, maxHistory),
    isOver(vm.phase) ? [] : store.leasesOn(vm.id),
  ])
  const jobs = leased.filter((job) => sees(caller, job))
  return { kept, facts, jobs, hiddenJobs: leased.length - jobs.length }
}

/** Also of a VM whose record is forgotten, for a caller who sees every VM. Throws `not-found`. */
export async function vmHistory(
  { store }: { readonly store: Pick<VmStore, 'vm'> & Pick<FactStore, 'history'> },
  caller: Caller,
  vmId: VmId,
): Promise<readonly Fact[]> {
  const isSeen = visibleVo(caller) === undefined || seesVm(caller, (await store.vm(vmId))?.vm ?? nobodys)
  if (!isSeen) throw new PilotageError('not-found', `no VM ${vmId}`)
  return store.history(`vm:${vmId}`, maxHistory)
}

/** No VO has this name. */
const nobodys = { vos: [''] }
