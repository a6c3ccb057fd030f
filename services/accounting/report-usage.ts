/** Sums of usage and usage records, as far as the caller may read them. */

import { type Caller, visibleVo } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import {
  type RecordQuery,
  recordKey,
  type RecordCursor,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
} from '../../core/model/usage-record.ts'
import type { AccountingStore } from '../../core/ports/accounting.ts'

export type UsagePorts = { readonly store: Pick<AccountingStore, 'usage' | 'usageRecords'> }

/** `next`: where the next page begins; absent: this is the last one. */
export type UsagePage = { readonly rows: readonly UsageRow[]; readonly next?: readonly string[] }

const dayForm = /^\d{4}-\d{2}-\d{2}$/

/** Throws `invalid-argument` for what is no period or no choice of attributes, `forbidden` for another VO. */
export async function reportUsage({ store }: UsagePorts, caller: Caller, asked: UsageQuery): Promise<UsagePage> {
  checkReport(asked)
  const vo = readableVo(caller, asked.filter.vo)
  const filter = vo === undefined ? asked.filter : { ...asked.filter, vo }
  const found = await store.usage({ ...asked, filter, limit: asked.limit + 1 })
  const rows = found.slice(0, asked.limit)
  return found.length > rows.length ? { rows, next: rows.at(-1)?.values ?? [] } : { rows }
}

function checkReport({ by, fromDay, toDay, after }: UsageQuery): void {
  const violations = gatherViolations()
  if (new Set(by).size < by.length) violations.add('by', by.join(), 'an attribute twice', 'different attributes')
  for (const [path, day] of [
    ['from_day', fromDay],
    ['to_day', toDay],
  ] as const) {
    if (!isDay(day)) violations.add(path, day, 'not a day', 'a day as 2026-11-30')
  }
  if (fromDay >= toDay) violations.add('to_day', toDay, 'not after the first day', 'a day after from_day')
  if (after && after.length !== by.length) violations.add('page_token', '', 'of another report', 'the same request again')
  violations.settle('reporting usage')
}

function isDay(text: string): boolean {
  return dayForm.test(text) && !Number.isNaN(Date.parse(text))
}

export type RecordPage = { readonly records: readonly UsageRecord[]; readonly next?: RecordCursor }

/** Throws `forbidden` for another VO, `invalid-argument` for what is no period. */
export async function listUsageRecords({ store }: UsagePorts, caller: Caller, asked: RecordQuery): Promise<RecordPage> {
  if (asked.fromMs >= asked.toMs) {
    throw new PilotageError('invalid-argument', 'the period ends before it begins', {
      violations: [{ path: 'to_time', value: '', rule: 'not after from_time', accepted: 'a time after from_time' }],
    })
  }
  const vo = readableVo(caller, asked.vo)
  const found = await store.usageRecords({ ...asked, ...(vo === undefined ? {} : { vo }), limit: asked.limit + 1 })
  const records = found.slice(0, asked.limit)
  const last = records.at(-1)
  if (found.length === records.length || !last) return { records }
  return { records, next: { endedMs: last.endedMs, key: recordKey(last) } }
}

/** The only VO to read of; undefined: of all. */
function readableVo(caller: Caller, asked: string | undefined): string | undefined {
  const own = visibleVo(caller)
  if (own === undefined || asked === undefined || asked === own) return own ?? asked
  throw new PilotageError('forbidden', 'usage of another VO is for operators')
}
