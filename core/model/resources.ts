/**
 * What a VM's record has room for: the bound of all leases that the VM may hold at a time.
 *
 * A pilot says what is free on its VM; the record says what the VM is. The store asks here in the transaction of each claim, so
 * that a pilot that says more than it has gets no more than its record has room for.
 */

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

/** What a VM is, for as long as it lives. Comes from the VM's record: what the pilot claims may only narrow it. */
export type Place = {
  readonly vmId?: VmId
  readonly cloud: string
  readonly site: string
  readonly platform: string
  readonly tags: readonly string[]
  /** The VOs that it serves; empty: every one. */
  readonly vos: readonly string[]
}

/** What is free there now, or what the whole VM has. `remainingMs` is until it must end; Infinity where nothing says so. */
export type Room = {
  readonly cores: number
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly remainingMs: number
}
