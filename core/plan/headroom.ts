/**
 * How much more a cloud may be asked for in this step, and what stands in the way where it may not.
 *
 * Our limits and the cloud's quota are counted over every VM that is not over, the stopping ones included: a machine takes
 * from a quota until the cloud has forgotten it. What stays true: a plan that takes only where nothing blocks never exceeds
 * a limit, not even for a moment.
 */

import {
  allowance,
  atTime,
  blockedScope,
  type Breaker,
  type BreakerScope,
  type KeptBreaker,
  needsBoot,
  orderScope,
  probing,
  scopesOf,
} from './breaker.ts'
import type { Cause, Limit } from './cause.ts'
import type { CloudQuota, Offering } from '../model/cloud.ts'
import { unreadOf } from './endings.ts'
import type { CloudView, FleetPolicy, FleetView } from './fleet.ts'
import { type KeptVm, isComing, isOver, type Vm } from '../model/vm.ts'

export type Block = { readonly cloud: string; readonly cause: Cause }

export type Headroom = {
  /** What hinders this offering now; nothing: one may be taken. */
  blockOf(offering: Offering): Block | undefined
  take(offering: Offering): void
  /** From now on a probe may repeat the order that failed last: nothing else wanted it. Answers whether one was refused. */
  allowRepeats(): boolean
}

type Used = { vms: number; cores: number; memoryBytes: number }

export function headrooms(view: FleetView, policy: FleetPolicy, nowMs: number): ReadonlyMap<string, Headroom> {
  const used = new Map<string, Used>(view.clouds.map(({ name, strays }) => [name, { ...strays }]))
  for (const { vm } of view.vms) {
    const sum = used.get(vm.cloud)
    if (sum && !isOver(vm.phase)) add(sum, vm)
  }
  return new Map(
    view.clouds.map((cloud) => {
      const sum = used.get(cloud.name) ?? { vms: 0, cores: 0, memoryBytes: 0 }
      return [cloud.name, headroom(cloud, sum, view.breakers, policy, nowMs)]
    }),
  )
}

function headroom(
  cloud: CloudView,
  used: Used,
  breakers: FleetView['breakers'],
  policy: FleetPolicy,
  nowMs: number,
): Headroom {
  const { name, limits, quota } = cloud
  const unread = unreadOf(cloud.reading, policy, nowMs)
  let taken = 0
  let mayRepeat = false
  let isRefused = false
  const probes = new Map<BreakerScope, number>()
  // Else one wrong order would take every probe of its cloud, and good ones would wait for ever.
  const isAvoided = (offering: Offering, breaker: Breaker): boolean => {
    const isRepeat = !mayRepeat && breaker.state === 'half-open' && breaker.last === orderScope(offering)
    isRefused ||= isRepeat
    return isRepeat
  }
  const causeOf = (offering: Offering): Cause | undefined => {
    // What an operator has to decide first is said whatever the cloud does.
    const barred = cloud.barred.get(offering.image)
    if (barred !== undefined) return { why: 'image', words: barred }
    if (unread) return { why: 'unread', reading: unread }
    if (cloud.blocked !== '') return { why: 'unread', words: cloud.blocked }
    for (const scope of scopesOf(offering)) {
      const breaker = breakers.get(scope)
      const isShared = scope !== orderScope(offering)
      if (!breaker) continue
      if (allowance(breaker) > (probes.get(scope) ?? 0) && !(isShared && isAvoided(offering, breaker))) continue
      const blocked = blockedScope(scope, breaker)
      if (blocked) return { why: 'breaker', breaker: blocked }
    }
    const limit = exceeded(used, offering, { vms: limits.maxVms, cores: limits.maxCores, memoryBytes: Infinity })
    if (limit) return { why: 'limit', limit }
    const quotaLimit = exceeded(used, offering, quota)
    if (quotaLimit) return { why: 'quota', limit: quotaLimit }
    const { maxCreatesPerStep } = limits
    return taken < maxCreatesPerStep ? undefined : { why: 'ramp', maxCreates: maxCreatesPerStep }
  }
  return {
    blockOf(offering) {
      const cause = causeOf(offering)
      return cause && { cloud: name, cause }
    },
    take(offering) {
      taken += 1
      add(used, offering)
      for (const scope of scopesOf(offering)) probes.set(scope, (probes.get(scope) ?? 0) + 1)
    },
    allowRepeats() {
      mayRepeat = true
      return isRefused
    },
  }
}

/**
 * The breakers as they are at this moment. A back-off that is over lets one probe through; whether one is on its way is read
 * off the VMs and not remembered, so that no forgotten probe can hold a breaker half-open for ever. A cloud and a flavor are
 * proved by an accepted create, unless VMs failed after that; an image only by a VM that did what it was made for.
 */
export function breakersNow(
  kept: readonly KeptBreaker[],
  vms: readonly KeptVm[],
  nowMs: number,
): ReadonlyMap<BreakerScope, Breaker> {
  const coming = new Set<BreakerScope>()
  // The latest: one from before the last failure is what failed, or was not asked for, and no probe.
  const intendedMs = new Map<BreakerScope, number>()
  for (const { vm } of vms) {
    if (!isUnproven(vm)) continue
    for (const scope of scopesOf(vm)) {
      if (vm.phase.state !== 'Intended') coming.add(scope)
      else intendedMs.set(scope, Math.max(vm.intendedMs, intendedMs.get(scope) ?? 0))
    }
  }
  return new Map(
    kept.map((one) => {
      const now = atTime(one.breaker, nowMs)
      const isAsked = (intendedMs.get(one.scope) ?? 0) > one.changedMs
      const isProbed = isAsked || (needsBoot(one) && coming.has(one.scope))
      return [one.scope, isProbed ? probing(now) : now]
    }),
  )
}

/** It is not known yet whether it does what it was made for. */
function isUnproven({ phase, provenMs, fault }: Vm): boolean {
  return isComing(phase) || (phase.state === 'Active' && provenMs === undefined && fault === undefined)
}

/** The first that one more VM would exceed. */
function exceeded(used: Used, { cores, memoryBytes }: Offering, max: CloudQuota): Limit | undefined {
  if (used.vms + 1 > max.vms) return { name: 'vms', used: used.vms, max: max.vms }
  if (used.cores + cores > max.cores) return { name: 'cores', used: used.cores, max: max.cores }
  if (used.memoryBytes + memoryBytes > max.memoryBytes) {
    return { name: 'memory', used: used.memoryBytes, max: max.memoryBytes }
  }
  return undefined
}

function add(sum: Used, { cores, memoryBytes }: { readonly cores: number; readonly memoryBytes: number }): void {
  sum.vms += 1
  sum.cores += cores
  sum.memoryBytes += memoryBytes
}
