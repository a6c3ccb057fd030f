/**
 * The rules that a run may do without, to prove that the simulation notices: each is a lie that the store or the
 * director is made to believe. Nothing outside the simulation can reach these.
 */

import type { JobEvent } from '../core/model/job-event.ts'
import { changeJob, isEnded, type Job, type JobDecision, leaseOf } from '../core/model/job.ts'
import type { Store } from '../core/ports/store.ts'
import { changeVm, isUp, type Vm, type VmDecision, type VmEvent } from '../core/model/vm.ts'
import type { UselessOffering } from './useless.ts'
import { coreDecisions, type Decisions } from '../core/model/apply.ts'

/**
 * fence          a report counts for whatever attempt is live, whatever VM sends it
 * lease-check    a job is given away, and a lease given up, without a look at whether that lease lives
 * idempotency    the key of a submission is not kept
 * confirm-delete a record ends with the cloud's promise to delete, not with the machine
 * charge         usage is not charged for attempts that end without a result (a lost lease, a lost VM)
 * account        no usage is recorded of attempts that were lost with their machine
 * proof          a VM proves its image by coming up, and none that came up is to blame
 * measure        what VMs were found to have is not heard: plans count with the promise
 * health         the director does not learn that a VM is unhealthy
 * drain-race     a VM is retired, and given jobs, without a look at the other side of that race
 * leave          a stream that ends stays with the matcher
 * dependency     whatever end of a job counts as Done for the jobs that wait for it
 * dependants     the end of a job is not handed on to the jobs that wait for it
 * release        a VM that takes no more jobs keeps its room for the task queue that it was reserved for
 */
export const rules = [
  'fence',
  'lease-check',
  'idempotency',
  'confirm-delete',
  'drain-race',
  'charge',
  'account',
  'proof',
  'health',
  'measure',
  'leave',
  'release',
  'dependency',
  'dependants',
] as const
export type Rule = (typeof rules)[number]

export function decisionsWithout(rule: Rule | undefined): Decisions {
  switch (rule) {
    case 'fence':
      return { ...coreDecisions, changeJob: (job, event, nowMs) => changeJob(job, unfenced(job, event), nowMs) }
    case 'lease-check':
      return { ...coreDecisions, changeJob: (job, event, nowMs) => changeJob(unleased(job, event), unchecked(event), nowMs) }
    case 'drain-race':
      return {
        ...coreDecisions,
        mayTakeJobs: (state) => state !== undefined,
        changeVm: (vm, event, leases, nowMs) => changeVm(vm, event, event.kind === 'retire' ? 0 : leases, nowMs),
      }
    case 'dependency':
      return { ...coreDecisions, changeJob: (job, event, nowMs) => changeJob(job, asDone(event), nowMs) }
    case 'dependants':
      return { ...coreDecisions, changeJob: (job, event, nowMs) => unheard(event) ?? changeJob(job, event, nowMs) }
    case 'proof':
      return { ...coreDecisions, changeVm: (vm, event, leases, nowMs) => proven(changeVm(vm, event, leases, nowMs)) }
    case 'health':
      return {
        ...coreDecisions,
        changeVm: (vm, event, leases, nowMs) => changeVm(vm, healthy(event), leases, nowMs),
      }
    case 'measure':
      return {
        ...coreDecisions,
        changeVm: (vm, event, leases, nowMs) => changeVm(vm, unmeasured(event), leases, nowMs),
      }
    case 'release':
      return {
        ...coreDecisions,
        changeVm: (vm, event, leases, nowMs) => reservedStill(vm, changeVm(vm, event, leases, nowMs), event),
      }
    default:
      return coreDecisions
  }
}

function proven(decision: VmDecision): VmDecision {
  if (!decision.ok || !isUp(decision.next.phase)) return decision
  const { phase, provenMs = phase.activeMs } = decision.next
  return { ...decision, next: { ...decision.next, provenMs, fault: undefined } }
}

function healthy(event: VmEvent): VmEvent {
  return event.kind === 'heartbeat' ? { ...event, heartbeat: { ...event.heartbeat, unhealthy: '' } } : event
}

function unmeasured(event: VmEvent): VmEvent {
  return event.kind === 'heartbeat' ? { ...event, heartbeat: { ...event.heartbeat, size: undefined } } : event
}

function reservedStill(vm: Vm, decision: VmDecision, { kind }: VmEvent): VmDecision {
  if (!decision.ok || !vm.reserved || kind === 'unreserve') return decision
  return { ...decision, next: { ...decision.next, reserved: vm.reserved } }
}

function asDone(event: JobEvent): JobEvent {
  return event.kind === 'dependency-ended' ? { ...event, end: 'Done' } : event
}

function unheard({ kind }: JobEvent): JobDecision | undefined {
  return kind === 'dependency-ended' ? { ok: false, why: 'stale' } : undefined
}

function unfenced(job: Job, event: JobEvent): JobEvent {
  const lease = leaseOf(job.phase)
  const isReport =
    event.kind === 'running' || event.kind === 'completing' || event.kind === 'ended' || event.kind === 'renew'
  if (!isReport || !lease || isEnded(job.phase)) return event
  return { ...event, attempt: job.attempt, vmId: lease.vmId }
}

function unleased(job: Job, event: JobEvent): Job {
  return event.kind === 'claim' && leaseOf(job.phase) ? { ...job, phase: { state: 'Waiting' } } : job
}

function unchecked(event: JobEvent): JobEvent {
  return event.kind === 'lost' ? { ...event, ifBeforeMs: undefined } : event
}

/** Weather that a run without the rule needs, so that work keeps asking for what does not come. */
export function uselessWithout(rule: Rule | undefined): UselessOffering | undefined {
  if (rule === 'proof') return { kind: 'never-starts' }
  if (rule === 'measure') return { kind: 'smaller' }
  return rule === 'health' ? { kind: 'disk-full' } : undefined
}

/** Forgets the keys on the way to the store. */
export function withoutKeys(store: Store): Store {
  return { ...store, submit: (submission, nowMs) => store.submit({ ...submission, idempotency: undefined }, nowMs) }
}

/** Loses usage records on the way to the store. */
export function withoutLost(store: Store): Store {
  return {
    ...store,
    account: (batch) => {
      const records = batch.records.filter((one) => one.kind === 'vm' || one.ending !== 'machine-lost')
      return store.account({ ...batch, records })
    },
  }
}
