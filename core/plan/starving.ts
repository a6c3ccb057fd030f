/**
 * Which task queues starve: their next job fits on a whole VM, but needs more than jobs leave free there at one time, so
 * that smaller jobs take each piece before enough of it is free. And which VM may be reserved for one.
 *
 * Pure, and bounded by task queues times kinds of VMs in the usual case. Only what has its turn starves: a task queue that
 * stands before it in the order of shares, and that is served by what becomes free anyway, keeps what it would be given.
 */

import type { ClassId } from '../kernel/ids.ts'
import { exactly } from '../language/requirement-class.ts'
import { placeKey } from '../language/place-rules.ts'
import { hasRoom, suits } from '../language/rules.ts'
import type { Demand } from '../model/requirements.ts'
import { reservationOf } from '../model/reservation.ts'
import { fits, minus, plus, powerOf, shared, type Place, type Resources, type Room, roomLess } from '../model/resources.ts'
import type { QueueCount } from '../model/task-queue.ts'
import type { KeptVm } from '../model/vm.ts'
import { placeOf, roomOf } from '../model/vm-place.ts'

export type ReservableVm = {
  readonly kept: KeptVm
  readonly whole: Room
  readonly free: Room
  /** What is free when one more of its jobs has ended: by the average of them. */
  readonly freeNext: Room
}

export type StarvingQueue = {
  readonly count: QueueCount
  /** What its next job asks for. */
  readonly demand: Demand
  /** VMs with room for it once jobs on them have ended, those first that lack the fewest cores. */
  readonly vms: readonly ReservableVm[]
}

type Group = { readonly place: Place; readonly vms: ReservableVm[]; isOpen: boolean }

/** VMs that may be reserved: Active and healthy, for jobs, and not reserved yet. */
function groupsOf(vms: readonly KeptVm[], nowMs: number): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const kept of vms) {
    const { vm, used, leases } = kept
    const isUsable = vm.phase.state === 'Active' && vm.service === undefined && (vm.beat?.unhealthy ?? '') === ''
    if (!isUsable || reservationOf(vm, nowMs)) continue
    const place = placeOf(vm)
    const key = placeKey(place)
    const group: Group = groups.get(key) ?? { place, vms: [], isOpen: true }
    groups.set(key, group)
    const whole = roomOf(vm, vm.endByMs - nowMs)
    group.vms.push({
      kept,
      whole,
      free: roomLess(whole, used),
      freeNext: roomLess(whole, minus(used, shared(used, leases))),
    })
  }
  return [...groups.values()]
}

/**
 * Of the task queues in the order of their turn, at most `max` that starve. `reserved`: those that have a VM already; they
 * keep no others from theirs.
 */
export function starvingQueues(
  inTurn: readonly QueueCount[],
  vms: readonly KeptVm[],
  { reserved, max, nowMs }: { readonly reserved: ReadonlySet<ClassId>; readonly max: number; readonly nowMs: number },
): readonly StarvingQueue[] {
  const groups = groupsOf(vms, nowMs)
  const starving: StarvingQueue[] = []
  for (const count of inTurn) {
    if (starving.length >= max || !groups.some(({ isOpen }) => isOpen)) break
    if (reserved.has(count.queue.id)) continue
    const { vo, requirements } = count.queue
    const demand = { vo, requirements: exactly(requirements, count.needs) }
    const suited = groups.filter(({ isOpen, place }) => isOpen && suits(demand, place))
    const fitting = suited.filter(({ vms: all }) => all.some(({ whole }) => hasRoom(demand, whole)))
    const isServed = fitting.some(({ vms: all }) => all.some(({ freeNext }) => hasRoom(demand, freeNext)))
    if (isServed) for (const group of fitting) group.isOpen = false
    else if (fitting.length > 0) starving.push({ count, demand, vms: bestFirst(fitting, demand) })
  }
  return starving
}

function bestFirst(groups: readonly Group[], demand: Demand): readonly ReservableVm[] {
  const { min } = demand.requirements.cores
  const lacks = ({ free }: ReservableVm): number => Math.max(0, min - free.cores)
  return groups
    .flatMap(({ vms }) => vms.filter(({ whole }) => hasRoom(demand, whole)))
    .sort((a, b) => lacks(a) - lacks(b) || (a.kept.vm.id < b.kept.vm.id ? -1 : 1))
}

/** A job that runs on the VM, with what it holds, and when its wall time is over. */
export type Running = { readonly held: Resources; readonly endMs: number }

/**
 * When there is room for the demand if every job takes all of its wall time; `nowMs` where there is room already. Undefined:
 * not before the VM has to end.
 */
export function roomFreeMs(
  { whole, free }: ReservableVm,
  demand: Demand,
  running: readonly Running[],
  nowMs: number,
): number | undefined {
  let [room, atMs] = [free, nowMs]
  for (const { held, endMs } of running.toSorted((a, b) => a.endMs - b.endMs)) {
    if (hasRoom(demand, room)) break
    atMs = Math.max(nowMs, endMs)
    const more = plus(room, held)
    room = { ...more, ...powerOf(whole), remainingMs: whole.remainingMs - (atMs - nowMs), isWhole: fits(whole, more) }
  }
  return hasRoom(demand, room) ? atMs : undefined
}
