/**
 * The one store of a run: the real engine in memory, with the auditor looking at every decision that it takes. It outlives
 * every life of the service; what a life sees of it is made in store-view.ts.
 */

import type { Submission, Store, SubmitOutcome } from '../core/ports/store.ts'
import type { Decisions } from '../core/model/apply.ts'
import { memoryStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { awaitedIn } from './dependencies.ts'
import type { Ground } from './ground.ts'
import { isHopeless } from './payload.ts'
import { decisionsWithout, type Rule, withoutKeys, withoutLost } from './switches.ts'

export function openTruth(ground: Ground, without: Rule | undefined): Store {
  const decisions = decisionsWithout(without)
  const kept = memoryStore(audited(ground, decisions))
  const store = without === 'idempotency' ? withoutKeys(kept) : without === 'account' ? withoutLost(kept) : kept
  const keys = new Map<string, number>()
  return {
    ...store,
    async submit(submission, nowMs) {
      const outcome = await store.submit(submission, nowMs)
      auditSubmission(ground, keys, submission, outcome)
      return outcome
    },
    async intend(vm, nowMs, under) {
      const isNew = await store.intend(vm, nowMs, under)
      if (isNew) ground.vms.intended(vm)
      return isNew
    },
  }
}

function audited({ jobs, vms }: Ground, decisions: Decisions): Decisions {
  return {
    mayTakeJobs: decisions.mayTakeJobs,
    changeJob(job, event, nowMs) {
      const decision = decisions.changeJob(job, event, nowMs)
      jobs.decided(job, event, decision, nowMs)
      return decision
    },
    changeVm(vm, event, leases, nowMs) {
      const decision = decisions.changeVm(vm, event, leases, nowMs)
      vms.decided(vm, event, decision)
      return decision
    },
  }
}

function auditSubmission(
  { jobs, trace, violations }: Ground,
  keys: Map<string, number>,
  { owner, idempotency, jobs: submitted }: Submission,
  outcome: SubmitOutcome,
): void {
  if (!outcome.ok) return
  const { firstId, count, repeated } = outcome
  const key = idempotency && `${owner.vo}/${owner.owner}/${idempotency.key}`
  const first = key === undefined ? undefined : keys.get(key)
  trace.note({ jobId: firstId }, `submitted ${count} with key ${key}${repeated ? ', again' : ''}`)
  if (first !== undefined) {
    const what = (): string => `key ${key} gave jobs from ${first} first, and jobs from ${firstId} now`
    violations.check(repeated && first === firstId, 'sameKey', { jobId: firstId }, what)
  }
  if (repeated) return
  if (key !== undefined) keys.set(key, firstId)
  for (const [at, { spec }] of submitted.entries()) {
    const id = firstId + at
    jobs.arrived(id, isHopeless(spec.requirements), awaitedIn(spec.after, id))
  }
}
