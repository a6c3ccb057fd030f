/** The view that a plan is made from, and the plan: lines that each say what is done or not done, and why. */

import type { BreakerScope, Breaker } from './breaker.ts'
import type { Blocked } from './cause.ts'
import type { FaultUnless, WaitFailure } from '../model/proof.ts'
import type { KeptVm, SiteService } from '../model/vm.ts'
import type { QueueCount } from '../model/task-queue.ts'
import type { VmId, ClassId } from '../kernel/ids.ts'
import type { Offering, CloudLimits, CloudQuota, CloudVm } from '../model/cloud.ts'

/** How a cloud was last read. */
export type CloudReading = {
  /** When the last good list was begun; absent: there never was one. */
  readonly listBeganMs?: number
  /** Why this cycle's list or quota failed; empty: it did not. */
  readonly failure: string
  /** Why the list is not believed yet; empty: it is. */
  readonly implausible: string
}

export type CloudView = {
  readonly name: string
  readonly offerings: readonly Offering[]
  readonly limits: CloudLimits
  /** What the cloud lets us have in all, ours included. */
  readonly quota: CloudQuota
  /** A VM must be Active within this time after it was intended. */
  readonly bootMs: number
  /** How old a VM may become. */
  readonly lifeMs: number
  readonly reading: CloudReading
  /** Since when a process listens to its VMs: no VM counts as silent for the time before. */
  readonly watchedSinceMs: number
  /** Why nothing is made there in this step although its list was read; empty: not blocked. */
  readonly blocked: string
  /** The images that nothing is made from there, and why: not endorsed, not approved, not valid, revoked. */
  readonly barred: ReadonlyMap<string, string>
  /** Of those, the ones whose VMs have to go, and why. */
  readonly revoked: ReadonlyMap<string, string>
  /** Our VMs in the cloud's own last good list. */
  readonly listed: ReadonlyMap<VmId, CloudVm>
  /** Ours as well, but without a live record: they take from the limits until they are gone. */
  readonly strays: { readonly vms: number; readonly cores: number; readonly memoryBytes: number }
}

export type FleetView = {
  readonly queues: readonly QueueCount[]
  /** Every VM that has not ended. */
  readonly vms: readonly KeptVm[]
  /** What sites shall have beside workers. */
  readonly services: readonly ServiceWish[]
  readonly clouds: readonly CloudView[]
  /** As they are now (see `breakersNow`); a scope that is not named is closed. */
  readonly breakers: ReadonlyMap<BreakerScope, Breaker>
}

export type FleetPolicy = {
  /** An Active VM without a heartbeat for this time is stopped. */
  readonly heartbeatTimeoutMs: number
  /** A cloud's list older than this freezes everything that would destroy. */
  readonly listStaleMs: number
  /** A Draining VM that holds no lease for this time is retired; the monitor on it is normally faster. */
  readonly drainedMs: number
  /** Soon free: work that waits shorter than this may hope for the room that running jobs hold. 0: never. */
  readonly softWaitMs: number
}

export type JobsByVo = Readonly<Record<string, number>>

export type PlanLine =
  | {
      readonly kind: 'create'
      readonly cloud: string
      readonly offering: Offering
      readonly count: number
      readonly queues: readonly ClassId[]
      readonly jobs: number
      /** The jobs by VO: users are shown the demand of their own. Absent where it is about no demand. */
      readonly byVo?: JobsByVo
      readonly reason: string
    }
  /** Nothing is made for these queues, or nothing is ended on this cloud. A queue may stand in several. */
  | (Blocked & {
      readonly kind: 'hold'
      readonly cloud?: string
      readonly queues: readonly ClassId[]
      readonly jobs: number
      readonly byVo?: JobsByVo
    })
  /** drain: it takes no more. retire: only if it holds no lease. stop: whatever it holds. */
  | {
      readonly kind: 'drain' | 'retire' | 'stop'
      readonly cloud: string
      readonly vmId: VmId
      readonly reason: string
      /** When this counts against what the VM was made from; absent: never. */
      readonly faultUnless?: FaultUnless
      /** What its cloud says is to blame for that; absent: nothing, and so it is its image. */
      readonly failure?: WaitFailure
      /** It is silent, or said that it is unhealthy: only if it has not been in contact since (see VmEvent). */
      readonly ifContactMs?: number
    }

export type EndingLine = Extract<PlanLine, { kind: 'drain' | 'retire' | 'stop' }>

export type CreateLine = Extract<PlanLine, { kind: 'create' }>

export type BlockedLine = Extract<PlanLine, { kind: 'hold' }>

export type FleetPlan = { readonly atMs: number; readonly lines: readonly PlanLine[] }

/** `count` VMs of a service for a site; of this cloud, flavor and image where they are named, else the cheapest there. */
export type ServiceWish = {
  readonly service: SiteService
  readonly site: string
  readonly count: number
  readonly cloud?: string
  readonly flavor?: string
  readonly image?: string
}
