/**
 * The server keeps its log for a while only. Where no process collected for longer than that, the collector begins anew with
 * what is now: the counts are taken from the jobs themselves, and facts go on from here. Those of the time between stay in
 * the stories of their jobs and VMs.
 */

import { MongoServerError, type Timestamp } from 'mongodb'
import type { Move } from './page.ts'
import { type Database, guarded } from './database.ts'
import { packed } from './job-text.ts'
import { listedFields, listedJobs, siteOf } from './page.ts'

/** ChangeStreamHistoryLost. */
const forgotten = 286

export function isForgotten(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof MongoServerError && cause.code === forgotten
}

/** Idempotent: the next process begins at the same place, or at a later one. */
export async function beginAnew(database: Database, nowMs: number): Promise<void> {
  const { db, meta, facts } = database
  await guarded('beginning facts anew', async () => {
    // The place first: what changes from then on is counted by the collector, so counts may be off by what changes just now.
    const { operationTime } = (await db.command({ ping: 1 })) as { operationTime: Timestamp }
    const counts = await countsNow(database)
    const last = await facts.findOne({}, { sort: { _id: -1 }, projection: { next: 1 } })
    const next = (last?.next ?? 1) + 1
    await meta.updateOne({ _id: 'collected' }, { $set: { from: operationTime } })
    await meta.updateOne({ _id: 'tallies' }, { $set: { next, counts } }, { upsert: true })
    const empty = { facts: packed('[]'), moves: [], token: null, time: operationTime, at: nowMs }
    await facts.insertOne({ ...empty, _id: next - 1, next })
  })
}

async function countsNow({ pages }: Database): Promise<[vo: string, ...Move][]> {
  const sums = new Map<string, [vo: string, ...Move]>()
  for await (const document of pages.find({}, { projection: listedFields })) {
    for (const kept of listedJobs(document)) {
      const { vo, phase } = kept.job
      const key = `${vo}\u0000${phase.state}\u0000${siteOf(kept)}`
      sums.set(key, [vo, phase.state, siteOf(kept), (sums.get(key)?.[3] ?? 0) + 1])
    }
  }
  return [...sums.values()]
}
