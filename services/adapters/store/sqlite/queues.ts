/**
 * Task queues and owners by number: a job's row carries two small integers instead of its requirements and its owner.
 *
 * All of them are held in memory: there are as many as there are different wishes, hundreds where jobs are a million.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { ClassId } from '../../../../core/ids.ts'
import type { Owner } from '../../../../core/job.ts'
import type { TaskQueue } from '../../../../core/ports/store.ts'
import type { Requirements } from '../../../../core/requirements.ts'

export type QueueRefs = { readonly ref: number; readonly ownerRef: number; readonly queue: TaskQueue }

export type QueueTable = {
  /** Known from now on. */
  keep(queue: TaskQueue): QueueRefs
  byRef(ref: number): TaskQueue
  byId(id: ClassId): QueueRefs | undefined
  ownersOf(vo: string | undefined, owner: string | undefined): readonly number[]
  /** After opening and after a rollback. */
  reload(): void
}

export function queueTable(db: DatabaseSync): QueueTable {
  const insertOwner = db.prepare('insert into owners (vo, grp, owner) values (?, ?, ?)')
  const insertQueue = db.prepare('insert into queues (id, owner_ref, requirements) values (?, ?, ?)')
  const byRef = new Map<number, TaskQueue>()
  const byId = new Map<string, QueueRefs>()
  const owners = new Map<string, { ref: number; owner: Owner }>()
  const ownerKey = ({ vo, group, owner }: Owner): string => JSON.stringify([vo, group, owner])

  function keepOwner(owner: Owner): number {
    const known = owners.get(ownerKey(owner))
    if (known) return known.ref
    const ref = Number(insertOwner.run(owner.vo, owner.group, owner.owner).lastInsertRowid)
    owners.set(ownerKey(owner), { ref, owner })
    return ref
  }

  function remember(ref: number, ownerRef: number, queue: TaskQueue): QueueRefs {
    const refs = { ref, ownerRef, queue }
    byRef.set(ref, queue)
    byId.set(queue.id, refs)
    return refs
  }

  return {
    keep(queue) {
      const known = byId.get(queue.id)
      if (known) return known
      const ownerRef = keepOwner(queue)
      const ref = Number(insertQueue.run(queue.id, ownerRef, JSON.stringify(queue.requirements)).lastInsertRowid)
      return remember(ref, ownerRef, queue)
    },
    byRef(ref) {
      const queue = byRef.get(ref)
      if (!queue) throw new Error(`assertion failed: no task queue has number ${ref}`)
      return queue
    },
    byId: (id) => byId.get(id),
    ownersOf(vo, owner) {
      return [...owners.values()]
        .filter(
          (known) => (vo === undefined || known.owner.vo === vo) && (owner === undefined || known.owner.owner === owner),
        )
        .map(({ ref }) => ref)
    },
    reload() {
      byRef.clear()
      byId.clear()
      owners.clear()
      const names = new Map<number, Owner>()
      for (const row of db.prepare('select ref, vo, grp, owner from owners').all()) {
        const owner: Owner = { vo: String(row.vo), group: String(row.grp), owner: String(row.owner) }
        names.set(Number(row.ref), owner)
        owners.set(ownerKey(owner), { ref: Number(row.ref), owner })
      }
      for (const row of db.prepare('select ref, id, owner_ref, requirements from queues').all()) {
        const owner = names.get(Number(row.owner_ref))
        if (!owner) throw new Error(`assertion failed: task queue ${row.id} has no owner`)
        const requirements = JSON.parse(String(row.requirements)) as Requirements
        remember(Number(row.ref), Number(row.owner_ref), { ...owner, id: String(row.id) as ClassId, requirements })
      }
    },
  }
}
