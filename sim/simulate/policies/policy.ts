/**
 * A policy: which VMs to make and to end, asked at its own interval. Pilotage's own plan and the published rules of other
 * systems stand behind this one type, so that a simulation compares them on the same jobs, clouds and matcher.
 *
 * `view` is read only. What a policy decides may fail: a cloud refuses what exceeds its quota, whatever the policy believes.
 */

import type { FleetView } from '../../../core/plan/fleet.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { CloudLimits, CloudQuota, Offering } from '../../../core/model/cloud.ts'
import type { FaultUnless, WaitFailure } from '../../../core/model/proof.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import type { Site } from '../site.ts'

/** VMs and cores that a cloud counts, those that stop included. */
export type Tally = {
  vms: number
  cores: number
  memoryBytes: number
  /** Made and not up yet. */
  coming: number
  comingCores: number
  /** Taking jobs. */
  active: number
  activeCores: number
  usedCores: number
  /** Active and without any job. */
  idle: number
}

export type PolicyCloud = {
  readonly name: string
  readonly offerings: readonly Offering[]
  readonly limits: CloudLimits
  readonly quota: CloudQuota
  readonly tally: Readonly<Tally>
}

export type PolicyVm = {
  readonly kept: KeptVm
  readonly cloud: { readonly name: string }
  readonly createdMs: number
  /** When it last ran a job; since it came up where it never did; meaningless before. */
  readonly idleSinceMs: number
}

export type PolicyView = {
  readonly nowMs: number
  readonly waiting: { readonly jobs: number; readonly cores: number }
  readonly running: { readonly jobs: number; readonly cores: number }
  readonly clouds: readonly PolicyCloud[]
  /** A VM crashed, drains, or was refused: something is to be decided beside demand. */
  readonly isTroubled: boolean
  vms(): Iterable<PolicyVm>
  /** VMs that their cloud shows as switched off, and since when. */
  crashed(): readonly { readonly vmId: VmId; readonly sinceMs: number }[]
  /** As the director's plan takes it. Costs as much as there are VMs. */
  fleet(): FleetView
}

export type Decision =
  | { readonly kind: 'create'; readonly offering: Offering; readonly count: number; readonly reason: string }
  /** drain: it takes no more jobs. retire: only if it runs none. stop: whatever it runs. */
  | (Blame & { readonly kind: 'drain' | 'retire' | 'stop'; readonly vmId: VmId; readonly reason: string })

/** When the end of the VM counts against what it was made from, and what is to blame (core/model/vm.ts). */
export type Blame = { readonly faultUnless?: FaultUnless; readonly failure?: WaitFailure }

/** When a VM ends by itself. */
export type IdleRule = {
  /** Without a job for this time. */
  readonly timeoutMs: number
  /** If it never had one; absent: as `timeoutMs`. */
  readonly neverUsedMs?: number
  /** It looks only this often; absent: at once. */
  readonly lookEveryMs?: number
  readonly minLifetimeMs?: number
}

export type Policy = {
  readonly name: string
  readonly intervalMs: number
  /** Absent: VMs end by decisions alone. */
  readonly idle?: IdleRule
  /** It waits before it asks again for what failed (core/plan/breaker.ts). */
  readonly hasBreakers: boolean
  plan(view: PolicyView): readonly Decision[]
}

export type PolicyMaker = {
  readonly name: string
  /** One line, for reports. */
  readonly summary: string
  open(site: Site): Policy
}

/** Ends the VMs that were switched off for this time. */
export function endCrashed(view: PolicyView, afterMs: number): readonly Decision[] {
  const due = view.crashed().filter(({ sinceMs }) => view.nowMs - sinceMs >= afterMs)
  return due.map(({ vmId }) => ({ kind: 'stop', vmId, reason: 'switched off' }))
}

/** How many more VMs of an offering its cloud would let us have. */
export function roomFor({ tally, limits, quota }: PolicyCloud, offering: Offering): number {
  const vms = Math.min(limits.maxVms, quota.vms) - tally.vms
  const cores = Math.floor((Math.min(limits.maxCores, quota.cores) - tally.cores) / offering.cores)
  const memory = quota.memoryBytes - tally.memoryBytes
  return Math.max(0, Math.min(vms, cores, Math.floor(memory / Math.max(1, offering.memoryBytes))))
}

/** The smallest, then the cheapest. */
export function smallestOf({ offerings }: Pick<PolicyCloud, 'offerings'>): Offering | undefined {
  return offerings.toSorted((a, b) => a.cores - b.cores || a.pricePerHour - b.pricePerHour)[0]
}
