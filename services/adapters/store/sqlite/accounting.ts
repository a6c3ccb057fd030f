/**
 * Usage in the embedded store: what port core/ports/accounting.ts says. A batch is one operation inside the writer's
 * transaction; reports and lists of records are answered by the reader.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { VmId } from '../../../../core/kernel/ids.ts'
import {
  type RecordQuery,
  recordKey,
  summedUsage,
  type UsageAttribute,
  usageKeyText,
  type UsageMeasures,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
  type UsageSum,
} from '../../../../core/model/usage-record.ts'
import type { KeptMeter, UsageBatch } from '../../../../core/ports/accounting.ts'

export type AccountingOperations = {
  accountedSeq(): number
  meters(ids: readonly VmId[]): readonly KeptMeter[]
  metersAfter(after: VmId | undefined, limit: number): readonly KeptMeter[]
  account(batch: UsageBatch): boolean
  forgetUsageRecords(endedBeforeMs: number, limit: number): number
}

export type AccountingReads = {
  usage(query: UsageQuery): readonly UsageRow[]
  usageRecords(query: RecordQuery): readonly UsageRecord[]
}

export function accountingOperations(db: DatabaseSync): AccountingOperations {
  const seq = db.prepare("select value from ids where name = 'accounted'")
  const keepSeq = db.prepare(
    "insert into ids (name, value) values ('accounted', ?) on conflict (name) do update set value = excluded.value",
  )
  const oneMeter = db.prepare('select text from usage_meters where vm = ?')
  const nextMeters = db.prepare('select vm, text from usage_meters where vm > ? order by vm limit ?')
  const putMeter = db.prepare('insert or replace into usage_meters (vm, text) values (?, ?)')
  const dropMeter = db.prepare('delete from usage_meters where vm = ?')
  const putRecord = db.prepare(
    'insert into usage_records (key, ended_ms, kind, vo, doc) values (?, ?, ?, ?, ?) on conflict (key) do nothing',
  )
  const forget = db.prepare(`delete from usage_records where key in
    (select key from usage_records where ended_ms < ? order by ended_ms, key limit ?)`)
  const add = sumAdder(db)
  const accountedSeq = (): number => Number(seq.get()?.value ?? 0)
  return {
    accountedSeq,
    meters: (ids) =>
      ids.flatMap((vmId) => {
        const row = oneMeter.get(vmId)
        return row ? [{ vmId, text: String(row.text) }] : []
      }),
    metersAfter: (after, limit) =>
      nextMeters.all(after ?? '', limit).map(({ vm, text }) => ({ vmId: String(vm) as VmId, text: String(text) })),
    account({ afterSeq, nextSeq, records, meters, ended }) {
      if (accountedSeq() !== afterSeq) return false
      const added = records.filter((record) => {
        const { kind, vo, endedMs } = record
        return putRecord.run(recordKey(record), endedMs, kind, vo, JSON.stringify(record)).changes > 0
      })
      for (const sum of summedUsage(added)) add(sum)
      for (const { vmId, text } of meters) putMeter.run(vmId, text)
      for (const vmId of ended) dropMeter.run(vmId)
      keepSeq.run(nextSeq)
      return true
    },
    forgetUsageRecords: (endedBeforeMs, limit) => Number(forget.run(endedBeforeMs, limit).changes),
  }
}

export function sumAdder(db: DatabaseSync): (sum: UsageSum) => void {
  const statement = db.prepare(`
    insert into usage_days (key, day, kind, vo, grp, owner, site, cloud, flavor, cores, reason,
      records, core_ms, wall_ms, cpu_ms, memory_mib_s, money_micros, first_end_ms, last_end_ms)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (key) do update set records = records + excluded.records, core_ms = core_ms + excluded.core_ms,
      wall_ms = wall_ms + excluded.wall_ms, cpu_ms = cpu_ms + excluded.cpu_ms,
      memory_mib_s = memory_mib_s + excluded.memory_mib_s, money_micros = money_micros + excluded.money_micros,
      first_end_ms = min(first_end_ms, excluded.first_end_ms), last_end_ms = max(last_end_ms, excluded.last_end_ms)
  `)
  return ({ key: k, measures: m }) => {
    statement.run(
      ...[usageKeyText(k), k.day, k.kind, k.vo, k.group, k.owner, k.site, k.cloud, k.flavor, k.cores, k.reason],
      ...[m.records, m.coreMs, m.wallMs, m.cpuMs, m.memoryMibS, m.moneyMicros, m.firstEndMs, m.lastEndMs],
    )
  }
}

const columns: Readonly<Record<UsageAttribute, string>> = {
  day: 'day',
  month: 'substr(day, 1, 7)',
  year: 'substr(day, 1, 4)',
  kind: 'kind',
  vo: 'vo',
  group: 'grp',
  owner: 'owner',
  site: 'site',
  cloud: 'cloud',
  flavor: 'flavor',
  cores: 'cast(cores as text)',
  reason: 'reason',
}

const sums = `sum(records) as records, sum(core_ms) as core_ms, sum(wall_ms) as wall_ms, sum(cpu_ms) as cpu_ms,
  sum(memory_mib_s) as memory_mib_s, sum(money_micros) as money_micros,
  min(first_end_ms) as first_end_ms, max(last_end_ms) as last_end_ms`

export function accountingReads(db: DatabaseSync): AccountingReads {
  const records = db.prepare(`
    select doc from usage_records where (ended_ms, key) > (?1, ?2) and ended_ms < ?3
      and (?4 is null or kind = ?4) and (?5 is null or vo = ?5) order by ended_ms, key limit ?6
  `)
  return {
    usage({ by, fromDay, toDay, filter, after, limit }) {
      // The key of a row begins with its day. Attributes are of a closed list: no text of a caller becomes part of the
      // statement.
      const keys = by.length === 0 ? ["''"] : by.map((attribute) => columns[attribute])
      const names = keys.map((_, at) => `k${at}`)
      const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
      const statement = db.prepare(`
        select * from (
          select ${keys.map((key, at) => `${key} as k${at}`).join(', ')}, ${sums} from usage_days
          where key >= '["' || ? and key < '["' || ? ${wanted.map(([name]) => `and ${columns[name as UsageAttribute]} = ?`).join(' ')}
          group by ${names.join(', ')}
        ) ${after ? `where (${names.join(', ')}) > (${names.map(() => '?').join(', ')})` : ''}
        order by ${names.join(', ')} limit ?
      `)
      // Sums of many years may be beyond what a number holds exactly: they are rounded, and not refused.
      statement.setReadBigInts(true)
      const values = wanted.map(([, value]) => String(value))
      return statement.all(fromDay, toDay, ...values, ...(after ?? []), limit).map((row) => rowOf(row, by.length))
    },
    usageRecords({ fromMs, toMs, kind, vo, after, limit }) {
      const from = after ?? { endedMs: fromMs, key: '' }
      const rows = records.all(from.endedMs, from.key, toMs, kind ?? null, vo ?? null, limit)
      return rows.map((row) => JSON.parse(String(row.doc)) as UsageRecord)
    },
  }
}

function rowOf(row: Record<string, unknown>, keys: number): UsageRow {
  return { values: Array.from({ length: keys }, (_, at) => String(row[`k${at}`])), measures: measuresOf(row) }
}

export function measuresOf(row: Record<string, unknown>): UsageMeasures {
  return {
    records: Number(row.records),
    coreMs: Number(row.core_ms),
    wallMs: Number(row.wall_ms),
    cpuMs: Number(row.cpu_ms),
    memoryMibS: Number(row.memory_mib_s),
    moneyMicros: Number(row.money_micros),
    firstEndMs: Number(row.first_end_ms),
    lastEndMs: Number(row.last_end_ms),
  }
}
