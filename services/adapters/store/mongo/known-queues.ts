/**
 * Task queues by id. They never change; those that were asked for recently are here.
 *
 * One that no page names is forgotten a day after a submission named it last. A submission notes that it is named before its
 * pages can be there, unless this process did so within the hour: so none is forgotten under a submission.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { ClassId } from '../../../../core/kernel/ids.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import { type Database, duplicatesOf, guarded } from './database.ts'

export type KnownQueues = {
  /** Durable when it resolves. */
  keep(queues: readonly TaskQueue[]): Promise<void>
  /** All of them must have been kept. */
  byIds(ids: Iterable<ClassId>): Promise<ReadonlyMap<ClassId, TaskQueue>>
  /** One that was asked for before, within a minute. */
  known(id: ClassId): TaskQueue
  /** Forgets those that no page names any more; at most `limit` are looked at. */
  forget(limit: number): Promise<void>
}

type Known = { readonly queue: TaskQueue; namedMs: number; usedMs: number }

const namedEveryMs = 60 * 60_000
const forgottenAfterMs = 24 * 60 * 60_000
/** Some kilobyte each. One that is in use may stay beyond it: a change of jobs takes half a minute at most. */
const maxKnown = 20_000
const inUseMs = 60_000

export function knownQueues({ queues, pages }: Pick<Database, 'queues' | 'pages'>, clock: Clock): KnownQueues {
  const known = new Map<ClassId, Known>()

  function put(queue: TaskQueue, namedMs: number): void {
    const usedMs = clock.monotonicMs()
    known.delete(queue.id)
    known.set(queue.id, { queue, namedMs, usedMs })
    for (const [id, one] of known) {
      if (known.size <= maxKnown || usedMs - one.usedMs < inUseMs) return
      known.delete(id)
    }
  }

  function used(id: ClassId): Known | undefined {
    const one = known.get(id)
    if (!one) return undefined
    one.usedMs = clock.monotonicMs()
    // The longest unused come first.
    known.delete(id)
    known.set(id, one)
    return one
  }

  return {
    async keep(wanted) {
      const nowMs = clock.monotonicMs()
      const due = wanted.filter(({ id }) => nowMs - (used(id)?.namedMs ?? -Infinity) >= namedEveryMs)
      const byId = new Map(due.map((queue) => [queue.id, queue]))
      if (byId.size === 0) return
      const at = clock.nowMs()
      const documents = [...byId.values()].map(({ id, vo, group, owner, requirements }) => {
        return { _id: id, vo, grp: group, own: owner, req: JSON.stringify(requirements), at }
      })
      // Named first: one that is there stays, and one that was just forgotten is made anew.
      await guarded('keeping task queues', async () => {
        await queues.updateMany({ _id: { $in: [...byId.keys()] } }, { $max: { at } })
        await queues.insertMany(documents, { ordered: false }).catch((error: unknown) => void duplicatesOf(error))
      })
      for (const queue of byId.values()) put(queue, nowMs)
    },
    async byIds(ids) {
      const found = new Map<ClassId, TaskQueue>()
      const missing = new Set<ClassId>()
      for (const id of ids) {
        const one = used(id)
        if (one) found.set(id, one.queue)
        else missing.add(id)
      }
      if (missing.size === 0) return found
      const read = await guarded('reading task queues', () => queues.find({ _id: { $in: [...missing] } }).toArray())
      for (const { _id, vo, grp, own, req } of read) {
        const requirements = JSON.parse(req) as TaskQueue['requirements']
        const queue = { id: _id as ClassId, vo, group: grp, owner: own, requirements }
        put(queue, -Infinity)
        found.set(queue.id, queue)
      }
      return found
    },
    known(id) {
      const one = used(id)
      if (!one) throw new Error(`assertion failed: no task queue ${id} was read before`)
      return one.queue
    },
    async forget(limit) {
      for (const id of await forgotten({ queues, pages }, clock, limit)) known.delete(id)
    },
  }
}

/** Of the longest unnamed ones those that no page names are removed, and the others are looked at again a day later. */
async function forgotten(
  { queues, pages }: Pick<Database, 'queues' | 'pages'>,
  clock: Clock,
  limit: number,
): Promise<readonly ClassId[]> {
  const before = clock.nowMs() - forgottenAfterMs
  const old = await guarded('reading task queues', () =>
    queues.find({ at: { $lt: before } }, { projection: { at: 1 }, sort: { at: 1 }, limit }).toArray(),
  )
  const ids: ClassId[] = []
  for (const { _id, at } of old) {
    const page = await guarded('reading jobs', () => pages.findOne({ q: _id }, { projection: { _id: 1 } }))
    if (page) await guarded('keeping a task queue', () => queues.updateOne({ _id }, { $max: { at: clock.nowMs() } }))
    else if ((await guarded('forgetting a task queue', () => queues.deleteOne({ _id, at }))).deletedCount > 0) {
      ids.push(_id as ClassId)
    }
  }
  return ids
}
