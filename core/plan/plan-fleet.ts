/**
 * The fleet: which VMs to want, and which to let go. One plan over all clouds, so that no waiting job is counted twice.
 *
 * Pure: the same view gives the same plan, and every line of it says why. Waiting work is placed, with the matcher's own fit
 * functions, on what is free, then on what is on its way, then on what may soon be free, and only the rest on VMs that do not
 * exist yet. Refuses to know how a VM is made or ended, and never scales down: an idle VM asks for its end by itself, so the
 * plan ends only what is broken or over its time.
 */

import type { Breaker, BreakerScope, CloudLimits, Offering } from './breaker.ts'
import { planEndings } from './endings.ts'
import { grow } from './growth.ts'
import { holdLines } from './blocked.ts'
import { headrooms } from './headroom.ts'
import { planServices, type ServiceWish } from './services.ts'
import { openQueues, placeOnFleet } from './placement.ts'
import type { ClassId, VmId } from '../kernel/ids.ts'
import type { CloudQuota, CloudVm } from '../ports/cloud.ts'
import type { KeptVm, QueueCount } from '../ports/store.ts'

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
  /** A VM must be active so long after it was wanted. */
  readonly bootMs: number
  /** How old a VM may become. */
  readonly lifeMs: number
  readonly reading: CloudReading
  /** Since when somebody listens to its VMs: nobody is called silent for the time before. */
  readonly watchedSinceMs: number
  /** Why nothing is made there in this step although it can be read; empty: nothing is in the way. */
  readonly heldBack: string
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
  /** An active VM that was not heard of for so long is stopped. */
  readonly beatLostMs: number
  /** A cloud's list older than this freezes everything that would destroy. */
  readonly listStaleMs: number
  /** A draining VM that holds no lease for so long is retired; the monitor on it is normally faster. */
  readonly drainedMs: number
  /** Soon free: work that waits shorter than this may hope for the room that running jobs hold. 0: never. */
  readonly softWaitMs: number
}

export type HoldWhy = 'covered' | 'no-fit' | 'image' | 'limit' | 'quota' | 'ramp' | 'breaker' | 'unread' | 'frozen'

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
  | {
      readonly kind: 'hold'
      readonly why: HoldWhy
      readonly cloud?: string
      readonly queues: readonly ClassId[]
      readonly jobs: number
      readonly byVo?: JobsByVo
      readonly reason: string
    }
  /** drain: it takes no more. retire: only if it holds no lease. stop: whatever it holds. */
  | {
      readonly kind: 'drain' | 'retire' | 'stop'
      readonly cloud: string
      readonly vmId: VmId
      readonly reason: string
      /** It never came up: its offering is to blame. */
      readonly bootFailed: boolean
    }

export type EndingLine = Extract<PlanLine, { kind: 'drain' | 'retire' | 'stop' }>
export type CreateLine = Extract<PlanLine, { kind: 'create' }>
export type HoldLine = Extract<PlanLine, { kind: 'hold' }>

export type FleetPlan = { readonly atMs: number; readonly lines: readonly PlanLine[] }

/**
 * Bounded: a queue costs what its share of a VM costs, however many jobs wait in it; 500 queues and 1000 VMs take some ten
 * milliseconds. Limits and quotas count every VM that is not over, so that they hold at every moment of the execution.
 */
export function planFleet(view: FleetView, policy: FleetPolicy, nowMs: number): FleetPlan {
  const endings = planEndings(view, policy, nowMs)
  const left = headrooms(view, policy, nowMs)
  const services = planServices(view, endings, left, nowMs)
  const queues = openQueues(view.queues)
  const staying = view.vms.filter(({ vm }) => vm.service === undefined && !endings.unusable.has(vm.id))
  placeOnFleet(queues, staying, { policy, clouds: view.clouds, nowMs })
  const grown = grow(queues, view.clouds, left)
  const ends = [...endings.lines, ...services.endings]
  const holds = [...endings.frozen, ...services.holds, ...holdLines(queues, grown, view)]
  return { atMs: nowMs, lines: [...ends, ...services.creates, ...grown.creates, ...holds] }
}
