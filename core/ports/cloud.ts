/**
 * One cloud: a place that makes and unmakes VMs. A driver holds no policy: no retries, no limits, no choice of flavor.
 *
 * Every call has a time-out of its own, of at most `cloudCallMs`. Failures are PilotageErrors with a `cloud-*` code: auth
 * (our credential), quota, capacity (theirs, now), refused (this order will never do), gone (no such VM), transient
 * (anything else: unknown outcome). After an unknown outcome of `create` the caller looks the VM up before it asks again.
 */

import type { CloudVm, CloudQuota } from '../model/cloud.ts'
import type { VmId } from '../kernel/ids.ts'
import type { Reference } from '../model/reference.ts'
import type { VmShape } from '../model/vm.ts'

export type VmOrder = {
  /** Ours, made before the call: the cloud carries it as name or tag, and `create` is idempotent on it. */
  readonly vmId: VmId
  readonly shape: VmShape
  /** How this cloud calls the image that it is made from; absent where machines are made from none. */
  readonly imageRef?: Reference
  /**
   * The rendered context: a cloud-init document, or a script for what has none; empty: none. Carries the activation key:
   * never to be logged.
   */
  readonly userData: string
}

export interface Cloud {
  readonly name: string

  /** Resolves when the cloud has accepted the order. The same VM id again gives the same VM. */
  create(order: VmOrder): Promise<{ readonly ref: string }>

  /**
   * All VMs of this installation, ended ones left out as soon as the cloud forgets them. Throws rather than giving a part.
   */
  list(): Promise<readonly CloudVm[]>

  /** Asks for the end of a VM. `gone` when the cloud says that there is none (any more); otherwise ask again later. */
  destroy(ref: string): Promise<'gone' | 'going'>

  /** The end of what the VM wrote on its console, at most 64 KiB; empty where the cloud keeps none. */
  consoleLog(ref: string): Promise<string>

  quota(): Promise<CloudQuota>
}
