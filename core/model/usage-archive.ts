/**
 * Usage in an archive: one section of texts under keys, in four parts of a fixed order, so that every kind of store writes
 * and reads the same.
 *
 *   accounted        the last fact that was accounted; absent: none was
 *   day:KEY          daily sums
 *   meter:VM         of a VM that has no record yet
 *   record:KEY       usage records
 */

import { PilotageError } from '../kernel/errors.ts'
import type { VmId } from '../kernel/ids.ts'
import {
  recordKey,
  type UsageKey,
  usageKeyText,
  type UsageMeasures,
  type UsageRecord,
  type UsageSum,
} from './usage-record.ts'

export type ArchivedUsage = { readonly key: string; readonly text: string }

export type UsageEntry =
  | { readonly part: 'accounted'; readonly seq: number }
  | { readonly part: 'day'; readonly sum: UsageSum }
  | { readonly part: 'meter'; readonly vmId: VmId; readonly text: string }
  | { readonly part: 'record'; readonly record: UsageRecord }

export const usageParts = ['accounted', 'day', 'meter', 'record'] as const
export type UsagePart = (typeof usageParts)[number]

/** The parts that have something behind a key, each with where it goes on; empty: from its beginning. */
export function usagePartsAfter(key: string | undefined): readonly { readonly part: UsagePart; readonly after: string }[] {
  const [last = '', ...rest] = (key ?? '').split(':')
  const at = usageParts.indexOf(last as UsagePart)
  return usageParts.flatMap((part, index) => {
    if (index < at || (index === at && part === 'accounted')) return []
    return [{ part, after: index === at ? rest.join(':') : '' }]
  })
}

export function archivedUsage(entry: UsageEntry): ArchivedUsage {
  switch (entry.part) {
    case 'accounted':
      return { key: entry.part, text: String(entry.seq) }
    case 'day':
      return { key: `day:${usageKeyText(entry.sum.key)}`, text: measuresText(entry.sum.measures) }
    case 'meter':
      return { key: `meter:${entry.vmId}`, text: entry.text }
    case 'record':
      return { key: `record:${recordKey(entry.record)}`, text: JSON.stringify(entry.record) }
  }
}

/** In one order, whatever store they come from. */
function measuresText(measures: UsageMeasures): string {
  const { records, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs, lastEndMs } = measures
  return JSON.stringify({ records, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs, lastEndMs })
}

/** Throws `invalid-argument` for what no store writes. */
export function usageEntryOf({ key, text }: ArchivedUsage): UsageEntry {
  const [part = '', ...rest] = key.split(':')
  const id = rest.join(':')
  if (part === 'accounted') return { part, seq: Number(text) }
  if (part === 'day') return { part, sum: { key: usageKeyOf(id), measures: JSON.parse(text) as UsageMeasures } }
  if (part === 'meter') return { part, vmId: id as VmId, text }
  if (part === 'record') return { part, record: JSON.parse(text) as UsageRecord }
  throw new PilotageError('invalid-argument', `${key} is no key of usage`)
}

export function usageKeyOf(text: string): UsageKey {
  const [day, kind, vo, group, owner, site, cloud, flavor, cores, reason] = JSON.parse(text) as UsageKey[keyof UsageKey][]
  return { day, kind, vo, group, owner, site, cloud, flavor, cores, reason } as UsageKey
}
