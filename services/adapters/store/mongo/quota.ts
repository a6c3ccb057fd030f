/**
 * The quota of waiting jobs: a document per owner and per VO holds an upper bound of what is used, raised before jobs go in
 * and never lowered by those that leave. Where the bound is in the way, the truth is added up from the index of pages with
 * waiting or held jobs, and becomes the bound. So a submission costs one round trip per document, and what it may use is
 * exact.
 *
 * What is being submitted stands in the document until its pages are in that index, so that no other process overlooks it. A
 * process that dies in between leaves it there; it counts for a minute.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import type { Submission } from '../../../../core/ports/store.ts'
import { type QuotaRefusal, quotaRefusal, type WaitingQuota, type WaitingUse } from '../../../../core/model/quota.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import { type Database, guarded, isDuplicate, type QuotaDocument } from './database.ts'

export type Reserved = { readonly refusal?: QuotaRefusal; readonly ids: readonly string[] }

export type Quotas = {
  /** Sets aside what the submission will use, or says why not. */
  reserve(submission: Submission): Promise<Reserved>
  /** Its pages are there, or it came to nothing (`isVoid`). */
  done(reserved: Reserved, isVoid: boolean): void
}

const pendingMs = 60_000
const maxTries = 50

type Place = { readonly of: keyof WaitingQuota; readonly id: string; readonly filter: object; readonly limit: WaitingUse }

type Within = {
  readonly database: Database
  readonly clock: Clock
  /** Those whose pages are there although their documents still name them. */
  readonly finished: Set<string>
}
type Raised = { readonly id: string; readonly place: Place; readonly more: WaitingUse }

export function openQuotas(database: Database, clock: Clock, random: Random): Quotas {
  const within: Within = { database, clock, finished: new Set() }
  const held = new Map<string, Raised>()
  const ended: (Raised & { readonly isVoid: boolean })[] = []
  let isFlushing = false

  async function flush(): Promise<void> {
    if (isFlushing) return
    isFlushing = true
    while (ended.length > 0) {
      const batch = ended.splice(0)
      // What is not taken out of the documents now stops counting by itself.
      await database.quotas.bulkWrite(batch.map(ending), { ordered: false }).catch(() => undefined)
      for (const { id } of batch) within.finished.delete(id)
    }
    isFlushing = false
  }

  return {
    async reserve(submission) {
      const { owner, quota } = submission
      const ids: string[] = []
      for (const place of quota ? placesOf(owner, quota) : []) {
        const found = await reserveAt(within, place, submission, random.letters(12))
        if ('limit' in found) return { refusal: found, ids }
        held.set(found.id, found)
        ids.push(found.id)
      }
      return { ids }
    },
    done({ ids }, isVoid) {
      for (const id of ids) {
        const one = held.get(id)
        held.delete(id)
        within.finished.add(id)
        if (one) ended.push({ ...one, isVoid })
      }
      if (ids.length > 0) void flush()
    },
  }
}

async function reserveAt(
  within: Within,
  place: Place,
  { jobs, queues }: Submission,
  id: string,
): Promise<QuotaRefusal | Raised> {
  // Each of its task queues counts as a new one until the truth is known.
  let more: WaitingUse = { jobs: jobs.length, taskQueues: queues.length }
  let known: { readonly v: number } | undefined
  for (let tries = 0; tries < maxTries; tries += 1) {
    if (await raise(within, { id, place, more }, known)) return { id, place, more }
    const truth = await recounted(within, place)
    if (!truth) continue
    known = { v: truth.v }
    more = { jobs: jobs.length, taskQueues: queues.filter((queue) => !truth.queues.has(queue.id)).length }
    const refusal = quotaRefusal(place.of, place.limit, truth.used, more)
    if (refusal) return refusal
  }
  throw new PilotageError('unavailable', 'reading a quota: too many others submit', { retryAfterMs: 1000 })
}

/** False where the bound is in the way. `known`: only while nothing has changed since. */
async function raise(
  { database, clock }: Within,
  { id, place: { id: _id, limit }, more }: Raised,
  known?: { readonly v: number },
): Promise<boolean> {
  const isWithin = {
    jobs: { $lte: limit.jobs - more.jobs },
    taskQueues: { $lte: more.taskQueues === 0 ? Number.MAX_SAFE_INTEGER : limit.taskQueues - more.taskQueues },
  }
  const raised = await guarded('keeping a quota', () =>
    database.quotas.updateOne(
      { _id, ...isWithin, ...known },
      {
        $inc: { jobs: more.jobs, taskQueues: more.taskQueues, v: 1 },
        $set: { [`p.${id}`]: { ...more, at: clock.nowMs() } },
      },
    ),
  )
  return raised.matchedCount === 1
}

/** The bound becomes the truth; undefined where another process was faster. */
async function recounted({ database, clock, finished }: Within, place: Place) {
  const before = await guarded('reading a quota', () => database.quotas.findOne({ _id: place.id }))
  const counted = await countedNow(database, place.filter)
  const youngest = clock.nowMs() - pendingMs
  const pending = Object.entries(before?.p ?? {}).filter(([id, { at }]) => at > youngest && !finished.has(id))
  const used = pending.reduce<WaitingUse>(
    (sum, [, one]) => ({ jobs: sum.jobs + one.jobs, taskQueues: sum.taskQueues + one.taskQueues }),
    { jobs: counted.jobs, taskQueues: counted.queues.size },
  )
  const v = (before?.v ?? 0) + 1
  const document: QuotaDocument = { _id: place.id, ...used, v, p: Object.fromEntries(pending) }
  const isMade = await guarded('keeping a quota', () => put(database, before, document))
  return isMade ? { v, used, queues: counted.queues } : undefined
}

function ending({ id, isVoid, place, more }: Raised & { readonly isVoid: boolean }) {
  const $inc = isVoid ? { jobs: -more.jobs, taskQueues: -more.taskQueues, v: 1 } : { v: 1 }
  const filter = { _id: place.id, [`p.${id}`]: { $exists: true } }
  return { updateOne: { filter, update: { $unset: { [`p.${id}`]: '' as const }, $inc } } }
}

function placesOf({ vo, group, owner }: Owner, quota: WaitingQuota): readonly Place[] {
  return [
    {
      of: 'owner',
      id: JSON.stringify([vo, group, owner]),
      filter: { vo, grp: group, own: owner },
      limit: quota.owner,
    },
    { of: 'vo', id: JSON.stringify([vo]), filter: { vo }, limit: quota.vo },
  ]
}

/** False: another process changed it in between. */
async function put({ quotas }: Database, before: QuotaDocument | null, document: QuotaDocument): Promise<boolean> {
  if (before) return (await quotas.replaceOne({ _id: document._id, v: before.v }, document)).matchedCount === 1
  try {
    await quotas.insertOne(document)
    return true
  } catch (error) {
    if (isDuplicate(error)) return false
    throw error
  }
}

async function countedNow(
  { pages }: Database,
  filter: object,
): Promise<{ readonly jobs: number; readonly queues: ReadonlySet<string> }> {
  const found = await guarded('counting waiting jobs', () =>
    pages
      .aggregate<{ _id: string; jobs: number }>(
        [{ $match: { ...filter, o: { $gt: 0 } } }, { $group: { _id: '$q', jobs: { $sum: '$o' } } }],
        { hint: 'open' },
      )
      .toArray(),
  )
  return { jobs: found.reduce((sum, { jobs }) => sum + jobs, 0), queues: new Set(found.map(({ _id }) => _id)) }
}
