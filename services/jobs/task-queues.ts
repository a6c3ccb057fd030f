/** Task queues: what waits, for whom, and what it waits for. */

import { type Offered, offeredRoom } from '../../core/model/cloud.ts'
import { exactly } from '../../core/language/requirement-class.ts'
import { mayTakeJobs } from '../../core/model/apply.ts'
import { type Caller, visibleVo } from '../../core/access/caller.ts'
import { byCloseness, hasRoom, ruleOutcomes, suits } from '../../core/language/rules.ts'
import type { RuleOutcome } from '../../core/language/rule.ts'
import { type KeptVm, isComing } from '../../core/model/vm.ts'
import { placeOf, roomOf } from '../../core/model/vm-place.ts'
import type { QueueCount, TaskQueue } from '../../core/model/task-queue.ts'
import type { JobStore, VmStore } from '../../core/ports/store.ts'
import { offeredNow } from './offered.ts'
import type { JobPorts } from './ports.ts'

export type TaskQueuePorts = Pick<JobPorts, 'clock' | 'policy' | 'offerings' | 'measured'> & {
  readonly store: Pick<JobStore, 'queues'> & Pick<VmStore, 'liveVms'>
}

/**
 * room: on VMs that are there or coming. vm: one that could be made. cloud: none is configured. nothing: the rules that
 * fail.
 */
export type WaitsFor =
  | { readonly kind: 'room'; readonly up: number; readonly coming: number }
  | { readonly kind: 'vm'; readonly cloud: string; readonly flavor: string; readonly image: string }
  | { readonly kind: 'cloud' }
  | { readonly kind: 'nothing'; readonly closest: readonly RuleOutcome[] }

export type WaitingQueue = QueueCount & { readonly waitsFor: WaitsFor }

export type WaitingQueues = {
  /** How many there are, and how many jobs wait in them. */
  readonly total: number
  readonly waiting: number
  /** The first of them, most waiting first. */
  readonly queues: readonly WaitingQueue[]
}

/** Those that the caller sees, from the one at `from` until that at `end`. What they wait for is found for those alone. */
export async function listTaskQueues(ports: TaskQueuePorts, caller: Caller, end: number, from = 0): Promise<WaitingQueues> {
  const vo = visibleVo(caller)
  const [counts, vms, offered] = await Promise.all([countsOf(ports), ports.store.liveVms(), offeredNow(ports)])
  const own = counts.filter((count) => vo === undefined || count.queue.vo === vo)
  const first = own.sort((a, b) => b.waiting - a.waiting || (a.queue.id < b.queue.id ? -1 : 1)).slice(from, end)
  return {
    total: own.length,
    waiting: own.reduce((sum, { waiting }) => sum + waiting, 0),
    queues: first.map((count) => ({ ...count, waitsFor: waitsFor(offered, firstOf(count), vms, ports.clock.nowMs()) })),
  }
}

/**
 * Reading a thousand takes the store some milliseconds: as many and more are read once a second, however many callers ask.
 */
const sharedFrom = 1000
const sharedMs = 1000
const shared = new WeakMap<TaskQueuePorts, { readonly counts: readonly QueueCount[]; readonly untilMs: number }>()

async function countsOf(ports: TaskQueuePorts): Promise<readonly QueueCount[]> {
  const known = shared.get(ports)
  if (known && ports.clock.monotonicMs() < known.untilMs) return known.counts
  const counts = await ports.store.queues()
  if (counts.length >= sharedFrom) shared.set(ports, { counts, untilMs: ports.clock.monotonicMs() + sharedMs })
  return counts
}

/** What its first job asks for: a class may ask for more, as much as an offering promises. */
function firstOf({ queue, needs }: QueueCount): TaskQueue {
  return { ...queue, requirements: exactly(queue.requirements, needs) }
}

function waitsFor(offered: readonly Offered[], demand: TaskQueue, vms: readonly KeptVm[], nowMs: number): WaitsFor {
  const fitting = vms.filter(({ vm }) => suits(demand, placeOf(vm)) && hasRoom(demand, roomOf(vm, vm.endByMs - nowMs)))
  const up = fitting.filter(({ vm }) => mayTakeJobs(vm.phase.state)).length
  const coming = fitting.filter(({ vm }) => isComing(vm.phase)).length
  if (up + coming > 0) return { kind: 'room', up, coming }
  const offering = offered.find((one) => suits(demand, placeOf(one)) && hasRoom(demand, offeredRoom(one)))
  if (offering) {
    const { cloud, flavor, image } = offering
    return { kind: 'vm', cloud, flavor, image }
  }
  return hopeless(offered, demand)
}

function hopeless(offered: readonly Offered[], demand: TaskQueue): WaitsFor {
  const failing = offered
    .map((offering) => ruleOutcomes(demand, placeOf(offering), offeredRoom(offering)).filter(({ holds }) => !holds))
    .sort(byCloseness)[0]
  return failing ? { kind: 'nothing', closest: failing } : { kind: 'cloud' }
}
