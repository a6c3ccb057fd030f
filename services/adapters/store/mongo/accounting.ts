/**
 * Usage over MongoDB: what port core/ports/accounting.ts says. A batch is one transaction that begins with the number up to
 * which was accounted: of two processes with the same batch one finds that number changed and writes nothing.
 */

import type { AnyBulkWriteOperation, ClientSession, Document } from 'mongodb'
import {
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
import type { AccountingStore, KeptMeter, UsageBatch } from '../../../../core/ports/accounting.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import {
  accountedMark,
  type Database,
  guarded,
  type UsageDayDocument,
  type UsageMeterDocument,
  type UsageRecordDocument,
} from './database.ts'

export function openAccounting(database: Database): AccountingStore {
  const { client, meta, usageMeters, usageRecords, usageDays } = database
  return {
    async accountedSeq() {
      const mark = await guarded('reading what is accounted', () => meta.findOne({ _id: accountedMark }))
      return mark?.last ?? 0
    },
    async meters(ids) {
      const found = await guarded('reading meters', () => usageMeters.find({ _id: { $in: [...ids] } }).toArray())
      return found.map(({ _id, text }): KeptMeter => ({ vmId: _id as VmId, text }))
    },
    async metersAfter(after, limit) {
      const behind = { _id: { $gt: String(after ?? '') } }
      const found = await guarded('reading meters', () => usageMeters.find(behind).sort({ _id: 1 }).limit(limit).toArray())
      return found.map(({ _id, text }): KeptMeter => ({ vmId: _id as VmId, text }))
    },
    account: (batch) =>
      guarded('accounting', () =>
        client.withSession((session) => session.withTransaction(() => write(database, session, batch))),
      ),
    async usage(query) {
      const found = await guarded('reading usage', () => usageDays.aggregate(reportOf(query)).toArray())
      return found.map((row) => rowOf(row, query.by.length))
    },
    async usageRecords({ fromMs, toMs, kind, vo, after, limit }) {
      const filter = {
        end: { $gte: fromMs, $lt: toMs },
        ...(kind === undefined ? {} : { kind }),
        ...(vo === undefined ? {} : { vo }),
        ...(after ? { $or: [{ end: { $gt: after.endedMs } }, { end: after.endedMs, _id: { $gt: after.key } }] } : {}),
      }
      const found = await guarded('reading usage records', () =>
        usageRecords.find(filter).sort({ end: 1, _id: 1 }).limit(limit).toArray(),
      )
      return found.map(({ doc }) => JSON.parse(doc) as UsageRecord)
    },
    async forgetUsageRecords(endedBeforeMs, limit) {
      return guarded('forgetting usage records', async () => {
        const old = await usageRecords
          .find({ end: { $lt: endedBeforeMs } }, { projection: { _id: 1 } })
          .sort({ end: 1, _id: 1 })
          .limit(limit)
          .toArray()
        if (old.length === 0) return 0
        const { deletedCount } = await usageRecords.deleteMany({ _id: { $in: old.map(({ _id }) => _id) } })
        return deletedCount
      })
    },
  }
}

async function write(database: Database, session: ClientSession, batch: UsageBatch): Promise<boolean> {
  const { meta, usageMeters, usageRecords, usageDays } = database
  const { afterSeq, nextSeq, records, meters, ended } = batch
  const mark = { _id: accountedMark, last: afterSeq }
  const { matchedCount } = await meta.updateOne(mark, { $set: { last: nextSeq } }, { session })
  if (matchedCount === 0) return false
  const keys = records.map(recordKey)
  const known = await usageRecords.find({ _id: { $in: keys } }, { session, projection: { _id: 1 } }).toArray()
  const knownKeys = new Set(known.map(({ _id }) => _id))
  const added = records.filter((_, at) => !knownKeys.has(keys[at] ?? ''))
  if (added.length > 0) {
    await usageRecords.insertMany(added.map(recordDocument), { session })
    await usageDays.bulkWrite(addingOf(added), { session })
  }
  const changes: AnyBulkWriteOperation<UsageMeterDocument>[] = [
    ...meters.map(({ vmId, text }) => ({
      updateOne: { filter: { _id: String(vmId) }, update: { $set: { text } }, upsert: true },
    })),
    ...ended.map((vmId) => ({ deleteOne: { filter: { _id: String(vmId) } } })),
  ]
  if (changes.length > 0) await usageMeters.bulkWrite(changes, { session })
  return true
}

export function recordDocument(record: UsageRecord): UsageRecordDocument {
  const { kind, vo, endedMs } = record
  return { _id: recordKey(record), end: endedMs, kind, vo, doc: JSON.stringify(record) }
}

function addingOf(records: readonly UsageRecord[]): AnyBulkWriteOperation<UsageDayDocument>[] {
  return summedUsage(records).map(({ key, measures }) => {
    const { firstEndMs, lastEndMs, ...sums } = measures
    const update = { $setOnInsert: key, $inc: sums, $min: { firstEndMs }, $max: { lastEndMs } }
    return { updateOne: { filter: { _id: usageKeyText(key) }, update, upsert: true } }
  })
}

const values: Readonly<Partial<Record<UsageAttribute, Document>>> = {
  month: { $substrBytes: ['$day', 0, 7] },
  year: { $substrBytes: ['$day', 0, 4] },
  cores: { $toString: '$cores' },
}

const summed = ['records', 'coreMs', 'wallMs', 'cpuMs', 'memoryMibS', 'moneyMicros'] as const

function reportOf({ by, fromDay, toDay, filter, after, limit }: UsageQuery): Document[] {
  const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
  const group = Object.fromEntries(by.map((attribute, at) => [`k${at}`, values[attribute] ?? `$${attribute}`]))
  const sums = Object.fromEntries(summed.map((name) => [name, { $sum: `$${name}` }]))
  const ends = { firstEndMs: { $min: '$firstEndMs' }, lastEndMs: { $max: '$lastEndMs' } }
  const behind = after && Object.fromEntries(after.map((value, at) => [`k${at}`, value]))
  return [
    { $match: { day: { $gte: fromDay, $lt: toDay }, ...Object.fromEntries(wanted) } },
    { $group: { _id: group, ...sums, ...ends } },
    ...(behind ? [{ $match: { _id: { $gt: behind } } }] : []),
    { $sort: { _id: 1 } },
    { $limit: limit },
  ]
}

function rowOf({ _id, ...row }: Document, keys: number): UsageRow {
  const { records, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs, lastEndMs } = row as UsageMeasures
  return {
    values: Array.from({ length: keys }, (_, at) => String(_id[`k${at}`])),
    measures: { records, coreMs, wallMs, cpuMs, memoryMibS, moneyMicros, firstEndMs, lastEndMs },
  }
}

export function dayDocument({ key, measures }: UsageSum): UsageDayDocument {
  return { _id: usageKeyText(key), ...key, ...measures }
}
