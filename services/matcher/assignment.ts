/** What a pilot is sent of a job that it was granted, and what its stream keeps of what the pilot found. */

import { jobLimits } from '../../core/kernel/limits.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { wallLimitMs } from '../../core/language/grant.ts'
import type { Assignment } from '../../core/model/pilot.ts'
import type { FoundTraits } from '../../core/model/traits.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { Matching } from './matching.ts'

type Unlimited = Omit<Assignment, 'wallMs'>

/** With the limit of its wall time where that follows from its CPU work and the power of the VM. */
export function limited(assignment: Unlimited, power: number | undefined): Assignment {
  const { spec, cores } = assignment
  if (spec.requirements.cpuWorkMs === undefined) return assignment
  return { ...assignment, wallMs: Math.min(wallLimitMs(cores, power, spec.requirements), jobLimits.wallMs) }
}

/** For plans, explanations and operators. The next hello says it again where the store cannot take it now. */
export function noteFound({ store, clock, log }: Matching, vmId: VmId, vm: Vm, found: FoundTraits): void {
  const known = vm.found ?? (vm.traits ? undefined : {})
  if (JSON.stringify(known) === JSON.stringify(found)) return
  store
    .changeVms([{ kind: 'found', vmId, found }], clock.nowMs())
    .catch((error: unknown) => log.warn({ err: error, vmId }, 'what a pilot found is not stored'))
}
