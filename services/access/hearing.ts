/**
 * Which facts a viewer may hear. What belongs to a job or a VM is as visible as the job or the VM; what a plan says of a
 * cloud is the demand of every VO, so users do not hear it; a fact of an unknown kind of subject is for operators alone.
 *
 * Remembers to which VOs jobs and VMs belong, in bounded memory.
 */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import { isJobId, isVmId, type JobId, type VmId } from '../../core/kernel/ids.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { concerns, type Vm } from '../../core/model/vm.ts'
import type { JobStore, VmStore } from '../../core/ports/store.ts'

/** Jobs whose VO is remembered: some hours of a busy service, at less than a hundred bytes each. */
const maxRemembered = 20_000

/** Sorts out facts that a viewer may hear. What belongs to a job is as visible as the job; an unknown kind is not. */
export type Hearing = { readonly heard: (viewer: Caller, facts: readonly Fact[]) => Promise<readonly Fact[]> }

export function hearing(store: Pick<JobStore, 'jobs'> & Pick<VmStore, 'vm'>): Hearing {
  /** A job's VO never changes, and neither do those of a VM. */
  const vos = new Map<JobId, string>()
  const vms = new Map<VmId, Pick<Vm, 'vos'> | undefined>()

  async function learn(facts: readonly Fact[]): Promise<void> {
    await learnVms(facts)
    const unknown = new Set<JobId>()
    for (const { subject } of facts) {
      const id = jobIdOf(subject)
      if (id !== undefined && !vos.has(id)) unknown.add(id)
    }
    if (unknown.size === 0) return
    for (const { id, vo } of await store.jobs([...unknown])) vos.set(id, vo)
    for (const id of vos.keys()) {
      if (vos.size <= maxRemembered) break
      vos.delete(id)
    }
  }

  async function learnVms(facts: readonly Fact[]): Promise<void> {
    const unknown = new Set(facts.flatMap(({ subject }) => vmIdOf(subject) ?? []).filter((id) => !vms.has(id)))
    await Promise.all([...unknown].map(async (id) => vms.set(id, (await store.vm(id))?.vm)))
    for (const id of vms.keys()) {
      if (vms.size <= maxRemembered) break
      vms.delete(id)
    }
  }

  return {
    async heard(viewer, facts) {
      const vo = visibleVo(viewer)
      if (vo === undefined) return facts
      await learn(facts)
      return facts.filter(({ subject, kind, data }) => {
        const id = jobIdOf(subject)
        if (id !== undefined) return vos.get(id) === vo
        if (subject.startsWith('submission:') || subject.startsWith('share:')) return data.vo === vo
        const vm = vmIdOf(subject)
        if (vm !== undefined) return isVmSeen(vms.get(vm), vo)
        // What a plan says of a cloud is the demand of every VO.
        if (subject.startsWith('cloud:')) return !kind.startsWith('plan')
        return subject.startsWith('image:')
      })
    },
  }
}

/** One that is forgotten is for operators alone. */
function isVmSeen(vm: Pick<Vm, 'vos'> | undefined, vo: string): boolean {
  return vm !== undefined && concerns(vm, vo)
}

function vmIdOf(subject: string): VmId | undefined {
  const id = subject.startsWith('vm:') ? subject.slice('vm:'.length) : ''
  return isVmId(id) ? id : undefined
}

function jobIdOf(subject: string): JobId | undefined {
  if (!subject.startsWith('job:')) return undefined
  const id = Number(subject.slice('job:'.length))
  return isJobId(id) ? id : undefined
}
