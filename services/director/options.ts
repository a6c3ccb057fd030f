/**
 * What a director is given: its ports, its clouds and its numbers. Types and defaults only.
 *
 * A director knows all clouds of an installation, because one plan over all of them is what keeps a waiting job from being
 * counted twice; it acts on those that it holds.
 */

import type { BreakerPolicy } from '../../core/plan/breaker.ts'
import type { CloudLimits, Offering } from '../../core/model/cloud.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { VmIdentity } from '../../core/model/agent-config.ts'
import type { FleetPolicy, ServiceWish } from '../../core/plan/fleet.ts'
import type { CheckedImage } from '../../core/model/image.ts'
import { activationKeepMs, heartbeatTimeoutMs, cloudCallMs, directorEveryMs, listStaleMs } from '../../core/kernel/limits.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Cloud } from '../../core/ports/cloud.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Fence, Store } from '../../core/ports/store.ts'
import type { Outcomes } from '../outcomes/outcomes.ts'
import type { Random } from '../../core/kernel/random.ts'

/** A cloud and what we want of it. The offerings name the cloud by `cloud.name`. */
export type DirectedCloud = {
  readonly cloud: Cloud
  readonly offerings: readonly Offering[]
  /**
   * Its machines are made from images: the catalogue says from which. Local machines and hosts that are there already have
   * none.
   */
  readonly startsImages: boolean
  readonly limits: CloudLimits
  readonly bootMs: number
  readonly lifeMs: number
  readonly breaker: BreakerPolicy
}

export type DirectorPolicy = FleetPolicy & {
  /** After a create without an answer: how long the cloud may take to show the VM, before it is taken as never made. */
  readonly settleMs: number
  /** A machine of ours that no record knows is destroyed this time after it was first seen. */
  readonly strangerMs: number
  /** Calls to one cloud at a time. */
  readonly calls: number
  /** A step waits this time for a cloud to be read, and again for its creates and deletes; then it goes on without it. */
  readonly waitMs: number
  /** How long a VM's activation key is good; never shorter than its cloud's boot time. */
  readonly activationKeepMs: number
  /** A plan that says the same as the last is written again only after this time. */
  readonly planEveryMs: number
}

export const directorDefaults: DirectorPolicy = {
  heartbeatTimeoutMs,
  listStaleMs,
  drainedMs: 60_000,
  softWaitMs: 0,
  settleMs: 1.5 * cloudCallMs,
  strangerMs: 60_000,
  calls: 8,
  waitMs: 10_000,
  activationKeepMs,
  planEveryMs: directorEveryMs,
}

export type DirectorOptions = {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly outcomes: Pick<Outcomes, 'changed'>
  readonly clouds: readonly DirectedCloud[]
  /**
   * As they are at this moment, with what is to be thought of their endorsement: all, or those of these names that there
   * are.
   */
  readonly images: (names?: readonly string[]) => Promise<readonly CheckedImage[]>
  /** What sites shall have beside workers. */
  readonly services: readonly ServiceWish[]
  /** The fence under which this process may act on a cloud at this very moment; undefined: it may not. */
  readonly fenceOf: (cloud: string) => Fence | undefined
  /**
   * The user data of a VM; `squids`: those of its site that serve now, as http://host:port. Throws a PilotageError where
   * there can be none.
   */
  readonly render: (vm: VmIdentity, offering: Offering, squids: readonly string[]) => string
  readonly policy: DirectorPolicy
}
