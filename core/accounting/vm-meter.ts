/**
 * The meter of a VM: divides its core time, while facts come, into what attempts hold and what is overhead, by reason.
 *
 * Its own time only goes forward: facts of several processes may be a little out of order, and a clock may be put back. So
 * the parts always add up to the cores times the life of the VM, whatever times the facts say. It knows no store.
 *
 *   phase      entered with          what its free cores are
 *   coming     the intent            boot
 *   up         Active                idle; unfilled while an attempt holds some; service if it serves its site
 *   draining   Draining              draining
 *   stopping   Stopping              stopping
 *   over       Gone, Failed, Lost    nothing any more; what attempts hold ends as well
 */

import type { AttemptRef, VmId } from '../kernel/ids.ts'
import { moneyFor, type Overhead, overheadMoney, type UsagePlace, type VmUsage } from '../model/usage-record.ts'
import type { Vm } from '../model/vm.ts'

/** `sinceMs`: by the meter's time. */
type OpenAttempt = AttemptRef & { readonly cores: number; readonly sinceMs: number }

/** Plain data: a store keeps it between two batches of facts. */
export type VmMeter = UsagePlace & {
  readonly vmId: VmId
  /** Empty: it serves several VOs. */
  readonly vo: string
  readonly cores: number
  readonly memoryBytes: number
  readonly gpus?: number
  readonly pricePerHour: number
  readonly isService: boolean
  readonly phase: 'coming' | 'up' | 'draining' | 'stopping' | 'over'
  /** Whether its cloud ever named a machine: a VM without one cost nothing. */
  readonly hasMachine: boolean
  readonly intendedMs: number
  readonly activeMs?: number
  /** Everything until then is divided. */
  readonly atMs: number
  readonly open: readonly OpenAttempt[]
  readonly attempts: number
  readonly usedCoreMs: number
  readonly overheadCoreMs: Readonly<Partial<Record<Overhead, number>>>
  readonly state?: VmUsage['state']
}

export function newMeter(vm: Vm, intendedMs: number): VmMeter {
  const { id, vos, site, cloud, flavor, cores, memoryBytes, gpus, pricePerHour, service } = vm
  return {
    vmId: id,
    vo: vos.length === 1 ? (vos[0] ?? '') : '',
    site,
    cloud,
    flavor,
    cores,
    memoryBytes,
    ...(gpus ? { gpus } : {}),
    pricePerHour,
    isService: service !== undefined,
    phase: 'coming',
    hasMachine: false,
    intendedMs,
    atMs: intendedMs,
    open: [],
    attempts: 0,
    usedCoreMs: 0,
    overheadCoreMs: {},
  }
}

function freeReason({ phase, isService, open }: VmMeter): Overhead {
  switch (phase) {
    case 'up':
      if (isService) return 'service'
      return open.length === 0 ? 'idle' : 'unfilled'
    case 'draining':
      return 'draining'
    case 'stopping':
      return 'stopping'
    default:
      return 'boot'
  }
}

/** Everything until `toMs` is divided; a time that has passed changes nothing. */
export function advanced(meter: VmMeter, toMs: number, reason: Overhead = freeReason(meter)): VmMeter {
  const forMs = toMs - meter.atMs
  if (meter.phase === 'over' || forMs <= 0) return meter
  const held = meter.open.reduce((sum, { cores }) => sum + cores, 0)
  const free = Math.max(0, meter.cores - held) * forMs
  return { ...meter, atMs: toMs, overheadCoreMs: free === 0 ? meter.overheadCoreMs : withMore(meter, reason, free) }
}

function withMore({ overheadCoreMs }: VmMeter, reason: Overhead, coreMs: number): VmMeter['overheadCoreMs'] {
  return { ...overheadCoreMs, [reason]: (overheadCoreMs[reason] ?? 0) + coreMs }
}

/** A pilot on it claimed a job. */
export function claimedOn(meter: VmMeter, { jobId, attempt }: AttemptRef, cores: number, atMs: number): VmMeter {
  const now = advanced(meter, atMs)
  if (now.open.some((one) => one.jobId === jobId && one.attempt === attempt)) return now
  return { ...now, attempts: now.attempts + 1, open: [...now.open, { jobId, attempt, cores, sinceMs: now.atMs }] }
}

export type EndedOn = { readonly meter: VmMeter; readonly coreMs: number; readonly moneyMicros: number }

/** Undefined: the attempt is not open on it. */
export function endedOn(meter: VmMeter, { jobId, attempt }: AttemptRef, atMs: number): EndedOn | undefined {
  const one = meter.open.find((open) => open.jobId === jobId && open.attempt === attempt)
  if (!one) return undefined
  const now = advanced(meter, atMs)
  const coreMs = one.cores * (now.atMs - one.sinceMs)
  const open = now.open.filter((other) => other !== one)
  const next = { ...now, open, usedCoreMs: now.usedCoreMs + coreMs }
  return { meter: next, coreMs, moneyMicros: moneyFor(coreMs, meter) }
}

export function machineOf(meter: VmMeter, ref: string | undefined): VmMeter {
  return ref !== undefined && ref !== '' && !meter.hasMachine ? { ...meter, hasMachine: true } : meter
}

/** It came into the state of a VM that has not ended. */
export function enteredBy(meter: VmMeter, phase: 'coming' | 'up' | 'draining' | 'stopping', atMs: number): VmMeter {
  if (meter.phase === 'over') return meter
  const now = advanced(meter, atMs)
  if (phase !== 'up' || now.activeMs !== undefined) return { ...now, phase }
  return { ...now, phase, hasMachine: true, activeMs: now.atMs }
}

/** `contactMs`: its last contact, of a VM that was lost; absent: none, or it was not lost. */
export function overAt(meter: VmMeter, state: VmUsage['state'], atMs: number, contactMs: number | undefined): VmMeter {
  if (meter.phase === 'over') return meter
  if (meter.activeMs === undefined) {
    const { coreMs } = advancedBare(meter, atMs)
    const overheadCoreMs = meter.hasMachine ? { 'failed-boot': coreMs } : {}
    return { ...meter, phase: 'over', state, atMs: Math.max(meter.atMs, atMs), overheadCoreMs }
  }
  const silent = contactMs === undefined ? meter : advanced(meter, Math.min(contactMs, atMs))
  const now = contactMs === undefined ? advanced(silent, atMs) : advanced(silent, atMs, 'lost')
  return { ...now, phase: 'over', state }
}

/** The whole life of a VM that held nothing. */
function advancedBare({ cores, intendedMs, atMs }: VmMeter, toMs: number): { readonly coreMs: number } {
  return { coreMs: cores * (Math.max(atMs, toMs) - intendedMs) }
}

/** Undefined: the VM has not ended, or attempts on it have not. */
export function usageOf(meter: VmMeter): VmUsage | undefined {
  const { state, open, vmId, vo, site, cloud, flavor, cores, memoryBytes, gpus, pricePerHour } = meter
  if (state === undefined || open.length > 0) return undefined
  const { intendedMs, activeMs = 0, atMs: endedMs, attempts, usedCoreMs, overheadCoreMs } = meter
  const what = { vmId, vo, site, cloud, flavor, cores, memoryBytes, ...(gpus ? { gpus } : {}), pricePerHour }
  const when = { intendedMs, activeMs, endedMs, state, attempts, usedCoreMs, overheadCoreMs }
  return { kind: 'vm', ...what, ...when, moneyMicros: overheadMoney(meter) }
}

/** The VM ended by then, and the ends of its attempts are not known: they held their cores until it ended. */
export function abandonedAt(meter: VmMeter, state: VmUsage['state'], atMs: number): VmMeter {
  const over = overAt(meter, state, atMs, undefined)
  const coreMs = over.open.reduce((sum, { cores, sinceMs }) => sum + cores * (over.atMs - sinceMs), 0)
  return { ...over, open: [], usedCoreMs: over.usedCoreMs + coreMs }
}
