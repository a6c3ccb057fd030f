/**
 * The feedback control of COBalD and TARDIS: one pool of VMs (drones) per cloud, steered by how well it is used, without a
 * look at the queue.
 *
 * Each second the demand of a pool falls by one core if its VMs are used to less than half, else it rises by one core if
 * they are allocated to more than half; an empty pool counts as used, so that one VM is always there as a probe. Each 30 s
 * the pool makes VMs for the missing demand, or drops those that supply the least used cores: one on its way is ended at
 * once, one that runs drains. What fails to start is asked for again in the next cycle.
 *
 * Demand is kept between one VM and what the cloud may give, as the `Limiter` of its configurations does.
 */

import { isComing } from '../../../core/model/vm.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import {
  type Decision,
  endCrashed,
  type Policy,
  type PolicyCloud,
  type PolicyMaker,
  type PolicyView,
  roomFor,
  smallestOf,
} from './policy.ts'

const controlMs = 1000
const reconcileMs = 30_000
const heartbeatMs = 60_000
const lowUtilisation = 0.5
const highAllocation = 0.5
const coresPerSecond = 1

export const cobald: PolicyMaker = {
  name: 'cobald',
  summary: 'demand of each pool rises while its VMs are allocated to more than half, and falls while they are used to less',
  open: () => openCobald(),
}

function openCobald(): Policy {
  const demands = new Map<string, number>()
  return {
    name: 'cobald',
    intervalMs: controlMs,
    hasBreakers: false,
    plan(view) {
      for (const cloud of view.clouds) demands.set(cloud.name, regulated(cloud, demands.get(cloud.name) ?? 0))
      if (view.nowMs % reconcileMs !== 0) return []
      const made = view.clouds.flatMap((cloud) => reconciled(view, cloud, demands.get(cloud.name) ?? 0))
      return [...endCrashed(view, heartbeatMs), ...made]
    },
  }
}

/** All VMs of a pool have one size, so the mean of their ratios is the ratio of the sums. */
function regulated(cloud: PolicyCloud, demand: number): number {
  const { activeCores, usedCores } = cloud.tally
  const ratio = activeCores === 0 ? 1 : usedCores / activeCores
  const step = coresPerSecond * (controlMs / 1000)
  const next = ratio < lowUtilisation ? demand - step : ratio > highAllocation ? demand + step : demand
  const offering = smallestOf(cloud)
  const most = Math.min(cloud.limits.maxCores, cloud.quota.cores)
  return Math.min(most, Math.max(offering?.cores ?? 0, next))
}

function reconciled(view: PolicyView, cloud: PolicyCloud, demand: number): readonly Decision[] {
  const offering = smallestOf(cloud)
  const { activeCores, comingCores } = cloud.tally
  if (!offering) return []
  if (activeCores > demand) return shrunk(view, cloud, activeCores + comingCores - demand)
  const missing = demand - activeCores - comingCores
  const count = Math.min(Math.ceil(missing / offering.cores), roomFor(cloud, offering))
  return count > 0 ? [{ kind: 'create', offering, count, reason: `demand of ${demand} cores` }] : []
}

function shrunk(view: PolicyView, cloud: PolicyCloud, excess: number): readonly Decision[] {
  const drones: KeptVm[] = []
  for (const { cloud: of, kept } of view.vms()) {
    const { phase } = kept.vm
    if (of.name === cloud.name && (isComing(phase) || phase.state === 'Active')) drones.push(kept)
  }
  drones.sort((a, b) => suppliedUse(a) - suppliedUse(b))
  const decisions: Decision[] = []
  let left = excess
  for (const { vm } of drones) {
    if (left <= 0) break
    if (vm.cores > left) continue
    left -= vm.cores
    decisions.push({ kind: 'drain', vmId: vm.id, reason: 'demand fell' })
  }
  return decisions
}

/** Supply times utilisation; one on its way supplies nothing. */
function suppliedUse({ vm, used }: Pick<KeptVm, 'vm' | 'used'>): number {
  return isComing(vm.phase) ? 0 : used.cores
}
