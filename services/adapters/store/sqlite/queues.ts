/**
 * Task queues and owners by number: a job's row carries two small integers instead of its requirements and its owner.
 *
 * Those that are asked for are held in memory, up to a bound. A task queue is kept for as long as any job names it, ended
 * jobs included, and is forgotten with the last of them.
 */

import type { DatabaseSync } from 'node:sqlite'
import type { ClassId } from '../../../../core/kernel/ids.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'

export type QueueRefs = { readonly ref: number; readonly ownerRef: number; readonly queue: TaskQueue }

export type QueueTable = {
  /** Known from now on. */
  keep(queue: TaskQueue): QueueRefs
  byRef(ref: number): TaskQueue
  byId(id: ClassId): QueueRefs | undefined
  /** The number of jobs that name it changes by `by`, which may be negative. At none it is forgotten. */
  named(ref: number, by: number): void
  /** Counts anew how many jobs name each. */
  recount(): void
  /** After opening and after a rollback. */
  reload(): void
}

/** Some 700 bytes each: as many as an owner may have at a time, twice. */
const maxHeld = 20_000

/** Those that were asked for, by number and by id. */
function heldQueues() {
  const byRef = new Map<number, QueueRefs>()
  const byId = new Map<string, QueueRefs>()
  function drop({ ref, queue }: QueueRefs): void {
    byRef.delete(ref)
    byId.delete(queue.id)
  }
  return {
    byRef,
    byId,
    drop,
    hold(refs: QueueRefs): QueueRefs {
      byRef.set(refs.ref, refs)
      byId.set(refs.queue.id, refs)
      const [oldest] = byRef.values()
      if (byRef.size > maxHeld && oldest) drop(oldest)
      return refs
    },
  }
}

export function queueTable(db: DatabaseSync): QueueTable {
  const insertOwner = db.prepare('insert into owners (vo, grp, owner) values (?, ?, ?)')
  const insertQueue = db.prepare('insert into queues (id, owner_ref, requirements) values (?, ?, ?)')
  const countJobs = db.prepare('update queues set jobs = jobs + ? where ref = ? returning jobs')
  const removeQueue = db.prepare('delete from queues where ref = ?')
  const selectByRef = db.prepare('select ref, id, owner_ref, requirements from queues where ref = ?')
  const selectById = db.prepare('select ref, id, owner_ref, requirements from queues where id = ?')
  const lately = heldQueues()
  const owners = new Map<string, { ref: number; owner: Owner }>()
  const ownerOf = new Map<number, Owner>()
  const ownerKey = ({ vo, group, owner }: Owner): string => JSON.stringify([vo, group, owner])

  function holdOwner(ref: number, owner: Owner): void {
    owners.set(ownerKey(owner), { ref, owner })
    ownerOf.set(ref, owner)
  }

  function keepOwner({ vo, group, owner }: Owner): number {
    const known = owners.get(ownerKey({ vo, group, owner }))
    if (known) return known.ref
    const ref = Number(insertOwner.run(vo, group, owner).lastInsertRowid)
    holdOwner(ref, { vo, group, owner })
    return ref
  }

  function held(row: Record<string, unknown> | undefined): QueueRefs | undefined {
    if (!row) return undefined
    const owner = ownerOf.get(Number(row.owner_ref))
    if (!owner) throw new Error(`assertion failed: task queue ${row.id} has no owner`)
    const requirements = JSON.parse(String(row.requirements)) as Requirements
    const queue = { ...owner, id: String(row.id) as ClassId, requirements }
    return lately.hold({ ref: Number(row.ref), ownerRef: Number(row.owner_ref), queue })
  }

  const find = (id: ClassId): QueueRefs | undefined => lately.byId.get(id) ?? held(selectById.get(id))

  return {
    keep(queue) {
      const known = find(queue.id)
      if (known) return known
      const ownerRef = keepOwner(queue)
      const ref = Number(insertQueue.run(queue.id, ownerRef, JSON.stringify(queue.requirements)).lastInsertRowid)
      return lately.hold({ ref, ownerRef, queue })
    },
    byRef(ref) {
      const refs = lately.byRef.get(ref) ?? held(selectByRef.get(ref))
      if (!refs) throw new Error(`assertion failed: no task queue has number ${ref}`)
      return refs.queue
    },
    byId: find,
    named(ref, by) {
      if (Number(countJobs.get(by, ref)?.jobs) > 0) return
      removeQueue.run(ref)
      const refs = lately.byRef.get(ref)
      if (refs) lately.drop(refs)
    },
    recount: () => db.exec(recountSql),
    reload() {
      lately.byRef.clear()
      lately.byId.clear()
      owners.clear()
      ownerOf.clear()
      for (const row of db.prepare('select ref, vo, grp, owner from owners').all()) {
        holdOwner(Number(row.ref), { vo: String(row.vo), group: String(row.grp), owner: String(row.owner) })
      }
    },
  }
}

const recountSql = `update queues set jobs = 0;
  update queues set jobs = counted.jobs from (select queue_ref, count(*) as jobs from jobs group by queue_ref) as counted
  where counted.queue_ref = queues.ref;`
