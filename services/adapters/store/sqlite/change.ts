/**
 * One change of a job in the open transaction: core decides, the row and the fact follow. For a claim, core also gets the
 * record of the VM and the sum of the leases that the VM holds.
 */

import { takenWith } from '../../../../core/model/resources.ts'
import { applyToJob, type ClaimingVm } from '../../../../core/model/apply.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { JobEvent } from '../../../../core/model/job-event.ts'
import type { Job } from '../../../../core/model/job.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import { openAlarms } from '../../../../core/model/overclaim.ts'
import { dependantTable } from './dependants.ts'
import type { Inside } from './inside.ts'
import { factWriter } from './facts.ts'
import { jobRemoval } from './removal.ts'
import type { JobOperations, PackedOutcome } from './job-operations.ts'
import { jobColumns, updateJobSql } from './rows.ts'

export function changeOperation(inside: Inside, find: (id: JobId) => Job | undefined): JobOperations['change'] {
  const { db } = inside
  const update = db.prepare(updateJobSql)
  const setPriority = db.prepare('update jobs set priority = ? where id = ?')
  const removal = jobRemoval(inside)
  const specOf = db.prepare('select spec from specs where id = ?')
  const emit = factWriter(inside)
  const alarms = openAlarms()
  const dependants = dependantTable(inside)
  const requirementsOf = requirementsIn(inside)

  function claimingVm({ vmId, ...granted }: Extract<JobEvent, { kind: 'claim' }>, before: Job | undefined): ClaimingVm {
    const vm = inside.liveVms.get(vmId)
    const isTaking = inside.decisions.mayTakeJobs(vm?.phase.state)
    if (!vm || !before || !isTaking) return { mayTakeJobs: isTaking }
    const { used } = inside.tallies.loadOf(vmId)
    return { mayTakeJobs: isTaking, room: { vm, held: used, wanted: takenWith(granted, requirementsOf(before)) } }
  }

  function apply(event: JobEvent, nowMs: number): PackedOutcome {
    const before = find(event.jobId)
    const claiming = event.kind === 'claim' ? claimingVm(event, before) : undefined
    const { outcome, changed, fact, alarm, isRemoved } = applyToJob(before, event, claiming, nowMs, inside.decisions)
    if (before && isRemoved) removal.remove(before)
    if (changed) {
      update.run(...jobColumns(changed))
      if (before?.priority !== changed.priority) setPriority.run(changed.priority, changed.id)
      if (before) dependants.changed(before, changed)
      inside.tallies.moved(before, changed, requirementsOf(changed))
      inside.columns.changed(changed)
    }
    if (fact) emit(fact, nowMs)
    if (event.kind !== 'claim') return outcome
    if (alarm && alarms.isDue(event.vmId, nowMs)) emit(alarm, nowMs)
    return outcome.ok ? { ...outcome, spec: String(specOf.get(event.jobId)?.spec) } : outcome
  }

  return (events, nowMs) => events.map((event) => apply(event, nowMs))
}

export function requirementsIn({ queues }: Inside): (job: Job) => Requirements {
  return (job) => {
    const refs = queues.byId(job.classId)
    if (!refs) throw new Error(`assertion failed: job ${job.id} names no known task queue`)
    return exactly(refs.queue.requirements, job.needs)
  }
}
