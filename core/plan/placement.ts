/**
 * Placing waiting work on rooms, for the plan: with the matcher's own rules, but by counts instead of jobs.
 *
 * A queue is taken as its requirements and a number; a VM as its place and a room. Nothing here decides who runs where: it
 * only counts how much of what waits is already provided for.
 */

import type { CloudView, FleetPolicy } from './fleet.ts'
import { type KeptVm, isComing, type Vm } from '../model/vm.ts'
import { placeOf, roomOf } from '../model/vm-place.ts'
import type { QueueCount, TaskQueue } from '../model/task-queue.ts'
import type { ClassId } from '../kernel/ids.ts'
import { reservationOf } from '../model/reservation.ts'
import { exactly } from '../language/requirement-class.ts'
import type { Demand, Requirements } from '../model/requirements.ts'
import { memoryWith } from '../language/grant.ts'
import { packed } from '../language/packing.ts'
import { placeKey } from '../language/place-rules.ts'
import { hasRoom, suits } from '../language/rules.ts'
import { type Place, powerOf, type Room, roomLess } from '../model/resources.ts'

/** A task queue while the plan is made: how many of its jobs found which kind of room, and how many are left. */
export type OpenQueue = {
  readonly queue: TaskQueue
  /** What its first job asks for, where its class asks for more: it may fit where the class does not. */
  readonly head?: Demand
  readonly oldestMs: number
  left: number
  free: number
  coming: number
  soon: number
}

/** Most urgent first: by priority, then age, then name. */
export function openQueues(counts: readonly QueueCount[]): readonly OpenQueue[] {
  return counts
    .filter(({ waiting }) => waiting > 0)
    .toSorted((a, b) => b.topPriority - a.topPriority || a.oldestMs - b.oldestMs || (a.queue.id < b.queue.id ? -1 : 1))
    .map(({ queue, waiting, oldestMs, needs }) => {
      const head = needs && { vo: queue.vo, requirements: exactly(queue.requirements, needs) }
      return { queue, head, oldestMs, left: waiting, free: 0, coming: 0, soon: 0 }
    })
}

/** As many jobs of the queue as the room takes, at most `max`: as the matcher would, one after the other. */
export function fill(
  { queue, head }: Pick<OpenQueue, 'queue' | 'head'>,
  room: Room,
  max: number,
): { readonly jobs: number; readonly room: Room } {
  let rest = room
  let jobs = 0
  // Every job takes a core at least, so that this ends with the room.
  while (jobs < max) {
    const next = packed(rest, queue)
    if (!next) break
    rest = next
    jobs += 1
  }
  if (jobs > 0 || !head || max < 1) return { jobs, room: rest }
  const next = packed(rest, head)
  return next ? { jobs: 1, room: next } : { jobs, room: rest }
}

/** Whether a room takes a job of it. */
export function fits({ queue, head }: Pick<OpenQueue, 'queue' | 'head'>, room: Room): boolean {
  return hasRoom(queue, room) || (head !== undefined && hasRoom(head, room))
}

type Kind = 'free' | 'coming' | 'soon'

/** VMs of one nature: suited or not, they are it together. */
type Group = {
  readonly place: Place
  /** Their room is kept for this task queue; absent: for none. */
  readonly classId?: ClassId
  readonly rooms: Record<Kind, Room[]>
  /** What none of the rooms has place for any more: whatever asks for as much is not tried on each of them. */
  readonly refused: Record<Kind, Requirements[]>
}

/** Remembered refusals; none of them asks for as much as another. */
const maxRefused = 16

/**
 * A VM that was silent for this part of `heartbeatTimeoutMs` does not count: the leases of its jobs end before it counts as
 * lost, and these jobs must not wait for the room that they had.
 */
const silentPart = 3

/** Takes off the queues what fits on free room, on VMs that are on their way, and on room that may soon be free. */
export function placeOnFleet(
  queues: readonly OpenQueue[],
  vms: readonly KeptVm[],
  { policy, clouds, nowMs }: { policy: FleetPolicy; clouds: readonly CloudView[]; nowMs: number },
): void {
  const silentBeforeMs = nowMs - policy.heartbeatTimeoutMs / silentPart
  // No VM counts as silent for a time in which no process listened; for a cloud of no plan the listener is not known.
  const since = new Map(clouds.map(({ name, watchedSinceMs }) => [name, watchedSinceMs]))
  const latestMs = Math.max(0, ...since.values())
  const isResponsive = ({ vm }: KeptVm): boolean =>
    Math.max(lastHeartbeatMs(vm), since.get(vm.cloud) ?? latestMs) > silentBeforeMs
  const mayWait = queues.some(({ oldestMs }) => nowMs - oldestMs < policy.softWaitMs)
  // In a busy fleet most VMs are full: what they are does not matter unless work may wait for their jobs to end.
  const useful = vms.filter((kept) => (mayWait || hasFreeCore(kept)) && isResponsive(kept))
  const groups = grouped(useful, nowMs)
  for (const open of queues) {
    const mayUse = ({ classId = open.queue.id }: Group): boolean => classId === open.queue.id
    const suited = groups.filter((group) => mayUse(group) && suits(open.queue, group.place))
    for (const kind of ['free', 'coming', 'soon'] as const) {
      // What has just come may be served by what is about to end; what has waited its time gets a VM of its own.
      if (kind === 'soon' && nowMs - open.oldestMs >= policy.softWaitMs) continue
      for (const group of suited) place(open, group, kind)
    }
  }
}

/** By what was promised: a pilot finds no more. */
function hasFreeCore({ vm, used }: KeptVm): boolean {
  return used.cores < vm.cores
}

/** When a VM sent its last heartbeat; one on its way is not expected to send any. */
function lastHeartbeatMs({ phase, beat }: Vm): number {
  if (isComing(phase)) return Infinity
  return Math.max(beat?.atMs ?? 0, 'activeMs' in phase ? (phase.activeMs ?? 0) : 0)
}

function place(open: OpenQueue, group: Group, kind: Kind): void {
  const rooms = group.rooms[kind]
  const refused = group.refused[kind]
  const asked = (open.head ?? open.queue).requirements
  if (open.left === 0 || refused.some((one) => asksAsMuch(asked, one))) return
  for (let at = 0; at < rooms.length && open.left > 0; at += 1) {
    const room = rooms[at]
    if (!room) continue
    const filled = fill(open, room, open.left)
    if (filled.jobs === 0) continue
    open.left -= filled.jobs
    open[kind] += filled.jobs
    rooms[at] = filled.room
    if (filled.room.cores >= 1) continue
    // A full room leaves the list, so that the next queue does not look at it. The order of rooms does not matter.
    const last = rooms.pop()
    if (last && at < rooms.length) {
      rooms[at] = last
      at -= 1
    }
  }
  if (open.left === 0) return
  group.refused[kind] = [...refused.filter((one) => !asksAsMuch(one, asked)).slice(1 - maxRefused), asked]
}

function asksAsMuch(asked: Requirements, as: Requirements): boolean {
  return (
    asked.cores.min >= as.cores.min &&
    memoryWith(asked.cores.min, asked) >= memoryWith(as.cores.min, as) &&
    asked.diskBytes >= as.diskBytes &&
    asked.wallMs >= as.wallMs &&
    asksTheSameBeside(asked, as)
  )
}

/** What is rare is compared exactly: then it takes the same of any room. */
function asksTheSameBeside(asked: Requirements, as: Requirements): boolean {
  const beside = ({ cores, memoryBytes, memoryPerCoreBytes, wallMs, cpuWorkMs, wholeNode, gpus }: Requirements): string =>
    JSON.stringify([cores, memoryBytes, memoryPerCoreBytes, wallMs, cpuWorkMs, wholeNode, gpus])
  const isPlain = as.cpuWorkMs === undefined && !as.wholeNode && !as.gpus && as.memoryPerCoreBytes === undefined
  // Its wall time may be longer than what its work takes.
  return (isPlain && asked.cpuWorkMs === undefined) || beside(asked) === beside(as)
}

function noRooms<Of>(): Record<Kind, Of[]> {
  return { free: [], coming: [], soon: [] }
}

function grouped(vms: readonly KeptVm[], nowMs: number): readonly Group[] {
  // What is reserved stands in groups of its own.
  const groups = new Map<string, Group>()
  for (const { vm, used } of vms) {
    const { phase } = vm
    const usable = isComing(phase) || (phase.state === 'Active' && (vm.beat?.unhealthy ?? '') === '')
    if (!usable) continue
    const classId = reservationOf(vm, nowMs)?.classId
    const place = placeOf(vm)
    const key = `${placeKey(place)} ${classId ?? ''}`
    const group: Group = groups.get(key) ?? { place, classId, rooms: noRooms(), refused: noRooms() }
    groups.set(key, group)
    const whole = roomOf(vm, vm.endByMs - nowMs)
    if (isComing(phase)) {
      group.rooms.coming.push(whole)
      continue
    }
    const free = roomLess(whole, used)
    if (free.cores >= 1) group.rooms.free.push(free)
    if (used.cores >= 1) group.rooms.soon.push({ ...used, remainingMs: whole.remainingMs, ...powerOf(whole) })
  }
  return [...groups.values()]
}
