/**
 * Pilotage's own policy: the plan of core/plan, with the knobs of the site. VMs end by themselves when they were idle for
 * `vm.idleTimeout`, as their monitors do.
 *
 * The plan is asked only where its answer can be other than empty. It is empty, provably, where no time of a VM has come
 * (boot timeout, end of life), none is in trouble, and either nothing waits or no cloud has room for one VM more: it makes
 * VMs only for waiting jobs, and only where nothing blocks.
 */

import type { FleetPolicy, PlanLine } from '../../../core/plan/fleet.ts'
import { planFleet } from '../../../core/plan/plan-fleet.ts'
import { isComing } from '../../../core/model/vm.ts'
import { directorDefaults } from '../../../services/director/options.ts'
import type { Site } from '../site.ts'
import { type Decision, type Policy, type PolicyMaker, type PolicyView, roomFor } from './policy.ts'

export const pilotage: PolicyMaker = {
  name: 'pilotage',
  summary: 'waiting jobs are placed on free and coming VMs; the rest gets the cheapest VMs that fit; idle VMs end',
  open: (site) => openPilotage(site, true),
}

/** `mayRest`: the plan is not asked where it is empty. */
export function openPilotage(site: Site, mayRest: boolean): Policy {
  const { vm, director } = site
  const { idleTimeoutMs: timeoutMs, minLifetimeMs, heartbeatTimeoutMs } = vm
  const policy: FleetPolicy = { ...directorDefaults, heartbeatTimeoutMs, listStaleMs: director.listStaleMs }
  const minBootTimeoutMs = Math.min(...site.clouds.map(({ bootTimeoutMs }) => bootTimeoutMs))
  let nextTimeMs = Infinity

  function plan(view: PolicyView): readonly Decision[] {
    const hasDemand = view.waiting.jobs > 0 && view.clouds.some((one) => one.offerings.some((of) => roomFor(one, of) > 0))
    if (mayRest && !hasDemand && !view.isTroubled && view.nowMs < nextTimeMs) return []
    const fleet = view.fleet()
    const decisions = planFleet(fleet, policy, view.nowMs).lines.flatMap(decisionOf)
    nextTimeMs = view.nowMs + minBootTimeoutMs
    for (const { vm: one } of fleet.vms) {
      const timeMs = isComing(one.phase) ? one.intendedMs + minBootTimeoutMs : one.endByMs
      if (timeMs < nextTimeMs) nextTimeMs = timeMs
    }
    return decisions
  }

  return { name: 'pilotage', intervalMs: director.intervalMs, idle: { timeoutMs, minLifetimeMs }, hasBreakers: true, plan }
}

function decisionOf(line: PlanLine): readonly Decision[] {
  switch (line.kind) {
    case 'create':
      return [{ kind: 'create', offering: line.offering, count: line.count, reason: line.reason }]
    case 'hold':
      return []
    default: {
      const { kind, vmId, reason, faultUnless, failure } = line
      return [{ kind, vmId, reason, faultUnless, failure }]
    }
  }
}
