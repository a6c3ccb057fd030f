/**
 * The fleet: which VMs to want, and which to let go. One plan over all clouds, so that no waiting job is counted twice.
 *
 * Pure: the same view gives the same plan, and every line of it says why. Waiting work is placed, with the matcher's own fit
 * functions, on what is free, then on what is on its way, then on what may soon be free, and only the rest on VMs that do
 * not exist yet. Refuses to know how a VM is made or ended, and never scales down: an idle VM asks for its end by itself, so
 * the plan ends only what is broken or over its time.
 */

import type { FleetView, FleetPolicy, FleetPlan } from './fleet.ts'
import { planEndings } from './endings.ts'
import { grow } from './growth.ts'
import { blockedLines } from './blocked.ts'
import { headrooms } from './headroom.ts'
import { planServices } from './services.ts'
import { openQueues, placeOnFleet } from './placement.ts'

/**
 * Bounded: a queue costs what its share of a VM costs, however many jobs wait in it; 500 queues and 1000 VMs take some ten
 * milliseconds. Limits and quotas count every VM that is not over, so that they hold at every moment of the execution.
 */
export function planFleet(view: FleetView, policy: FleetPolicy, nowMs: number): FleetPlan {
  const endings = planEndings(view, policy, nowMs)
  const left = headrooms(view, policy, nowMs)
  const first = planServices(view, endings, left, nowMs)
  const queues = openQueues(view.queues)
  const staying = view.vms.filter(({ vm }) => vm.service === undefined && !endings.unusable.has(vm.id))
  placeOnFleet(queues, staying, { policy, clouds: view.clouds, nowMs })
  const grown = grow(queues, view.clouds, left)
  // A probe that nothing else wanted may repeat the order that failed last.
  const isAgain = first.creates.length === 0 && grown.mayRepeat
  const services = isAgain ? planServices(view, endings, left, nowMs) : first
  const ends = [...endings.lines, ...services.endings]
  const blocked = [...endings.frozen, ...services.blocked, ...blockedLines(queues, grown, view)]
  return { atMs: nowMs, lines: [...ends, ...services.creates, ...grown.creates, ...blocked] }
}
