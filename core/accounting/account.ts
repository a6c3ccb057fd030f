/**
 * What facts say was used: from a batch of facts, and the meters of their VMs, to usage records and the meters as they are
 * then. Pure: the same batch gives the same answer, so that a process which dies may leave it to another.
 *
 * A meter begins with the intent of a VM and ends with its record. An attempt on a VM without a meter (its intent was
 * forgotten before accounting saw it) has a record of its own all the same, from the times in its fact.
 */

import type { VmId } from '../kernel/ids.ts'
import { type Fact, type FactOf, knownFact } from '../model/fact-shapes.ts'
import { type AttemptUsage, moneyFor, type UsageRecord } from '../model/usage-record.ts'
import type { Vm } from '../model/vm.ts'
import { advanced, claimedOn, endedOn, enteredBy, machineOf, newMeter, overAt, usageOf, type VmMeter } from './vm-meter.ts'

/** What a batch of facts is joined with. `vms`: of its VMs without a meter, those that are known. */
export type Known = { readonly meters: ReadonlyMap<VmId, VmMeter>; readonly vms: ReadonlyMap<VmId, Vm> }

export type Accounted = {
  readonly records: readonly UsageRecord[]
  /** Those that the batch changed, and those that it ended. */
  readonly meters: readonly VmMeter[]
  readonly ended: readonly VmId[]
}

/** The VMs that facts are about. */
export function vmsOf(facts: readonly Fact[]): readonly VmId[] {
  const ids = facts.map(vmOf).filter((id) => id !== undefined)
  return [...new Set(ids)]
}

function vmOf(fact: Fact): VmId | undefined {
  const known = knownFact(fact)
  if (known.group === 'vm') return known.subject.slice('vm:'.length) as VmId
  return known.group === 'job' ? (known.data.vm as VmId | undefined) : undefined
}

export function account(facts: readonly Fact[], known: Known): Accounted {
  const meters = new Map(known.meters)
  const records: UsageRecord[] = []
  const ended = new Set<VmId>()

  function put(meter: VmMeter): void {
    const usage = usageOf(meter)
    if (!usage) {
      meters.set(meter.vmId, meter)
      return
    }
    records.push(usage)
    ended.add(meter.vmId)
    meters.delete(meter.vmId)
  }

  for (const fact of facts) {
    const one = knownFact(fact)
    const id = vmOf(fact)
    if (id === undefined) continue
    const meter = meters.get(id)
    if (one.group === 'vm') {
      const vm = known.vms.get(id)
      const next = meter ? meterAfter(meter, one) : one.kind === 'Intended' && vm ? begun(vm, one) : undefined
      if (next) put(next)
    } else if (one.group === 'job') {
      const { record, next } = ofJob(one, id, meter, known.vms.get(id))
      if (record) records.push(record)
      if (next) put(next)
    }
  }
  const changed = [...meters.values()].filter((meter) => known.meters.get(meter.vmId) !== meter)
  return { records, meters: changed, ended: [...ended] }
}

function begun(vm: Vm, fact: FactOf<'vm'>): VmMeter {
  return newMeter(vm, Math.round(fact.atMs))
}

function meterAfter(before: VmMeter, { kind, data, atMs: saidMs }: FactOf<'vm'>): VmMeter {
  const atMs = Math.round(saidMs)
  const meter = machineOf(before, data.ref)
  switch (kind) {
    case 'Intended':
    case 'Requested':
    case 'Booting':
      return advanced(meter, atMs)
    case 'Active':
      return enteredBy(meter, 'up', atMs)
    case 'Draining':
      return enteredBy(meter, 'draining', atMs)
    case 'Stopping':
      return enteredBy(meter, 'stopping', atMs)
    case 'Gone':
    case 'Failed':
    case 'Lost':
      return overAt(meter, kind, atMs, data.contactMs === undefined ? undefined : Math.round(data.contactMs))
  }
}

type OfJob = { readonly record?: AttemptUsage; readonly next?: VmMeter }

function ofJob(fact: FactOf<'job'>, vmId: VmId, meter: VmMeter | undefined, vm: Vm | undefined): OfJob {
  const { kind, data, subject } = fact
  const { attempt, cores = 0 } = data
  if (attempt === undefined) return {}
  const ref = { jobId: Number(subject.slice('job:'.length)) as AttemptUsage['jobId'], attempt }
  const atMs = Math.round(fact.atMs)
  if (kind === 'Matched') return meter ? { next: claimedOn(meter, ref, cores, atMs) } : {}
  // A fact of a change that ended no attempt names a VM only while one is live.
  if (kind !== 'Waiting' && kind !== 'Done' && kind !== 'Failed' && kind !== 'Killed') return {}
  const done = meter && endedOn(meter, ref, atMs)
  const record = attemptUsage(fact, { ...ref, vmId, cores, endedMs: atMs }, done, meter ?? vm)
  return { ...(record ? { record } : {}), ...(done ? { next: done.meter } : {}) }
}

type Ended = Pick<AttemptUsage, 'jobId' | 'attempt' | 'vmId' | 'cores' | 'endedMs'>
type On = Pick<Vm, 'site' | 'cloud' | 'flavor' | 'pricePerHour' | 'cores'>

/** Undefined: the fact was written before facts said how attempts ended. */
function attemptUsage(
  { data }: FactOf<'job'>,
  ended: Ended,
  metered: Pick<AttemptUsage, 'coreMs' | 'moneyMicros'> | undefined,
  on: On | undefined,
): AttemptUsage | undefined {
  const { ending, vo = '', group = '', owner = '', claimedMs, startedMs = 0, wallMs = 0, cpuMs = 0 } = data
  if (ending === undefined || claimedMs === undefined) return undefined
  const coreMs = metered?.coreMs ?? ended.cores * Math.max(0, ended.endedMs - Math.round(claimedMs))
  const { site = '', cloud = '', flavor = '' } = on ?? {}
  return {
    kind: 'attempt',
    ...ended,
    vo,
    group,
    owner,
    site,
    cloud,
    flavor,
    ...(data.gpus ? { gpus: data.gpus } : {}),
    claimedMs: Math.round(claimedMs),
    startedMs: Math.round(startedMs),
    wallMs: Math.round(wallMs),
    cpuMs: Math.round(cpuMs),
    peakMemoryBytes: Math.round(data.peakMemoryBytes ?? 0),
    coreMs,
    moneyMicros: metered?.moneyMicros ?? (on ? moneyFor(coreMs, on) : 0),
    ending,
  }
}
