/**
 * Removes the row and the description of a job, and what is kept of it in memory: where it is forgotten, and where it is
 * deleted.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { Job } from '../../../../core/model/job.ts'
import type { Inside } from './inside.ts'

export type JobRemoval = { remove(job: Job): void }

export function jobRemoval(inside: Inside): JobRemoval {
  const { db, queues } = inside
  const removeJob = db.prepare('delete from jobs where id = ?')
  const removeSpec = db.prepare('delete from specs where id = ?')
  const removeOutputs = db.prepare('delete from sandbox_outputs where job = ?')
  // The last id is never given again, also when its job is gone.
  const keepLastId = db.prepare(
    "insert into ids (name, value) values ('job', ?) on conflict (name) do update set value = max(value, excluded.value)",
  )
  const lastId = db.prepare('select max(id) as id from jobs')

  function keepId(id: JobId): void {
    if (Number(lastId.get()?.id) === id) keepLastId.run(id)
  }

  return {
    remove(job) {
      const refs = queues.byId(job.classId)
      if (!refs) throw new Error(`assertion failed: job ${job.id} names no known task queue`)
      keepId(job.id)
      removeJob.run(job.id)
      removeSpec.run(job.id)
      removeOutputs.run(job.id)
      inside.tallies.moved(job, undefined, exactly(refs.queue.requirements, job.needs))
      inside.columns.removed(job.id)
      queues.named(refs.ref, -1)
    },
  }
}
