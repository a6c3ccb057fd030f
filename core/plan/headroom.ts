/**
 * How much more a cloud may be asked for in this step, and what stands in the way where it may not.
 *
 * Our limits and the cloud's quota are counted over every VM that is not over, the stopping ones included: a machine takes
 * from a quota until the cloud has forgotten it. What stays true: a plan that takes only where nothing blocks never exceeds a
 * limit, not even for a moment.
 */

import { allowance, atTime, probing, scopesOf, type Breaker, type BreakerScope } from './breaker.ts'
import type { Offering } from '../model/cloud.ts'
import { unreadWhy } from './endings.ts'
import type { CloudView, FleetPolicy, FleetView, BlockedReason } from './fleet.ts'
import { type KeptVm, isComing, isOver } from '../model/vm.ts'
import { bytesText, durationText } from '../kernel/quantities.ts'

export type Block = { readonly cloud: string; readonly why: BlockedReason; readonly reason: string }

export type Headroom = {
  /** What hinders this offering now; nothing: one may be taken. */
  blockOf(offering: Offering): Block | undefined
  take(offering: Offering): void
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
  const unread = unreadWhy(cloud.reading, policy, nowMs)
  let taken = 0
  const probes = new Map<BreakerScope, number>()
  const block = (why: BlockedReason, reason: string): Block => ({ cloud: name, why, reason })
  return {
    blockOf(offering) {
      // What an operator has to decide first is said whatever the cloud does.
      const barred = cloud.barred.get(offering.image)
      if (barred !== undefined) return block('image', barred)
      if (unread !== '') return block('unread', unread)
      if (cloud.blocked !== '') return block('unread', cloud.blocked)
      for (const scope of scopesOf(offering)) {
        const breaker = breakers.get(scope)
        if (breaker && allowance(breaker) <= (probes.get(scope) ?? 0))
          return block('breaker', breakerText(scope, breaker, nowMs))
      }
      const { vms, cores, memoryBytes } = used
      if (vms + 1 > limits.maxVms) return block('limit', `${vms} of ${limits.maxVms} VMs`)
      if (cores + offering.cores > limits.maxCores) return block('limit', `${cores} of ${limits.maxCores} cores`)
      if (vms + 1 > quota.vms) return block('quota', `${vms} of ${quota.vms} VMs`)
      if (cores + offering.cores > quota.cores) return block('quota', `${cores} of ${quota.cores} cores`)
      if (memoryBytes + offering.memoryBytes > quota.memoryBytes) {
        return block('quota', `${bytesText(memoryBytes)} of ${bytesText(quota.memoryBytes)} memory`)
      }
      if (taken >= limits.maxCreatesPerStep) return block('ramp', `${limits.maxCreatesPerStep} creates a step`)
      return undefined
    },
    take(offering) {
      taken += 1
      add(used, offering)
      for (const scope of scopesOf(offering)) probes.set(scope, (probes.get(scope) ?? 0) + 1)
    },
  }
}

/**
 * The breakers as they are at this moment. A back-off that is over lets one probe through; whether one is on its way is read
 * off the VMs and not remembered, so that no forgotten probe can hold a breaker half-open for ever. A cloud and a flavor are
 * proved by an accepted create, an image only by a VM that came up.
 */
export function breakersNow(
  kept: ReadonlyMap<BreakerScope, Breaker>,
  vms: readonly KeptVm[],
  nowMs: number,
): ReadonlyMap<BreakerScope, Breaker> {
  const probed = new Set<BreakerScope>()
  for (const { vm } of vms) {
    if (!isComing(vm.phase)) continue
    for (const scope of scopesOf(vm)) {
      if (vm.phase.state === 'Intended' || scope.startsWith('image:')) probed.add(scope)
    }
  }
  return new Map(
    [...kept].map(([scope, breaker]) => {
      const now = atTime(breaker, nowMs)
      return [scope, probed.has(scope) ? probing(now) : now]
    }),
  )
}

function breakerText(scope: BreakerScope, breaker: Breaker, nowMs: number): string {
  switch (breaker.state) {
    case 'closed':
      return `${scope} is closed`
    case 'open':
      return `breaker ${scope} is open for ${durationText(Math.max(0, breaker.untilMs - nowMs))}: ${breaker.why}`
    case 'half-open':
      return `breaker ${scope} waits for its probe: ${breaker.why}`
  }
}

function add(sum: Used, { cores, memoryBytes }: { readonly cores: number; readonly memoryBytes: number }): void {
  sum.vms += 1
  sum.cores += cores
  sum.memoryBytes += memoryBytes
}
