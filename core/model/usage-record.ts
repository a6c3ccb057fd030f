/**
 * Usage records: what one attempt or one VM used, and the daily sums of them.
 *
 * A record is made once, from facts (core/accounting), and never changes. Each record adds to the daily sums; the sums of
 * all records of a day are exactly what the store keeps of that day.
 *
 * The core time of a VM is divided: what attempts held stands in their records, the rest in the VM's record by overhead, so
 * that nothing is in the sums twice.
 */

import type { JobId, VmId } from '../kernel/ids.ts'
import type { Owner } from './owner.ts'

/**
 * How an attempt ended, for accounting:
 *
 *   done            the payload exited with 0
 *   failed          the payload exited with another code, or by a signal
 *   limit-exceeded  the pilot stopped it for more wall time, memory or disk than it asked for
 *   killed          its owner or an operator asked for it
 *   rescheduled     its owner or an operator asked for it
 *   machine-lost    the VM, its contact or its lease was lost
 *   not-started     the pilot could not start it
 *   abandoned       the pilot was restarted and found it gone
 *   withdrawn       the pilot never received it
 */
export const attemptEndings = [
  'done',
  'failed',
  'limit-exceeded',
  'killed',
  'rescheduled',
  'machine-lost',
  'not-started',
  'abandoned',
  'withdrawn',
] as const
export type AttemptEnding = (typeof attemptEndings)[number]

/**
 * Core time of a VM that no attempt held:
 *
 *   boot         from the intent until it was active
 *   failed-boot  all of it, of a VM that was never active
 *   idle         active without any attempt
 *   unfilled     free cores beside attempts
 *   draining     free cores of a VM that takes no more jobs
 *   stopping     from the stop until its cloud confirmed that it is gone
 *   lost         free cores after its last contact, of a VM that was lost
 *   service      of a VM that serves its site
 */
export const overheads = ['boot', 'failed-boot', 'idle', 'unfilled', 'draining', 'stopping', 'lost', 'service'] as const
export type Overhead = (typeof overheads)[number]

export type UsageReason = AttemptEnding | Overhead

/** Where it ran; all empty: the VM is not known any more. */
export type UsagePlace = { readonly site: string; readonly cloud: string; readonly flavor: string }

/** `wallMs`, `cpuMs` and `peakMemoryBytes`: of the payload, as its pilot measured them; 0: it reported none. */
export type AttemptUsage = Owner &
  UsagePlace & {
    readonly kind: 'attempt'
    readonly jobId: JobId
    readonly attempt: number
    readonly vmId: VmId
    readonly cores: number
    /** Absent: none. */
    readonly gpus?: number
    readonly claimedMs: number
    /** 0: the payload never started. */
    readonly startedMs: number
    readonly endedMs: number
    readonly wallMs: number
    readonly cpuMs: number
    readonly peakMemoryBytes: number
    /** Its cores for the time in which it held them. */
    readonly coreMs: number
    readonly moneyMicros: number
    readonly ending: AttemptEnding
  }

export type VmUsage = UsagePlace & {
  readonly kind: 'vm'
  readonly vmId: VmId
  /** Empty: it served several VOs. */
  readonly vo: string
  readonly cores: number
  readonly memoryBytes: number
  /** Absent: none. */
  readonly gpus?: number
  readonly pricePerHour: number
  readonly intendedMs: number
  /** 0: it was never active. */
  readonly activeMs: number
  readonly endedMs: number
  readonly state: 'Gone' | 'Failed' | 'Lost'
  readonly attempts: number
  /** Held by attempts, and the rest by reason: together its cores for its whole life. */
  readonly usedCoreMs: number
  readonly overheadCoreMs: Readonly<Partial<Record<Overhead, number>>>
  /** Of the overhead alone: the rest stands in the records of its attempts. */
  readonly moneyMicros: number
}

export type UsageRecord = AttemptUsage | VmUsage

/** Unique among all records. */
export function recordKey(record: UsageRecord): string {
  return record.kind === 'attempt' ? `attempt:${record.jobId}.${record.attempt}` : `vm:${record.vmId}`
}

/** What the daily sums are kept by. `day`: as 2026-11-30, UTC. `reason`: how the attempt ended, or which overhead. */
export type UsageKey = Owner &
  UsagePlace & {
    readonly day: string
    readonly kind: UsageRecord['kind']
    readonly cores: number
    readonly reason: UsageReason
  }

/**
 * `records`: attempts, or VMs, each in one of its rows. `memoryMibS`: peak memory times the time held. All are whole
 * numbers.
 */
export type UsageMeasures = {
  readonly records: number
  readonly coreMs: number
  readonly wallMs: number
  readonly cpuMs: number
  readonly memoryMibS: number
  readonly moneyMicros: number
  readonly firstEndMs: number
  readonly lastEndMs: number
}

export type UsageSum = { readonly key: UsageKey; readonly measures: UsageMeasures }

/** What reports group by and filter by. */
export const usageAttributes = [
  'day',
  'month',
  'year',
  'kind',
  'vo',
  'group',
  'owner',
  'site',
  'cloud',
  'flavor',
  'cores',
  'reason',
] as const
export type UsageAttribute = (typeof usageAttributes)[number]

export const maxUsageAttributes = usageAttributes.length
export const maxUsageRows = 1000

export type UsageFilter = Partial<Readonly<Record<Exclude<UsageAttribute, 'day' | 'month' | 'year' | 'cores'>, string>>>

/** Days from `fromDay` to before `toDay`. `after`: the values of the last row of the page before. */
export type UsageQuery = {
  readonly by: readonly UsageAttribute[]
  readonly fromDay: string
  readonly toDay: string
  readonly filter: UsageFilter
  readonly after?: readonly string[]
  readonly limit: number
}

/** `values` in the order of `by`. */
export type UsageRow = { readonly values: readonly string[]; readonly measures: UsageMeasures }

export type RecordCursor = { readonly endedMs: number; readonly key: string }

/** Records that ended from `fromMs` to before `toMs`, the earliest end first. */
export type RecordQuery = {
  readonly fromMs: number
  readonly toMs: number
  /** Absent: both. */
  readonly kind?: UsageRecord['kind']
  readonly vo?: string
  readonly after?: RecordCursor
  readonly limit: number
}

export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}

const microsPerUnit = 1e6
const msPerHour = 3_600_000
const mib = 1024 * 1024

/** The share of a VM's price, in millionths of the unit that prices are in. */
export function moneyFor(coreMs: number, { pricePerHour, cores }: Pick<VmUsage, 'pricePerHour' | 'cores'>): number {
  return cores === 0 ? 0 : Math.round((pricePerHour * microsPerUnit * coreMs) / (cores * msPerHour))
}

/** What a record adds to the daily sums. */
export function sumsOf(record: UsageRecord): readonly UsageSum[] {
  return record.kind === 'attempt' ? [sumOfAttempt(record)] : sumsOfVm(record)
}

function sumOfAttempt(record: AttemptUsage): UsageSum {
  const { vo, group, owner, site, cloud, flavor, cores, coreMs, wallMs, cpuMs, moneyMicros, endedMs } = record
  const heldMs = cores === 0 ? 0 : coreMs / cores
  const memoryMibS = Math.round((record.peakMemoryBytes / mib) * (heldMs / 1000))
  const key = { day: dayOf(endedMs), vo, group, owner, site, cloud, flavor, cores, reason: record.ending }
  const measures = { records: 1, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs: endedMs, lastEndMs: endedMs }
  return { key: { ...key, kind: 'attempt' }, measures }
}

function sumsOfVm(record: VmUsage): readonly UsageSum[] {
  const { vo, site, cloud, flavor, cores, endedMs, overheadCoreMs } = record
  const place = { day: dayOf(endedMs), kind: 'vm', vo, group: '', owner: '', site, cloud, flavor, cores } as const
  const found = overheads.filter((reason) => overheadCoreMs[reason] !== undefined)
  // A VM that never had a machine is counted as well.
  const reasons = found.length > 0 ? found : (['failed-boot'] as const)
  return reasons.map((reason, at) => {
    const coreMs = overheadCoreMs[reason] ?? 0
    const moneyMicros = moneyFor(coreMs, record)
    const none = { wallMs: 0, cpuMs: 0, memoryMibS: 0, firstEndMs: endedMs, lastEndMs: endedMs }
    return { key: { ...place, reason }, measures: { ...none, records: at === 0 ? 1 : 0, coreMs, moneyMicros } }
  })
}

export function overheadMoney(record: Pick<VmUsage, 'overheadCoreMs' | 'pricePerHour' | 'cores'>): number {
  return overheads.reduce((sum, reason) => sum + moneyFor(record.overheadCoreMs[reason] ?? 0, record), 0)
}

export function plusMeasures(a: UsageMeasures, b: UsageMeasures): UsageMeasures {
  return {
    records: a.records + b.records,
    coreMs: a.coreMs + b.coreMs,
    wallMs: a.wallMs + b.wallMs,
    cpuMs: a.cpuMs + b.cpuMs,
    memoryMibS: a.memoryMibS + b.memoryMibS,
    moneyMicros: a.moneyMicros + b.moneyMicros,
    firstEndMs: Math.min(a.firstEndMs, b.firstEndMs),
    lastEndMs: Math.max(a.lastEndMs, b.lastEndMs),
  }
}

/** One text per key of the daily sums: names may hold any character. */
export function usageKeyText(key: UsageKey): string {
  const { day, kind, vo, group, owner, site, cloud, flavor, cores, reason } = key
  return JSON.stringify([day, kind, vo, group, owner, site, cloud, flavor, cores, reason])
}

/** The sums of these records, one per key. */
export function summedUsage(records: readonly UsageRecord[]): readonly UsageSum[] {
  const sums = new Map<string, UsageSum>()
  for (const sum of records.flatMap(sumsOf)) {
    const text = usageKeyText(sum.key)
    const known = sums.get(text)
    sums.set(text, known ? { key: sum.key, measures: plusMeasures(known.measures, sum.measures) } : sum)
  }
  return [...sums.values()]
}
