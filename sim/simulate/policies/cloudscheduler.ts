/**
 * cloudscheduler's rule (version 2): the shortfall is what idle and running jobs ask for, less what VMs that start, are
 * idle or run supply; clouds are filled in their order, at most 5 VMs per cloud and cycle.
 *
 * It brakes: nothing is started while more than 10 VMs (or a tenth of those that run) are idle, nor on a cloud where more
 * than 5 VMs are starting. A VM ends when it was idle for 300 s, never had a job for 1800 s, or never registered for 7200 s.
 *
 * In favour of cloudscheduler: all VOs are one of its groups, so that their VMs are shared; what it reads is never old.
 */

import { isComing } from '../../../core/model/vm.ts'
import { type Decision, endCrashed, type PolicyMaker, type PolicyView, roomFor, smallestOf } from './policy.ts'

const cycleMs = 10_000
const perCycle = 5
const maxStarting = 5
const minIdleBrake = 10
const keepAliveMs = 300_000
const neverUsedMs = 1_800_000
const neverRegisteredMs = 7_200_000
const errorMs = 300_000
/** How often the age of VMs that never registered is looked at. */
const pollMs = 60_000

export const cloudscheduler: PolicyMaker = {
  name: 'cloudscheduler',
  summary: 'the shortfall in cores, 5 VMs per cloud and cycle, with brakes on idle and starting VMs',
  open: () => ({
    name: 'cloudscheduler',
    intervalMs: cycleMs,
    idle: { timeoutMs: keepAliveMs, neverUsedMs },
    hasBreakers: false,
    plan: (view) => [
      ...(view.nowMs % pollMs === 0 ? [...unregistered(view), ...endCrashed(view, errorMs)] : []),
      ...starts(view),
    ],
  }),
}

function starts({ clouds, waiting, running }: PolicyView): readonly Decision[] {
  const sum = (of: (tally: (typeof clouds)[number]['tally']) => number): number =>
    clouds.reduce((total, { tally }) => total + of(tally), 0)
  const idle = sum((tally) => tally.idle)
  const used = sum((tally) => tally.active) - idle
  if (idle > Math.max(minIdleBrake, used / 10)) return []
  let shortfall = waiting.cores + running.cores - sum((tally) => tally.comingCores + tally.activeCores)
  const decisions: Decision[] = []
  for (const cloud of clouds) {
    const offering = smallestOf(cloud)
    if (!offering || shortfall <= 0) break
    if (cloud.tally.coming > maxStarting) continue
    const count = Math.min(perCycle, roomFor(cloud, offering), Math.ceil(shortfall / offering.cores))
    if (count <= 0) continue
    decisions.push({ kind: 'create', offering, count, reason: `shortfall of ${shortfall} cores` })
    shortfall -= count * offering.cores
  }
  return decisions
}

function unregistered(view: PolicyView): readonly Decision[] {
  const decisions: Decision[] = []
  for (const { kept, createdMs } of view.vms()) {
    if (isComing(kept.vm.phase) && view.nowMs - createdMs > neverRegisteredMs)
      decisions.push({ kind: 'stop', vmId: kept.vm.id, reason: 'never registered' })
  }
  return decisions
}
