/**
 * Usage in archives of the embedded store: its tables as the entries of core/model/usage-archive.ts, out and in. Assumes the
 * engine's open transaction.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { VmId } from '../../../../core/kernel/ids.ts'
import {
  archivedUsage,
  type ArchivedUsage,
  type UsageEntry,
  usageEntryOf,
  usageKeyOf,
  type UsagePart,
  usagePartsAfter,
} from '../../../../core/model/usage-archive.ts'
import { recordKey, usageKeyText, type UsageRecord, type UsageSum } from '../../../../core/model/usage-record.ts'
import { measuresOf, sumAdder } from './accounting.ts'

export type UsageArchive = {
  read(after: string | undefined, limit: number): readonly ArchivedUsage[]
  write(entries: readonly ArchivedUsage[]): void
  count(): number
}

export function usageArchive(db: DatabaseSync): UsageArchive {
  const accounted = db.prepare("select value from ids where name = 'accounted' and value > 0 limit ?")
  const keepAccounted = db.prepare("insert or replace into ids (name, value) values ('accounted', ?)")
  const rows = {
    day: db.prepare('select * from usage_days where key > ? order by key limit ?'),
    meter: db.prepare('select * from usage_meters where vm > ? order by vm limit ?'),
    record: db.prepare('select doc from usage_records where key > ? order by key limit ?'),
  }
  const putDay = dayWriter(db)
  const putMeter = db.prepare('insert or replace into usage_meters (vm, text) values (?, ?)')
  const putRecord = db.prepare('insert or replace into usage_records (key, ended_ms, kind, vo, doc) values (?, ?, ?, ?, ?)')
  const counted = db.prepare(`select (select count(*) from usage_days) + (select count(*) from usage_meters)
    + (select count(*) from usage_records) + (select count(*) from ids where name = 'accounted' and value > 0) as n`)

  function entriesOf(part: UsagePart, after: string, limit: number): readonly UsageEntry[] {
    if (part === 'accounted') return accounted.all(limit).map(({ value }) => ({ part, seq: Number(value) }))
    return rows[part].all(after, limit).map((row): UsageEntry => {
      if (part === 'day') return { part, sum: { key: usageKeyOf(String(row.key)), measures: measuresOf(row) } }
      if (part === 'meter') return { part, vmId: String(row.vm) as VmId, text: String(row.text) }
      return { part, record: JSON.parse(String(row.doc)) as UsageRecord }
    })
  }

  function writeOne(entry: UsageEntry): void {
    switch (entry.part) {
      case 'accounted':
        keepAccounted.run(entry.seq)
        return
      case 'day':
        putDay(entry.sum)
        return
      case 'meter':
        putMeter.run(entry.vmId, entry.text)
        return
      case 'record': {
        const { kind, vo, endedMs } = entry.record
        putRecord.run(recordKey(entry.record), endedMs, kind, vo, JSON.stringify(entry.record))
      }
    }
  }

  return {
    read(after, limit) {
      const found: UsageEntry[] = []
      for (const { part, after: from } of usagePartsAfter(after)) {
        if (found.length < limit) found.push(...entriesOf(part, from, limit - found.length))
      }
      return found.map(archivedUsage)
    },
    write(entries) {
      for (const entry of entries) writeOne(usageEntryOf(entry))
    },
    count: () => Number(counted.get()?.n),
  }
}

/** In place of what there was. */
function dayWriter(db: DatabaseSync): (sum: UsageSum) => void {
  const drop = db.prepare('delete from usage_days where key = ?')
  const add = sumAdder(db)
  return (sum) => {
    drop.run(usageKeyText(sum.key))
    add(sum)
  }
}
