/**
 * One change of a job in the open transaction: core decides, the row and the fact follow. A claim is refused as well where its
 * VM may take no job, or where the VM's record has no room for it beside the leases that the VM holds.
 */

import { jobFact } from '../../../../core/model/facts.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import { endedAttempt, type Job, type JobEvent } from '../../../../core/model/job.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import { fits, type Resources, plus } from '../../../../core/model/resources.ts'
import { openAlarms, overclaimFact } from '../../../../core/model/overclaim.ts'
import type { Inside } from './engine.ts'
import { factWriter } from './facts.ts'
import type { JobOperations, PackedOutcome } from './jobs.ts'
import { jobColumns, updateJobSql } from './rows.ts'

export function changeOperation(inside: Inside, find: (id: JobId) => Job | undefined): JobOperations['change'] {
  const { db } = inside
  const update = db.prepare(updateJobSql)
  const specOf = db.prepare('select spec from specs where id = ?')
  const tell = factWriter(inside)
  const alarms = openAlarms()
  const requirementsOf = requirementsIn(inside)

  /** Whether the VM's record has no room for it beside what the VM holds: then operators hear of it. */
  function isBeyond(vm: Vm, wanted: Resources, nowMs: number): boolean {
    const { used } = inside.tallies.loadOf(vm.id)
    if (fits(plus(used, wanted), vm)) return false
    if (alarms.isDue(vm.id, nowMs)) tell(overclaimFact(vm.id, vm, used, wanted), nowMs)
    return true
  }

  function apply(event: JobEvent, nowMs: number): PackedOutcome {
    const before = find(event.jobId)
    if (!before) return { ok: false, why: 'not-found' }
    const vm = event.kind === 'claim' ? inside.liveVms.get(event.vmId) : undefined
    if (event.kind === 'claim' && !inside.decisions.mayClaim(vm)) return { ok: false, why: 'vm-not-active' }
    if (event.kind === 'claim' && vm && before.phase.state === 'Waiting') {
      const { memoryBytes, diskBytes } = requirementsOf(before)
      if (isBeyond(vm, { cores: event.cores, memoryBytes, diskBytes }, nowMs)) return { ok: false, why: 'vm-full' }
    }
    const decision = inside.decisions.changeJob(before, event, nowMs)
    if (!decision.ok) return decision
    const { next } = decision
    if (next !== before) {
      update.run(...jobColumns(next))
      inside.tallies.moved(before, next, requirementsOf(next))
    }
    if (decision.tell) tell(jobFact(before, next, event), nowMs)
    const outcome: PackedOutcome = { ok: true, job: next, was: before.phase.state, ended: endedAttempt(before, next) }
    if (event.kind === 'claim') outcome.spec = String(specOf.get(event.jobId)?.spec)
    return outcome
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
