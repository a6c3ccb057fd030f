/**
 * The director: turns waiting work into VMs, and keeps what is in the clouds and what is in the store one thing.
 *
 * One step is observe, reconcile, plan, execute; it takes no input, may be repeated at any time, and is safe to break off
 * anywhere: what it was about to do is found again in the store and in the clouds' lists. Holds no timers: the runtime makes
 * the loop, and never runs two steps at once.
 */

import { assert } from '../../core/assert.ts'
import type { Offering } from '../../core/cloud.ts'
import { type CloudView, type FleetPlan, type PlanLine, planFleet } from '../../core/fleet.ts'
import type { VmId } from '../../core/ids.ts'
import type { KeptVm } from '../../core/ports/store.ts'
import { isOver, refOf, type Vm, type VmEvent } from '../../core/vm.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { type CloudHand, createAgain, createVm } from './create.ts'
import { destroyOrphan, destroyVm } from './destroy.ts'
import { eachOf, inLane } from './lane.ts'
import { type CloudMemory, newMemory, prune } from './memory.ts'
import { observe, type Reading } from './observe.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'
import { planKeeper } from './plan-note.ts'
import { reconcile, type Reconciled } from './reconcile.ts'
import { record } from './record.ts'

export type Director = {
  /** Observe, reconcile, plan, execute. Throws where the store fails; a cloud's failures are part of the plan. */
  step(): Promise<FleetPlan>
  /** Resolves when no call to a cloud is under way. */
  settled(): Promise<void>
}

type Desk = { readonly directed: DirectedCloud; readonly memory: CloudMemory }
type Fleet = Map<VmId, KeptVm>
type Found = { readonly reading: Reading; readonly reconciled?: Reconciled }

export function director(options: DirectorOptions): Director {
  const { store, clock, policy, log } = options
  const desks: readonly Desk[] = options.clouds.map((directed) => ({ directed, memory: newMemory() }))
  const keeper = planKeeper(options.name, policy.planEveryMs, options)
  let opened: Breakers | undefined
  let watchedSinceMs: number | undefined
  let isStepping = false

  async function step(): Promise<FleetPlan> {
    watchedSinceMs ??= clock.nowMs()
    opened ??= await openBreakers(store, (name) => policyOf(options.clouds, name))
    const breakers = opened
    const readings = await Promise.all(desks.map(({ directed, memory }) => observe(directed, memory, options)))
    // After the lists: whatever they show has its record by now.
    const [live, queues] = await Promise.all([store.liveVms(), store.queues()])
    const fleet: Fleet = new Map(live.map((kept) => [kept.vm.id, kept]))
    breakers.learn(live, clock.nowMs())
    const found: Found[] = []
    for (const [at, desk] of desks.entries()) {
      const reading = readings[at] ?? { ok: false, why: 'it was not read' }
      found.push(await compare(desk, reading, fleet, breakers, watchedSinceMs))
    }
    const nowMs = clock.nowMs()
    const vms = [...fleet.values()]
    const clouds = desks.map((desk, at) => viewOf(desk, found[at]))
    const view = { queues, vms, clouds, breakers: breakers.now(vms, nowMs), watchedSinceMs }
    const plan = planFleet(view, policy, nowMs)
    await keeper.keep(plan)
    await endVms(plan.lines, fleet, breakers)
    await Promise.all(desks.map((desk, at) => execute(desk, plan.lines, fleet, breakers, found[at]?.reconciled)))
    if (await breakers.keep(clock.nowMs())) options.bus.hint({ kind: 'clouds', ids: desks.map(nameOf) })
    return plan
  }

  /** The cloud's list and our records learn from each other. */
  async function compare(
    { directed, memory }: Desk,
    reading: Reading,
    fleet: Fleet,
    breakers: Breakers,
    sinceMs: number,
  ): Promise<Found> {
    if (!reading.ok) {
      log.warn({ cloud: directed.cloud.name, why: reading.why }, 'a cloud could not be read')
      return { reading }
    }
    prune(memory, fleet, reading.list)
    const comparison = {
      cloud: directed.cloud.name,
      list: reading.list,
      listBeganMs: reading.beganMs,
      live: fleet,
      ended: await endedRecords(reading, fleet),
      memory,
      offerings: directed.offerings,
      bootMs: directed.bootMs,
      watchedSinceMs: sinceMs,
      policy,
      isBarred: (vm: Vm) => breakers.isOpen(vm, clock.nowMs()),
    }
    const reconciled = reconcile(comparison, clock.nowMs())
    const { listed, implausible, missing, strangers } = reconciled
    Object.assign(memory, { listed, implausible, missing, strangers, quota: reading.quota, listBeganMs: reading.beganMs })
    await change(reconciled.events, fleet)
    for (const vm of reconciled.bootFailed) breakers.bootFailed(vm, `${vm.id} vanished before it came up`, clock.nowMs())
    return { reading, reconciled }
  }

  async function endedRecords(reading: Extract<Reading, { ok: true }>, fleet: Fleet): Promise<ReadonlyMap<VmId, Vm>> {
    const unknown = [...new Set(reading.list.map(({ vmId }) => vmId))].filter((id) => !fleet.has(id))
    const records = await Promise.all(unknown.map((id) => store.vm(id)))
    return new Map(records.flatMap((kept) => (kept ? [[kept.vm.id, kept.vm] as const] : [])))
  }

  async function endVms(lines: readonly PlanLine[], fleet: Fleet, breakers: Breakers): Promise<void> {
    const events: VmEvent[] = []
    for (const line of lines) {
      if (line.kind === 'create' || line.kind === 'hold') continue
      events.push({ kind: line.kind, vmId: line.vmId, why: line.reason })
      const vm = fleet.get(line.vmId)?.vm
      if (vm && line.bootFailed) breakers.bootFailed(vm, `${vm.id}: ${line.reason}`, clock.nowMs())
    }
    await change(events, fleet)
  }

  /** Applies to the store, and to what this step knows of the fleet. */
  async function change(events: readonly VmEvent[], fleet: Fleet): Promise<void> {
    for (const outcome of await record(options, events)) {
      if (!outcome.ok) continue
      const kept = fleet.get(outcome.vm.id)
      if (isOver(outcome.vm.phase)) fleet.delete(outcome.vm.id)
      else if (kept) fleet.set(outcome.vm.id, { ...kept, vm: outcome.vm, leases: outcome.leases })
    }
  }

  async function execute(
    { directed, memory }: Desk,
    lines: readonly PlanLine[],
    fleet: Fleet,
    breakers: Breakers,
    reconciled?: Reconciled,
  ): Promise<void> {
    const hand: CloudHand = { options, directed, memory, breakers }
    const { name } = directed.cloud
    const work: (() => Promise<void>)[] = []
    let isLate = false
    // What was not begun when the step went on belongs to the next plan, which may want it elsewhere.
    const make = async (offering: Offering, reason: string): Promise<void> => {
      if (!isLate) await createVm(hand, offering, reason)
    }
    for (const { vm } of fleet.values()) {
      const isEnding = vm.cloud === name && vm.phase.state === 'Stopping' && refOf(vm.phase) !== ''
      if (isEnding) work.push(() => destroyVm(hand, vm))
    }
    for (const orphan of reconciled?.orphans ?? []) work.push(() => destroyOrphan(hand, orphan))
    for (const { id } of reconciled?.again ?? []) {
      const vm = fleet.get(id)?.vm
      if (vm?.phase.state === 'Intended') work.push(() => createAgain(hand, vm))
    }
    for (const line of lines) {
      if (line.kind !== 'create' || line.cloud !== name) continue
      for (let count = 0; count < line.count; count += 1) work.push(() => make(line.offering, line.reason))
    }
    if (work.length === 0) return
    const outcome = await inLane(memory, () => eachOf(work, policy.calls, (run) => run()), {
      clock,
      waitMs: policy.waitMs,
      onLateError: (error) => log.error({ cloud: name, error }, 'late work on a cloud failed'),
    })
    isLate = outcome.kind !== 'done'
    if (isLate) log.warn({ cloud: name, kind: outcome.kind }, 'a cloud is slow: the step goes on without it')
  }

  return {
    async step() {
      assert(!isStepping, 'a director makes one step at a time')
      isStepping = true
      try {
        return await step()
      } finally {
        isStepping = false
      }
    },
    async settled() {
      await Promise.all(desks.map(({ memory }) => memory.busy))
    },
  }
}

function viewOf({ directed, memory }: Desk, found: Found | undefined): CloudView {
  const { cloud, offerings, limits, bootMs, lifeMs } = directed
  const failure = found?.reading.ok === false ? found.reading.why : ''
  return {
    name: cloud.name,
    offerings,
    limits,
    bootMs,
    lifeMs,
    quota: memory.quota,
    reading: { listBeganMs: memory.listBeganMs, failure, implausible: found?.reconciled?.doubt ?? '' },
    listed: memory.listed,
    strays: found?.reconciled?.strays ?? { vms: 0, cores: 0, memoryBytes: 0 },
  }
}

function nameOf({ directed }: Desk): string {
  return directed.cloud.name
}

function policyOf(clouds: readonly DirectedCloud[], name: string): DirectedCloud['breaker'] {
  const directed = clouds.find(({ cloud }) => cloud.name === name)
  assert(directed !== undefined, `cloud ${name} is directed`)
  return directed.breaker
}
