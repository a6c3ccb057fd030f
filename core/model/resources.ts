/**
 * What a VM's record has room for: the bound of all leases that the VM may hold at a time.
 *
 * A pilot says what is free on its VM; the record says what the VM is. The store asks here in the transaction of each claim, so
 * that a pilot that says more than it has gets no more than its record has room for.
 */

import type { NewFact } from './facts.ts'
import type { VmId } from '../kernel/ids.ts'
import type { VmShape } from './vm.ts'

/** Cores, memory and disk: of a VM, or of leases on it. */
export type Load = { readonly cores: number; readonly memoryBytes: number; readonly diskBytes: number }

export const noLoad: Load = { cores: 0, memoryBytes: 0, diskBytes: 0 }

export function plus(a: Load, b: Load): Load {
  return {
    cores: a.cores + b.cores,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    diskBytes: a.diskBytes + b.diskBytes,
  }
}

export function minus(a: Load, b: Load): Load {
  return {
    cores: a.cores - b.cores,
    memoryBytes: a.memoryBytes - b.memoryBytes,
    diskBytes: a.diskBytes - b.diskBytes,
  }
}

/** Whether the record has room for all of it. */
export function isWithin(vm: Pick<VmShape, keyof Load>, load: Load): boolean {
  return load.cores <= vm.cores && load.memoryBytes <= vm.memoryBytes && load.diskBytes <= vm.diskBytes
}

/** The alarm of a refused claim. The pilot's offers promise more than its record has, or count leases that it holds as free. */
export function overclaimFact(vmId: VmId, vm: Pick<VmShape, keyof Load>, held: Load, wanted: Load): NewFact {
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
  return { subject: `vm:${vmId}`, kind: 'claim refused', data }
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
