/** A cloud as the plan sees it: what it offers, what may be made there, and what it shows of our VMs. */

import type { VmId } from '../kernel/ids.ts'
import type { AgentConfig } from './agent-config.ts'
import type { WaitFailure } from './proof.ts'
import type { Reference } from './reference.ts'
import type { Room } from './resources.ts'
import type { VmShape } from './vm.ts'
import { roomOf } from './vm-place.ts'

/** What can be started: one flavor of one cloud with one image. */
export type Offering = VmShape

/**
 * An offering as jobs see it. `usableMs`: what is left of a VM's life if it comes up at the last moment; a job that needs
 * more would wait for a VM for ever, or for chance.
 */
export type Offered = Offering & { readonly usableMs: number }

/**
 * The one place that says how long a job may run on a new VM: for the plan, for explanations and for the warning at
 * submission.
 */
export function offeredBy(
  offering: Offering,
  { lifeMs, bootMs }: { readonly lifeMs: number; readonly bootMs: number },
): Offered {
  return { ...offering, usableMs: Math.max(0, lifeMs - bootMs) }
}

/** The whole VM, as a job finds it. */
export function offeredRoom(offered: Offered): Room {
  return roomOf(offered, offered.usableMs)
}

export type CloudLimits = {
  readonly maxVms: number
  readonly maxCores: number
  /** The maximum number of creates per step of the director: a wrong plan must not become a bill. */
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
  /** What the cloud says of it; the same text as long as it says the same: without a time. */
  readonly detail: string
  /** What by these words keeps it from running; absent: they say nothing of the kind, or it runs. */
  readonly failure?: WaitFailure
  readonly createdMs: number
  /** IP addresses, those that machines of the site reach first; absent where they are not known (yet). */
  readonly addresses?: readonly string[]
}

/** What the cloud would let us have, counting what others use; Infinity where it does not say. */
export type CloudQuota = { readonly vms: number; readonly cores: number; readonly memoryBytes: number }

/**
 * The maximum size of user data, and the form in which it is counted. `packed`: compressed where the plain text is larger.
 */
export type UserDataLimit = { readonly maxBytes: number; readonly counted: 'plain' | 'base64' | 'packed' }

/**
 * What distinguishes one kind of cloud from another for the rest of the program, so that nothing asks for a kind by its
 * name.
 */
export type CloudTraits = {
  /** VMs are processes on the machine of the service: they share its disk and get the agents from there. */
  readonly isOnThisMachine: boolean
  /** Machines exist already and are only lent: they are never switched off, and serve no squids. */
  readonly isLent: boolean
  /** VMs are made from images, which the catalogue must endorse. */
  readonly startsImages: boolean
  /** A VM whose image has no cloud-init can be made without user data and given its context over SSH. */
  readonly takesDelivery: boolean
  readonly userData: UserDataLimit
  /** Where a VM of this flavor finds the notice of a spot interruption; undefined: there are no such notices. */
  interruption?(flavor: Reference | undefined): AgentConfig['interruption']
}
