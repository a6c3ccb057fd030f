/**
 * The operations of the embedded store on jobs. Each assumes the engine's open transaction.
 */

import type { JobOperations } from './job-operations.ts'
import type { ClassId, JobId, VmId } from '../../../../core/kernel/ids.ts'
import { type Job, jobStates } from '../../../../core/model/job.ts'
import type { QueueSlice } from '../../../../core/ports/store.ts'
import type { Needs } from '../../../../core/model/requirements.ts'
import { changeOperation, requirementsIn } from './change.ts'
import { dependencyOperations } from './dependants.ts'
import type { Inside } from './inside.ts'
import { forgetOperation } from './forget.ts'
import { jobOf, type JobRow } from './rows.ts'
import { submitOperations } from './submit.ts'

export function jobOperations(inside: Inside): { operations: JobOperations; committed(): void; reload(): void } {
  const { db, queues } = inside
  const one = db.prepare('select * from jobs where id = ?')
  const specOf = db.prepare('select spec from specs where id = ?')
  const nextWaiting = db.prepare(
    'select id, priority, submitted_ms, needs from jobs where queue_ref = ? and state = 0 order by priority desc, id limit ?',
  )
  const find = (id: JobId): Job | undefined => {
    const known = inside.tallies.known(id)
    if (known) return known
    const row = one.get(id) as JobRow | undefined
    return row && jobOf(row, queues.byRef(row.queue_ref))
  }

  const requirementsOf = requirementsIn(inside)
  const change = changeOperation(inside, find)
  const submitting = submitOperations(inside, change)
  return {
    operations: {
      ...submitting.operations,
      ...dependencyOperations(inside),
      forget: forgetOperation(inside),
      change,
      jobs: (ids) => ids.flatMap((id) => find(id) ?? []),
      specs: (ids) =>
        ids.flatMap((id) => {
          const row = specOf.get(id)
          return row ? [[id, String(row.spec)] as const] : []
        }),
      queues: queuesOperation(inside),
      next(classId, limit) {
        const refs = queues.byId(classId)
        if (!refs) return []
        return nextWaiting.all(refs.ref, limit).map((row) => ({
          id: Number(row.id) as JobId,
          priority: Number(row.priority),
          submittedMs: Number(row.submitted_ms),
          ...needsIn(row),
        }))
      },
      expired: (nowMs, limit) => inside.tallies.expired(nowMs, limit),
      leasesBeyond: (untilMs, limit) => inside.tallies.leasesBeyond(untilMs, limit),
      counts: () => inside.tallies.counts(),
    },
    committed: submitting.committed,
    reload() {
      submitting.reload()
      const settled = db.prepare(
        'select state, queue_ref, vm_id, count(*) as n from jobs where state not in (2, 3, 4) group by state, queue_ref, vm_id',
      )
      for (const row of settled.iterate()) {
        const state = jobStates[Number(row.state)]
        const queue = queues.byRef(Number(row.queue_ref))
        const vmId = row.vm_id === null ? undefined : (String(row.vm_id) as VmId)
        if (state) inside.tallies.settled({ state, queue, vmId }, Number(row.n))
      }
      for (const row of db.prepare('select * from jobs where state in (2, 3, 4)').iterate() as Iterable<JobRow>) {
        const job = jobOf(row, queues.byRef(row.queue_ref))
        inside.tallies.moved(undefined, job, requirementsOf(job))
      }
    },
  }
}

function needsIn({ needs }: Record<string, unknown>): { readonly needs?: Needs } {
  return needs === null ? {} : { needs: JSON.parse(String(needs)) as Needs }
}

function waitingIn({ tallies }: Inside, of: QueueSlice | undefined): readonly string[] {
  if (!of) return tallies.waitingQueues()
  if ('ids' in of) return of.ids.filter((id) => tallies.waitingBy(id) > 0)
  return tallies
    .waitingQueues()
    .filter((id) => id > of.after)
    .sort()
    .slice(0, of.limit)
}

function queuesOperation(inside: Inside): JobOperations['queues'] {
  const head = inside.db.prepare(
    'select priority, submitted_ms, needs from jobs where queue_ref = ? and state = 0 order by priority desc, id limit 1',
  )
  return (of) =>
    waitingIn(inside, of).flatMap((id) => {
      const refs = inside.queues.byId(id as ClassId)
      const first = refs && head.get(refs.ref)
      if (!refs || !first) return []
      const waiting = inside.tallies.waitingBy(id)
      const [topPriority, oldestMs] = [Number(first.priority), Number(first.submitted_ms)]
      return [{ queue: refs.queue, waiting, topPriority, oldestMs, ...needsIn(first) }]
    })
}
