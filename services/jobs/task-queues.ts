/** Task queues: what waits, for whom, and in one line what it waits for. */

import { hasRoom, suits, ruleOutcomes } from '../../core/language/rules.ts'
import { type KeptVm, isComing, placeOf, roomOf } from '../../core/model/vm.ts'
import type { QueueCount, TaskQueue } from '../../core/model/task-queue.ts'
import type { JobPorts } from './ports.ts'

export type WaitingQueue = QueueCount & { readonly waitsFor: string }

export type WaitingQueues = {
  /** How many there are, and how many jobs wait in them. */
  readonly total: number
  readonly waiting: number
  /** The first of them, most waiting first. */
  readonly queues: readonly WaitingQueue[]
}

/** What they wait for is found for those alone that are answered. `vo`: only its queues; undefined: all. */
export async function taskQueues(ports: JobPorts, vo: string | undefined, limit: number): Promise<WaitingQueues> {
  const [counts, vms] = await Promise.all([countsOf(ports), ports.store.liveVms()])
  const own = counts.filter((count) => vo === undefined || count.queue.vo === vo)
  const first = own.sort((a, b) => b.waiting - a.waiting || (a.queue.id < b.queue.id ? -1 : 1)).slice(0, limit)
  return {
    total: own.length,
    waiting: own.reduce((sum, { waiting }) => sum + waiting, 0),
    queues: first.map((count) => ({ ...count, waitsFor: waitsFor(ports, count.queue, vms) })),
  }
}

/** Reading a thousand takes the store some milliseconds: as many and more are read once a second, however many callers ask. */
const sharedFrom = 1000
const sharedMs = 1000
const shared = new WeakMap<JobPorts, { readonly counts: readonly QueueCount[]; readonly untilMs: number }>()

async function countsOf(ports: JobPorts): Promise<readonly QueueCount[]> {
  const known = shared.get(ports)
  if (known && ports.clock.monotonicMs() < known.untilMs) return known.counts
  const counts = await ports.store.queues()
  if (counts.length >= sharedFrom) shared.set(ports, { counts, untilMs: ports.clock.monotonicMs() + sharedMs })
  return counts
}

function waitsFor(ports: JobPorts, demand: TaskQueue, vms: readonly KeptVm[]): string {
  const nowMs = ports.clock.nowMs()
  const fitting = vms.filter(({ vm }) => suits(demand, placeOf(vm)) && hasRoom(demand, roomOf(vm, vm.endByMs - nowMs)))
  const up = fitting.filter(({ vm }) => vm.phase.state === 'Active').length
  const coming = fitting.filter(({ vm }) => isComing(vm.phase)).length
  if (up + coming > 0) return `room on ${up} VMs that fit it; ${coming} more are coming`
  const lifeMs = ports.policy.vmLifeMs
  const offering = ports.offerings.find((one) => suits(demand, placeOf(one)) && hasRoom(demand, roomOf(one, lifeMs)))
  if (offering) return `a VM: ${offering.cloud}/${offering.flavor}/${offering.image} fits`
  return hopeless(ports, demand)
}

function hopeless(ports: JobPorts, demand: TaskQueue): string {
  const failing = ports.offerings
    .map((offering) =>
      ruleOutcomes(demand, placeOf(offering), roomOf(offering, ports.policy.vmLifeMs)).filter(({ holds }) => !holds),
    )
    .sort((a, b) => a.length - b.length)[0]
  if (!failing) return 'a cloud: none is configured'
  return `nothing that is configured: ${failing.map(({ rule, wanted, offered }) => `${rule} ${wanted}, offered ${offered}`).join('; ')}`
}
