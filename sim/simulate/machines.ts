/**
 * The life of VMs: a policy wants one, its cloud makes it or refuses, it comes up or never does, it is idle, crashes or is
 * taken back, and ends. The record of a VM changes by core's rules (`changeVm`) alone.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import { provenAfterMs } from '../../core/kernel/limits.ts'
import type { CloudFailure, Offering } from '../../core/model/cloud.ts'
import { noResources } from '../../core/model/resources.ts'
import { changeVm, type Heartbeat, isComing, isUp, type Vm, type VmEvent } from '../../core/model/vm.ts'
import { loseRuns, pilotOf } from './attempts.ts'
import { addBill, moneyOf, newBill, settled } from './bill.ts'
import { advance } from './billing.ts'
import { countDecision } from './measure.ts'
import { spotTag, type Times } from './site.ts'
import type { Blame } from './policies/policy.ts'
import type { SimCloud, SimVm, World } from './world.ts'

const hourMs = 3_600_000

/** One VM, if its cloud makes it. */
export function createVm(world: World, offering: Offering, reason: string): void {
  const { clouds, policy, time, dice, measure } = world
  const cloud = clouds.find(({ name }) => name === offering.cloud)
  if (!cloud) throw new Error(`assertion failed: there is no cloud ${offering.cloud}`)
  const nowMs = time.nowMs()
  if (policy.hasBreakers && cloud.breakers.isOpen(offering, nowMs)) return
  const failure = isFull(cloud, offering) ? 'quota' : dice.chance(cloud.spec.faults.noRoom) ? 'capacity' : undefined
  if (failure !== undefined) {
    refuse(world, cloud, offering, failure)
    return
  }
  cloud.breakers.accepted(offering)
  countDecision(measure, `create ${offering.cloud}/${offering.flavor}`)
  world.madeVms += 1
  const vm: SimVm = {
    ...{ cloud, createdMs: nowMs, bill: newBill(), runs: new Map(), openCores: 0, idleSinceMs: nowMs, hadJobs: false },
    ...{ isEnding: false, billedMs: nowMs },
    kept: { vm: recordOf(world, offering, reason), leases: 0, used: noResources },
  }
  change(world, vm, { kind: 'accepted', vmId: vm.kept.vm.id, ref: vm.kept.vm.id })
  world.vms.set(vm.kept.vm.id, vm)
  count(world, cloud, vm, 1)
  cloud.tally.coming += 1
  cloud.tally.comingCores += offering.cores
  measure.coming.add(1, nowMs)
  const bootMs = timeOf(world, cloud.spec.boot)
  if (!dice.chance(cloud.spec.faults.noBoot)) time.after(bootMs, () => comeUp(world, vm))
}

function isFull({ quota, tally }: SimCloud, { cores, memoryBytes }: Offering): boolean {
  return (
    tally.vms + 1 > quota.vms || tally.cores + cores > quota.cores || tally.memoryBytes + memoryBytes > quota.memoryBytes
  )
}

function refuse(world: World, cloud: SimCloud, offering: Offering, failure: CloudFailure): void {
  cloud.refusals[failure] = (cloud.refusals[failure] ?? 0) + 1
  cloud.breakers.failed(offering, failure, `no VM: ${failure}`, world.time.nowMs())
  world.isTroubled = true
}

function recordOf(world: World, offering: Offering, reason: string): Vm {
  const nowMs = world.time.nowMs()
  return {
    ...offering,
    id: `vm-${String(world.madeVms).padStart(7, '0')}` as VmId,
    phase: { state: 'Intended' },
    reason,
    ...{ intendedMs: nowMs, changedMs: nowMs, endByMs: nowMs + world.site.vm.maxLifetimeMs },
    activation: { keyHash: '', untilMs: Infinity },
  }
}

function timeOf({ dice }: World, { median, spread }: Times): number {
  if (spread === 0) return median
  // Box and Muller: two even numbers make a normal one.
  const normal = Math.sqrt(-2 * Math.log(1 - dice.between(0, 1))) * Math.cos(2 * Math.PI * dice.between(0, 1))
  return Math.round(median * Math.exp(spread * normal))
}

/** False: core refused the change. */
function change(world: World, vm: SimVm, event: VmEvent): boolean {
  const { kept, cloud } = vm
  const decision = changeVm(kept.vm, event, kept.leases, world.time.nowMs())
  if (!decision.ok) return false
  kept.vm = decision.next
  cloud.breakers.learn([kept.vm], world.time.nowMs())
  return true
}

function comeUp(world: World, vm: SimVm): void {
  const { kept, cloud } = vm
  const { time, measure, matcher } = world
  if (!isComing(kept.vm.phase)) return
  const nowMs = time.nowMs()
  advance(vm, nowMs)
  const vmId = kept.vm.id
  change(world, vm, { kind: 'activated', vmId, keyHash: '', nonceHash: '' })
  change(world, vm, { kind: 'heartbeat', vmId, heartbeat: heartbeatOf(world, vm) })
  leaveComing(world, vm)
  cloud.tally.active += 1
  cloud.tally.activeCores += kept.vm.cores
  cloud.tally.idle += 1
  world.freeCores += kept.vm.cores
  measure.active.add(1, nowMs)
  vm.idleSinceMs = nowMs
  vm.bill.wasted.booting = vm.bill.paid
  vm.pilot = pilotOf(world, vm)
  vm.openCores = kept.vm.cores
  matcher.join(vm.pilot)
  matcher.serve(vm.pilot)
  watchIdle(world, vm)
  drawFate(world, vm)
  time.after(kept.vm.endByMs - nowMs, () => stopVm(world, vm, 'life over'))
  // The heartbeat that proves it: a VM that is not proven counts as the probe of a breaker that opens later.
  time.after(provenAfterMs, () => void beatOnce(world, vm))
}

function beatOnce(world: World, vm: SimVm): boolean {
  if (!isUp(vm.kept.vm.phase) || vm.crashedMs !== undefined) return false
  return change(world, vm, { kind: 'heartbeat', vmId: vm.kept.vm.id, heartbeat: heartbeatOf(world, vm) })
}

/** Its time is now for as long as the VM lives: a heartbeat every few seconds would be most of all events. */
function heartbeatOf({ time }: World, vm: SimVm): Heartbeat {
  const none = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }
  return {
    ...none,
    ...{ pilotState: 'idle', unhealthy: '' },
    get atMs() {
      return vm.crashedMs ?? time.nowMs()
    },
  }
}

/** When it crashes, or is taken back. */
function drawFate(world: World, vm: SimVm): void {
  const { dice, time } = world
  const { crashesPerHour, preemptionsPerHour, preemptionNotice } = vm.cloud.spec.faults
  const inWholeMs = (perHour: number): number => Math.ceil(dice.about(hourMs / perHour))
  if (crashesPerHour > 0) time.after(inWholeMs(crashesPerHour), () => crash(world, vm))
  if (preemptionsPerHour === 0 || !vm.kept.vm.tags.includes(spotTag)) return
  time.after(inWholeMs(preemptionsPerHour), () => {
    if (!isUp(vm.kept.vm.phase)) return
    countDecision(world.measure, `preemption ${vm.cloud.name}`)
    drainVm(world, vm, 'spot interruption')
    time.after(preemptionNotice, () => gone(world, vm))
  })
}

function crash(world: World, vm: SimVm): void {
  const { time, measure } = world
  if (!isUp(vm.kept.vm.phase) || vm.crashedMs !== undefined) return
  countDecision(measure, `crash ${vm.cloud.name}`)
  closePilot(world, vm)
  advance(vm, time.nowMs())
  vm.crashedMs = time.nowMs()
  world.crashed.add(vm)
  loseRuns(world, vm)
  world.isTroubled = true
}

/** A job takes cores of it. */
export function used(world: World, vm: SimVm, cores: number): void {
  const { tally } = vm.cloud
  tally.usedCores += cores
  vm.hadJobs = true
  if (!vm.pilot) return
  world.freeCores -= cores
  if (vm.kept.leases === 1) tally.idle -= 1
}

/** A job takes these cores no more. */
export function freed(world: World, vm: SimVm, cores: number): void {
  const { tally } = vm.cloud
  tally.usedCores -= cores
  if (vm.kept.leases === 0) vm.idleSinceMs = world.time.nowMs()
  if (!vm.pilot) {
    endDrained(world, vm)
    return
  }
  world.freeCores += cores
  vm.openCores += cores
  if (vm.kept.leases > 0) return
  tally.idle += 1
  watchIdle(world, vm)
}

/** The monitor of the VM asks for its end. */
function watchIdle(world: World, vm: SimVm): void {
  const { idle } = world.policy
  if (!idle) return
  const { timeoutMs, neverUsedMs = timeoutMs, lookEveryMs, minLifetimeMs = 0 } = idle
  const sinceMs = vm.idleSinceMs
  const upMs = 'activeMs' in vm.kept.vm.phase ? (vm.kept.vm.phase.activeMs ?? 0) : 0
  const endMs = Math.max(sinceMs + (vm.hadJobs ? timeoutMs : neverUsedMs), upMs + minLifetimeMs)
  const looks = lookEveryMs === undefined ? 0 : Math.ceil((endMs - upMs) / lookEveryMs)
  const atMs = lookEveryMs === undefined ? endMs : upMs + looks * lookEveryMs
  world.time.after(atMs - world.time.nowMs(), () => {
    if (vm.pilot && vm.kept.leases === 0 && vm.idleSinceMs === sinceMs) retireVm(world, vm, 'idle')
  })
}

export function drainVm(world: World, vm: SimVm, why: string): void {
  const { state } = vm.kept.vm.phase
  if (state === 'Draining' || state === 'Stopping') return
  const wasComing = isComing(vm.kept.vm.phase)
  advance(vm, world.time.nowMs())
  if (!change(world, vm, { kind: 'drain', vmId: vm.kept.vm.id, why })) return
  countDecision(world.measure, `drain: ${why}`)
  closePilot(world, vm)
  world.isTroubled = true
  if (wasComing) stopped(world, vm, wasComing)
  else endDrained(world, vm)
}

/** A VM that drains ends with its last job. */
function endDrained(world: World, vm: SimVm): void {
  if (vm.kept.vm.phase.state === 'Draining' && vm.kept.leases === 0) retireVm(world, vm, 'drained')
}

export function retireVm(world: World, vm: SimVm, why: string): void {
  if (vm.kept.leases > 0 || vm.kept.vm.phase.state === 'Stopping') return
  end(world, vm, { kind: 'retire', vmId: vm.kept.vm.id, why })
}

export function stopVm(world: World, vm: SimVm, why: string, blame: Blame = {}): void {
  if (vm.kept.vm.phase.state === 'Stopping') return
  end(world, vm, { kind: 'stop', vmId: vm.kept.vm.id, why, ...blame })
}

function end(world: World, vm: SimVm, event: Extract<VmEvent, { kind: 'retire' | 'stop' }>): void {
  advance(vm, world.time.nowMs())
  const wasComing = isComing(vm.kept.vm.phase)
  if (!change(world, vm, event)) return
  const [reason = ''] = event.why.split(':')
  countDecision(world.measure, `${event.kind}: ${reason}`)
  closePilot(world, vm)
  loseRuns(world, vm)
  stopped(world, vm, wasComing)
}

function stopped(world: World, vm: SimVm, wasComing: boolean): void {
  if (wasComing) {
    vm.bill.wasted['never up'] = vm.bill.paid
    leaveComing(world, vm)
  }
  world.measure.stopping.add(1, world.time.nowMs())
  world.toEnd.add(vm)
}

/** The cloud is asked to end those that stop: in each step, as the director does. */
export function askEnds(world: World): void {
  for (const vm of world.toEnd) {
    world.toEnd.delete(vm)
    if (vm.isEnding) continue
    vm.isEnding = true
    world.time.after(timeOf(world, vm.cloud.spec.stop), () => gone(world, vm))
  }
}

function gone(world: World, vm: SimVm): void {
  const { vms, time, measure } = world
  if (!vms.has(vm.kept.vm.id)) return
  const nowMs = time.nowMs()
  const was = vm.kept.vm.phase.state
  advance(vm, nowMs)
  change(world, vm, { kind: 'absent', vmId: vm.kept.vm.id, why: 'gone' })
  closePilot(world, vm)
  loseRuns(world, vm)
  if (was === 'Stopping') measure.stopping.add(-1, nowMs)
  world.toEnd.delete(vm)
  world.crashed.delete(vm)
  vms.delete(vm.kept.vm.id)
  count(world, vm.cloud, vm, -1)
  closeBill(vm, nowMs)
}

export function closeBill(vm: SimVm, nowMs: number): void {
  vm.bill.vms = 1
  vm.bill.money = moneyOf(vm.kept.vm.pricePerHour, nowMs - vm.createdMs, vm.cloud.spec.billingUnitMs)
  addBill(vm.cloud.bill, settled(vm.bill))
}

/** It takes no more jobs. */
function closePilot(world: World, vm: SimVm): void {
  if (!vm.pilot) return
  const { tally } = vm.cloud
  world.matcher.leave(vm.pilot)
  vm.pilot = undefined
  vm.openCores = 0
  tally.active -= 1
  tally.activeCores -= vm.kept.vm.cores
  if (vm.kept.leases === 0) tally.idle -= 1
  world.freeCores -= vm.kept.vm.cores - vm.kept.used.cores
  world.measure.active.add(-1, world.time.nowMs())
}

function leaveComing(world: World, { cloud, kept }: SimVm): void {
  cloud.tally.coming -= 1
  cloud.tally.comingCores -= kept.vm.cores
  world.measure.coming.add(-1, world.time.nowMs())
}

function count({ measure, time }: World, { tally }: SimCloud, { kept }: SimVm, sign: 1 | -1): void {
  tally.vms += sign
  tally.cores += sign * kept.vm.cores
  tally.memoryBytes += sign * kept.vm.memoryBytes
  measure.paidCores.add(sign * kept.vm.cores, time.nowMs())
}
