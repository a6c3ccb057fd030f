/** A claim that exceeds the record of its VM: the fact that reports it, at most one per VM and minute. */

import { newFact, type NewFact } from './fact-shapes.ts'
import type { Resources } from './resources.ts'
import type { VmId } from '../kernel/ids.ts'

/**
 * The alarm of a refused claim. The pilot's offers promise more than its record has, or count leases that it holds as free.
 */
export function overclaimFact(vmId: VmId, vm: Resources, held: Resources, wanted: Resources): NewFact {
  const data = {
    why: 'the claim exceeds the record of the VM',
    cores: vm.cores,
    heldCores: held.cores,
    wantedCores: wanted.cores,
    memoryBytes: vm.memoryBytes,
    heldMemoryBytes: held.memoryBytes,
    wantedMemoryBytes: wanted.memoryBytes,
    diskBytes: vm.diskBytes,
    heldDiskBytes: held.diskBytes,
    wantedDiskBytes: wanted.diskBytes,
  }
  return newFact('claim', `vm:${vmId}`, 'claim refused', data)
}

/** One alarm per VM in this time: its pilot may claim without end. */
export type Alarms = { isDue(vmId: VmId, nowMs: number): boolean }

const alarmEveryMs = 60_000

const rememberedVms = 1000

export function openAlarms(): Alarms {
  const last = new Map<VmId, number>()
  return {
    isDue(vmId, nowMs) {
      const lastMs = last.get(vmId)
      if (lastMs !== undefined && nowMs >= lastMs && nowMs - lastMs < alarmEveryMs) return false
      last.delete(vmId)
      last.set(vmId, nowMs)
      const [oldest] = last.keys()
      if (last.size > rememberedVms && oldest !== undefined) last.delete(oldest)
      return true
    },
  }
}
