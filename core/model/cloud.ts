/** A cloud as the plan sees it: what it offers, what may be made there, and what it shows of our VMs. */

import type { VmId } from '../kernel/ids.ts'
import type { VmShape } from './vm.ts'

/** What can be started: one flavor of one cloud with one image. */
export type Offering = VmShape

export type CloudLimits = {
  readonly maxVms: number
  readonly maxCores: number
  /** At most so many creates a director's step: a wrong plan must not become a bill. */
  readonly maxCreatesPerStep: number
}

/** The part of a cloud's failures that decides what is tried next. */
export type CloudFailure = 'auth' | 'quota' | 'capacity' | 'gone' | 'refused' | 'transient'

export type CloudVm = {
  /** The cloud's own id. */
  readonly ref: string
  readonly vmId: VmId
  /** building: accepted, not running yet. ending: on its way out. error: it will never run, `detail` says why. */
  readonly power: 'building' | 'running' | 'stopped' | 'ending' | 'error'
  readonly detail: string
  readonly createdMs: number
  /** IP addresses, those that machines of the site reach first; absent where they are not known (yet). */
  readonly addresses?: readonly string[]
}

/** What the cloud would let us have, counting what others use; Infinity where it does not say. */
export type CloudQuota = { readonly vms: number; readonly cores: number; readonly memoryBytes: number }
