/**
 * Which VMs the plan lets go: the broken, the silent, those whose time is over and those whose image is revoked; never one
 * merely because it is idle.
 *
 * A cloud whose list is missing, old or implausible is frozen: nothing there is ended on such a reading, and a line says so.
 * A revocation needs no reading. After a start of the service no VM counts as silent before it had the time to send a
 * heartbeat again.
 */

import type { Doubted, Unread } from './cause.ts'
import type { CloudView, EndingLine, FleetPolicy, FleetView, BlockedLine } from './fleet.ts'
import type { VmId } from '../kernel/ids.ts'
import type { FaultUnless } from '../model/proof.ts'
import type { CloudVm } from '../model/cloud.ts'
import { contactMs, type KeptVm, isComing, isOver, type Vm } from '../model/vm.ts'
import { durationText } from '../kernel/quantities.ts'

export type Endings = {
  readonly lines: readonly EndingLine[]
  readonly frozen: readonly BlockedLine[]
  /** What is on its way out, or would be if its cloud were not frozen: no work is hoped to be done there. */
  readonly unusable: ReadonlySet<VmId>
}

export function planEndings(view: FleetView, policy: FleetPolicy, nowMs: number): Endings {
  const lines: EndingLine[] = []
  const frozen: BlockedLine[] = []
  const unusable = new Set<VmId>()
  const own = Map.groupBy(view.vms, ({ vm }) => vm.cloud)
  for (const cloud of view.clouds) {
    const reading = doubtOf(cloud, policy, nowMs)
    for (const kept of own.get(cloud.name) ?? []) {
      const line = ending(kept, cloud, policy, nowMs)
      if (!line) continue
      unusable.add(line.vmId)
      if (!reading || line.reason === cloud.revoked.get(kept.vm.image)) lines.push(line)
    }
    if (reading) frozen.push(frozenLine(cloud.name, reading))
  }
  frozen.push(...unsteered(view))
  return { lines, frozen, unusable }
}

/** VMs of clouds that are no longer configured: no director can end them, and the plan shows this to operators. */
function unsteered({ clouds, vms }: FleetView): readonly BlockedLine[] {
  const steered = new Set(clouds.map(({ name }) => name))
  const counts = new Map<string, number>()
  for (const { vm } of vms) if (!steered.has(vm.cloud)) counts.set(vm.cloud, (counts.get(vm.cloud) ?? 0) + 1)
  return [...counts].map(([cloud, count]) => frozenLine(cloud, { kind: 'not-configured', vms: count }))
}

function frozenLine(cloud: string, reading: Unread | Doubted): BlockedLine {
  return { kind: 'hold', cloud, queues: [], jobs: 0, cause: { why: 'frozen', reading } }
}

/** Why nothing may be ended there; undefined: it may. */
function doubtOf({ reading }: CloudView, policy: FleetPolicy, nowMs: number): Unread | Doubted | undefined {
  const unread = unreadOf(reading, policy, nowMs)
  if (unread || reading.implausible === '') return unread
  return { kind: 'implausible', words: reading.implausible }
}

/** Why the cloud is not known well enough to make anything there; undefined: it is. */
export function unreadOf(reading: CloudView['reading'], policy: FleetPolicy, nowMs: number): Unread | undefined {
  const { failure, listBeganMs } = reading
  if (failure !== '') return { kind: 'failed', failure }
  if (listBeganMs === undefined) return { kind: 'never' }
  return nowMs - listBeganMs > policy.listStaleMs ? { kind: 'stale', listBeganMs } : undefined
}

/** Most VMs stay: what a line says is made only for those that do not. */
function ending(kept: KeptVm, cloud: CloudView, policy: FleetPolicy, nowMs: number): EndingLine | undefined {
  const { vm, leases } = kept
  const { phase } = vm
  if (isOver(phase) || phase.state === 'Stopping') return undefined
  const listed = cloud.listed.get(vm.id)
  const power = powerWhy(listed)
  // What the cloud ends by its own wish is no fault of a VM that was of use, and a machine that crashes while it runs jobs
  // did what it was made for.
  if (power !== '')
    return { ...lineOf(vm, 'stop', power, listed?.power === 'ending' ? 'offered' : 'working'), ...blamed(listed) }
  const revoked = cloud.revoked.get(vm.image)
  if (isComing(phase)) {
    if (revoked !== undefined) return lineOf(vm, 'drain', revoked)
    return late(vm, cloud, listed, policy, nowMs)
  }
  if (nowMs >= vm.endByMs) return lineOf(vm, 'stop', 'life over', 'offered')
  const silentMs = nowMs - Math.max(contactMs(vm), cloud.watchedSinceMs)
  if (silentMs > policy.heartbeatTimeoutMs)
    return { ...lineOf(vm, 'stop', `heartbeat lost for ${durationText(silentMs)}`, 'working'), ...asSeen(vm) }
  const unhealthy = vm.beat?.unhealthy ?? ''
  if (phase.state === 'Active') {
    if (revoked !== undefined) return lineOf(vm, 'drain', revoked)
    return unhealthy === '' ? undefined : { ...lineOf(vm, 'drain', `unhealthy: ${unhealthy}`, 'proven'), ...asSeen(vm) }
  }
  // No pilot is left that could report or take a job, and its leases are lost with it: certain only when it is said for a
  // while.
  const isCertain = leases === 0 || nowMs - vm.changedMs > policy.heartbeatTimeoutMs
  if (unhealthy === 'pilot-gone' && isCertain) return { ...lineOf(vm, 'stop', `unhealthy: ${unhealthy}`), ...asSeen(vm) }
  if (leases === 0 && nowMs - vm.changedMs > policy.drainedMs) return lineOf(vm, 'retire', 'drained')
  return undefined
}

/** It is on its way, for longer than it may be. */
function late(
  vm: Vm,
  cloud: CloudView,
  listed: CloudVm | undefined,
  policy: FleetPolicy,
  nowMs: number,
): EndingLine | undefined {
  // A service that was down could not activate anything: what was on its way then gets the time of a heartbeat once more.
  const graceMs = vm.intendedMs < cloud.watchedSinceMs ? cloud.watchedSinceMs + policy.heartbeatTimeoutMs : 0
  const deadlineMs = Math.max(vm.intendedMs + cloud.bootMs, graceMs)
  if (nowMs < deadlineMs) return undefined
  const said = listed?.detail || vm.said
  const reason = `boot deadline: not active ${durationText(nowMs - vm.intendedMs)} after it was wanted`
  const whole = said === undefined ? reason : `${reason}; its cloud says: ${said}`
  return { ...lineOf(vm, 'stop', whole, 'offered'), ...asSeen(vm), ...blamed(listed) }
}

function lineOf(vm: Vm, kind: EndingLine['kind'], reason: string, faultUnless?: FaultUnless): EndingLine {
  return { kind, cloud: vm.cloud, vmId: vm.id, reason, ...(faultUnless ? { faultUnless } : {}) }
}

function asSeen(vm: Vm): Pick<EndingLine, 'ifContactMs'> {
  return { ifContactMs: contactMs(vm) }
}

function blamed(listed: CloudVm | undefined): Pick<EndingLine, 'failure'> {
  return listed?.failure === undefined ? {} : { failure: listed.failure }
}

function powerWhy(listed: CloudVm | undefined): string {
  switch (listed?.power) {
    case 'error':
      return `cloud error: ${listed.detail === '' ? 'no detail' : listed.detail}`
    case 'stopped':
      return 'powered off'
    case 'ending':
      return 'ended by the cloud'
    default:
      return ''
  }
}
