/**
 * What the service answers operators: counts, task queues, VMs, clouds and images, as a program reads it. Times are in
 * milliseconds since 1970 (0: not yet), empty texts stand for what does not apply. Types only.
 */

import type { FoundTraits } from '../core/model/traits.ts'
import type { Limit } from './jobs.ts'

export type ClusterStatus = {
  readonly jobs: readonly JobCount[]
  readonly vms: readonly VmCount[]
  readonly serviceTimeMs: number
  readonly version: string
  readonly startedMs: number
}

export type JobCount = { readonly state: string; readonly vo: string; readonly site: string; readonly count: number }

export type VmCount = { readonly state: string; readonly cloud: string; readonly site: string; readonly count: number }

export type TaskQueues = { readonly queues: readonly TaskQueue[]; readonly total: number }

export type TaskQueue = {
  readonly taskQueue: string
  readonly vo: string
  readonly group: string
  readonly owner: string
  readonly waiting: number
  readonly topPriority: number
  /** When its oldest waiting job was submitted. */
  readonly oldestMs: number
  readonly requirements:
    | { readonly cores: { readonly min: number; readonly max: number } | undefined; readonly memoryBytes: number }
    | undefined
  /** What it needs to start, in one line. */
  readonly waitsFor: string
}

export type Vm = {
  readonly vmId: string
  readonly state: string
  readonly cloud: string
  readonly site: string
  readonly flavor: string
  readonly image: string
  /** The cloud's own id. */
  readonly ref: string
  readonly cores: number
  readonly memoryBytes: number
  readonly leases: number
  /** Why it was created, or why it stops or ended. */
  readonly reason: string
  readonly intendedMs: number
  readonly activatedMs: number
  readonly endedMs: number
  readonly beatMs: number
  readonly load1: number
  /** squid; empty: it runs jobs. */
  readonly service: string
  readonly addresses: readonly string[]
  /** The task queue that it keeps its room for, and since when; empty: none. */
  readonly reservedFor: string
  readonly reservedMs: number
  /** Of payloads, as its pilot reports it. */
  readonly isolation: string
  /** Of its agents, as its monitor reports it; empty: not known. */
  readonly agentVersion: string
  /** What its cloud says of it while it does not run; empty: nothing. */
  readonly said: string
  readonly diskBytes: number
  /** What its pilot found; cores, memoryBytes and diskBytes are what was promised. Undefined: not known. */
  readonly found: Size | undefined
  /** What its pilot found beside the size; undefined: not known. */
  readonly foundTraits: FoundTraits | undefined
  /** What was promised beside the size and not found; empty: nothing, or not known. */
  readonly differs: string
}

export type Clouds = {
  readonly clouds: readonly Cloud[]
  /** The last plan of each director. */
  readonly plan: readonly PlanLine[]
}

export type Cloud = {
  readonly name: string
  readonly kind: string
  readonly site: string
  readonly vms: number
  readonly maxVms: number
  readonly cores: number
  readonly maxCores: number
  /** Those that are not closed. */
  readonly breakers: readonly Breaker[]
  /** When its own list was last read. */
  readonly listedMs: number
  /** Of its offerings, those whose latest VM had less than was promised. */
  readonly measured: readonly MeasuredSize[]
  /** VMs that it does not end: an administrator of the cloud has to look at them. */
  readonly stuck: readonly StuckVm[]
}

export type StuckVm = {
  readonly vmId: string
  /** The cloud's own id. */
  readonly ref: string
  readonly sinceMs: number
  /** What the cloud answers, or shows of it. */
  readonly why: string
}

export type MeasuredSize = {
  readonly flavor: string
  readonly image: string
  readonly promised: Size | undefined
  readonly found: Size | undefined
  /** What was promised beside the size and not found; empty: nothing. */
  readonly differs: string
  readonly vmId: string
  readonly activatedMs: number
}

export type Size = { readonly cores: number; readonly memoryBytes: number; readonly diskBytes: number }

export type Breaker = {
  /** cloud, flavor or image */
  readonly kind: string
  readonly name: string
  /** open, half-open */
  readonly state: string
  readonly untilMs: number
  readonly why: string
}

export type PlanLine = {
  readonly atMs: number
  /** create, hold, drain, retire, stop */
  readonly action: string
  /** Of a hold: what prevents it. */
  readonly cause: string
  /** Of limit, configured for the cloud, and of quota, the cloud's own. */
  readonly limit: Limit | undefined
  readonly subject: string
  readonly count: number
  readonly reason: string
}

export type DrainedVm = { readonly changed: boolean; readonly state: string; readonly refusal: string }

export type TokenRequest = {
  readonly subject: string
  readonly vo: string
  readonly group: string
  /** user, operator, admin */
  readonly roles: readonly string[]
  /** 0: the service's default. */
  readonly lifetimeMs: number
}

export type IssuedToken = { readonly token: string; readonly expiresMs: number }

export type Image = {
  readonly name: string
  /** Listed, Approved, Revoked; Unknown: only the configuration names it. */
  readonly state: string
  /** Absent where the state is Unknown. */
  readonly entry:
    | {
        readonly os: string
        readonly architecture: string
        readonly validUntilMs: number
        readonly endorsedBy: string
      }
    | undefined
  /** Why its endorsement is not valid; empty: it is valid. */
  readonly distrust: string
  readonly approvals: readonly { readonly site: string; readonly by: string; readonly atMs: number }[]
  /** The clouds that are configured with it; `barred` says why no VM is made from it there. */
  readonly uses: readonly { readonly cloud: string; readonly site: string; readonly barred: string }[]
  readonly addedBy: string
  readonly addedMs: number
  readonly revokedBy: string
  readonly revokedWhy: string
  readonly revokedMs: number
}

export type ChangedImage = {
  /** False: it was so already. */
  readonly changed: boolean
  readonly state: string
}

/** A VO, a group of it, or an owner of that. */
export type SharePath = { readonly vo: string; readonly group?: string; readonly owner?: string }

export type Share = {
  readonly vo: string
  /** Empty: the VO itself. */
  readonly group: string
  /** Empty: the group or the VO itself. */
  readonly owner: string
  readonly weight: number
  /** Jobs. */
  readonly waiting: number
  /** Core-milliseconds, of which half is forgotten in each half-life. */
  readonly usedCoreMs: number
  /** 0 to 1: of what its level used. */
  readonly used: number
  /** 0 to 1: of what its level should get; 0 where nothing waits. */
  readonly target: number
  /** What its weight is multiplied with for what it used: 1/3 to 3. */
  readonly factor: number
}

export type Shares = {
  readonly nodes: readonly Share[]
  /** Counts the changes that operators made to weights. */
  readonly version: number
  readonly halfLifeMs: number
}

export type ChangedShare = { readonly changed: boolean; readonly version: number }
