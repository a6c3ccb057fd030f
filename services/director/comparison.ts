/** What is compared: a cloud's own list with the records of its VMs, and what was known of it before. */

import type { DirectorPolicy } from './options.ts'
import type { CloudMemory } from './memory.ts'
import type { KeptVm, Vm } from '../../core/model/vm.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { CloudVm, Offering } from '../../core/model/cloud.ts'

export type Comparison = {
  readonly cloud: string
  readonly list: readonly CloudVm[]
  readonly listBeganMs: number
  /** Every live record of the installation. */
  readonly live: ReadonlyMap<VmId, KeptVm>
  /** The ended records of what is listed. */
  readonly ended: ReadonlyMap<VmId, Vm>
  readonly memory: Readonly<
    Pick<CloudMemory, 'implausible' | 'missing' | 'strangers' | 'strayMachines' | 'shown' | 'orders' | 'asked' | 'gone'>
  >
  readonly offerings: readonly Offering[]
  readonly bootMs: number
  readonly watchedSinceMs: number
  readonly policy: DirectorPolicy
  /** Whether a breaker or the quota forbids to ask for such a VM now. */
  readonly isBarred: (vm: Vm) => boolean
}
