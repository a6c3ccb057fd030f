/** Usage on the wire: what is asked of it, its rows and its records, each both ways. */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { JobId, VmId } from '../../core/kernel/ids.ts'
import {
  type AttemptUsage,
  type Overhead,
  overheads,
  type RecordCursor,
  type RecordQuery,
  type UsageAttribute,
  type UsageFilter,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
  type VmUsage,
} from '../../core/model/usage-record.ts'
import * as wire from '../gen/pilotage/v1/accounting.ts'
import { attemptEndingEnum, usageAttributeEnum, vmStateEnum } from './enums.ts'
import { pageSize } from './page-tokens.ts'
import { durationMs, durationOf, timeMs, timeOf } from './times.ts'

function refuse(path: string, value: string, rule: string, accepted: string): never {
  const violations = [{ path, value: shown(value), rule, accepted }]
  throw new PilotageError('invalid-argument', `${path}: ${rule}`, { violations })
}

function attributeOf(number: number, path: string): UsageAttribute {
  return usageAttributeEnum.word(number) ?? refuse(path, String(number), 'not an attribute', 'a USAGE_ATTRIBUTE')
}

function isFilter(attribute: UsageAttribute): attribute is keyof UsageFilter & UsageAttribute {
  return !['day', 'month', 'year', 'cores'].includes(attribute)
}

function filterOf(filters: readonly wire.UsageFilter[]): UsageFilter {
  const found = new Map<string, string>()
  for (const [at, { attribute: number, value }] of filters.entries()) {
    const attribute = attributeOf(number, `filters[${at}].attribute`)
    if (!isFilter(attribute)) refuse(`filters[${at}].attribute`, attribute, 'not to filter by', 'not a time and not cores')
    if (found.has(attribute)) refuse(`filters[${at}].attribute`, attribute, 'named twice', 'each attribute at most once')
    found.set(attribute, value)
  }
  return Object.fromEntries(found)
}

/** Names of several attributes: more than any page token of another listing. */
const maxTokenLength = 16_384

function tokenOf(value: readonly (string | number)[] | undefined): string {
  return value === undefined ? '' : Buffer.from(JSON.stringify(value)).toString('base64url')
}

function valuesOf(token: string): readonly unknown[] | undefined {
  if (token === '') return undefined
  const accepted = 'next_page_token of the page before, from the same call'
  const wrong = (): never => refuse('page_token', token, 'not a page token', accepted)
  if (token.length > maxTokenLength) return wrong()
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    return Array.isArray(read) ? read : wrong()
  } catch {
    return wrong()
  }
}

export function usageQueryOf(request: wire.ReportUsageRequest): UsageQuery {
  const { by, fromDay, toDay, filters, pageSize: size, pageToken } = request
  const after = valuesOf(pageToken)?.map(String)
  return {
    by: by.map((number, at) => attributeOf(number, `by[${at}]`)),
    fromDay,
    toDay,
    filter: filterOf(filters),
    ...(after ? { after } : {}),
    limit: pageSize(size),
  }
}

export function usageQueryToWire({
  by,
  fromDay,
  toDay,
  filter,
}: Omit<UsageQuery, 'after' | 'limit'>): wire.ReportUsageRequest {
  return wire.ReportUsageRequest.fromPartial({
    by: by.map((attribute) => usageAttributeEnum.number(attribute)),
    fromDay,
    toDay,
    filters: Object.entries(filter).map(([attribute, value]) => {
      return { attribute: usageAttributeEnum.number(attribute as UsageAttribute), value }
    }),
  })
}

export function usagePageToWire(page: {
  readonly rows: readonly UsageRow[]
  readonly next?: readonly string[]
}): wire.ReportUsageResponse {
  return { rows: page.rows.map(rowToWire), nextPageToken: tokenOf(page.next) }
}

function rowToWire({ values, measures }: UsageRow): wire.UsageRow {
  const { records, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs, lastEndMs } = measures
  return {
    values: [...values],
    records,
    coreTime: durationOf(coreMs),
    wall: durationOf(wallMs),
    cpu: durationOf(cpuMs),
    memoryMibSeconds: memoryMibS,
    moneyMicros,
    firstEndTime: timeOf(firstEndMs),
    lastEndTime: timeOf(lastEndMs),
  }
}

export function usageRowOfWire(row: wire.UsageRow): UsageRow {
  return {
    values: row.values,
    measures: {
      records: row.records,
      coreMs: durationMs(row.coreTime),
      wallMs: durationMs(row.wall),
      cpuMs: durationMs(row.cpu),
      memoryMibS: row.memoryMibSeconds,
      moneyMicros: row.moneyMicros,
      firstEndMs: timeMs(row.firstEndTime),
      lastEndMs: timeMs(row.lastEndTime),
    },
  }
}

export function recordQueryOf(request: wire.ListUsageRecordsRequest): RecordQuery {
  const { fromTime, toTime, kind, vo, pageSize: size, pageToken } = request
  if (kind !== '' && kind !== 'attempt' && kind !== 'vm') refuse('kind', kind, 'not a kind', 'attempt or vm; empty: both')
  const after = cursorOf(pageToken)
  return {
    fromMs: timeMs(fromTime),
    toMs: timeMs(toTime),
    ...(kind === '' ? {} : { kind }),
    ...(vo === '' ? {} : { vo }),
    ...(after ? { after } : {}),
    limit: pageSize(size),
  }
}

function cursorOf(token: string): RecordCursor | undefined {
  const values = valuesOf(token)
  if (!values) return undefined
  const [endedMs, key] = values
  if (typeof endedMs === 'number' && typeof key === 'string') return { endedMs, key }
  return refuse('page_token', token, 'not a page token', 'next_page_token of the page before, from the same call')
}

export function recordPageToWire(page: {
  readonly records: readonly UsageRecord[]
  readonly next?: RecordCursor
}): wire.ListUsageRecordsResponse {
  const { records, next } = page
  return { records: records.map(recordToWire), nextPageToken: tokenOf(next && [next.endedMs, next.key]) }
}

function recordToWire(record: UsageRecord): wire.UsageRecord {
  if (record.kind === 'vm') return { vm: vmToWire(record), attempt: undefined }
  const { kind: _, gpus = 0, claimedMs, startedMs, endedMs, wallMs, cpuMs, coreMs, ending, ...same } = record
  const attempt = {
    ...same,
    gpus,
    claimTime: timeOf(claimedMs),
    startTime: timeOf(startedMs),
    endTime: timeOf(endedMs),
    wall: durationOf(wallMs),
    cpu: durationOf(cpuMs),
    coreTime: durationOf(coreMs),
    ending: attemptEndingEnum.number(ending),
  }
  return { attempt, vm: undefined }
}

function vmToWire(record: VmUsage): wire.VmUsage {
  const { kind: _, gpus = 0, intendedMs, activeMs, endedMs, state, usedCoreMs, overheadCoreMs, ...same } = record
  const overhead = Object.entries(overheadCoreMs).map(([reason, coreMs]) => [reason, durationOf(coreMs)] as const)
  return {
    ...same,
    gpus,
    intendTime: timeOf(intendedMs),
    activateTime: timeOf(activeMs),
    endTime: timeOf(endedMs),
    state: vmStateEnum.number(state),
    usedCoreTime: durationOf(usedCoreMs),
    overheadCoreTime: Object.fromEntries(overhead),
  }
}

/** Undefined: of a newer service, and unknown here. */
export function usageRecordOfWire({ attempt, vm }: wire.UsageRecord): UsageRecord | undefined {
  if (attempt) return attemptOfWire(attempt)
  return vm && vmOfWire(vm)
}

function attemptOfWire(from: wire.AttemptUsage): AttemptUsage {
  const { jobId, gpus, claimTime, startTime, endTime, wall, cpu, coreTime, ending, vmId, ...same } = from
  return {
    kind: 'attempt',
    ...same,
    jobId: jobId as JobId,
    vmId: vmId as VmId,
    ...(gpus === 0 ? {} : { gpus }),
    claimedMs: timeMs(claimTime),
    startedMs: timeMs(startTime),
    endedMs: timeMs(endTime),
    wallMs: durationMs(wall),
    cpuMs: durationMs(cpu),
    coreMs: durationMs(coreTime),
    ending: attemptEndingEnum.word(ending) ?? 'failed',
  }
}

function vmOfWire(from: wire.VmUsage): VmUsage {
  const { vmId, gpus, intendTime, activateTime, endTime, state, usedCoreTime, overheadCoreTime, ...same } = from
  const known = Object.entries(overheadCoreTime).filter(([reason]) => (overheads as readonly string[]).includes(reason))
  const ended = vmStateEnum.word(state)
  return {
    kind: 'vm',
    ...same,
    vmId: vmId as VmId,
    ...(gpus === 0 ? {} : { gpus }),
    intendedMs: timeMs(intendTime),
    activeMs: timeMs(activateTime),
    endedMs: timeMs(endTime),
    state: ended === 'Failed' || ended === 'Lost' ? ended : 'Gone',
    usedCoreMs: durationMs(usedCoreTime),
    overheadCoreMs: Object.fromEntries(known.map(([reason, time]) => [reason as Overhead, durationMs(time)])),
  }
}
