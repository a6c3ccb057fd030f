/** Task queues by id. They never change and are few, so each is asked for once a process. */

import type { ClassId } from '../../../../core/ids.ts'
import type { TaskQueue } from '../../../../core/ports/store.ts'
import { type Database, duplicatesOf, guarded } from './database.ts'

export type KnownQueues = {
  /** Durable when it resolves. */
  keep(queues: readonly TaskQueue[]): Promise<void>
  /** All of them must have been kept. */
  byIds(ids: Iterable<ClassId>): Promise<ReadonlyMap<ClassId, TaskQueue>>
  /** One that was asked for before. */
  known(id: ClassId): TaskQueue
}

export function knownQueues({ queues }: Database): KnownQueues {
  const known = new Map<ClassId, TaskQueue>()

  return {
    async keep(wanted) {
      const fresh = new Map(wanted.filter(({ id }) => !known.has(id)).map((queue) => [queue.id, queue]))
      if (fresh.size === 0) return
      const documents = [...fresh.values()].map(({ id, vo, group, owner, requirements }) => {
        return { _id: id, vo, grp: group, own: owner, req: JSON.stringify(requirements) }
      })
      await guarded('keeping task queues', () =>
        queues.insertMany(documents, { ordered: false }).catch((error: unknown) => void duplicatesOf(error)),
      )
      for (const [id, queue] of fresh) known.set(id, queue)
    },
    async byIds(ids) {
      const missing = new Set<ClassId>()
      for (const id of ids) if (!known.has(id)) missing.add(id)
      if (missing.size > 0) {
        const found = await guarded('reading task queues', () => queues.find({ _id: { $in: [...missing] } }).toArray())
        for (const { _id, vo, grp, own, req } of found) {
          const id = _id as ClassId
          known.set(id, { id, vo, group: grp, owner: own, requirements: JSON.parse(req) as TaskQueue['requirements'] })
        }
      }
      return known
    },
    known(id) {
      const queue = known.get(id)
      if (!queue) throw new Error(`assertion failed: no task queue ${id} was read before`)
      return queue
    },
  }
}
