/**
 * What an event makes of a job, a VM or an image that a store has read: the outcome for the caller, the record to write if
 * it changed, and the fact that explains the change.
 *
 * Every store asks here and decides nothing itself: it reads, calls, and writes what comes back in one atomic step. What a
 * store alone knows (the leases on a VM, how many images there are) it hands in, as it is at that same moment.
 */

import type { NewFact } from './fact-shapes.ts'
import { imageFact, jobFact, reservationFact, sizeFact, traitFact, traitsText, vmFact } from './facts.ts'
import { changeImage, type Image, type ImageEvent, type ImageRefusal } from './image.ts'
import type { JobEvent, JobRefusal } from './job-event.ts'
import { changeJob, type Job, type JobStateName, type Lease, leaseOf } from './job.ts'
import { overclaimFact } from './overclaim.ts'
import { fits, minus, noResources, plus, type Resources } from './resources.ts'
import { changeVm, type Vm, type VmEvent, type VmRefusal, type VmStateName } from './vm.ts'
import { missingTraits } from './vm-place.ts'
import type { VmId } from '../kernel/ids.ts'

export type Refused<Why> = { readonly ok: false; readonly why: Why }

/** `changed`: what to write; absent: the record stays as it is. `fact`: to be written in the same step. */
export type Applied<Noun, Outcome> = { readonly outcome: Outcome; readonly changed?: Noun; readonly fact?: NewFact }

/** The functions that decide. The simulation hands in broken ones to prove that it notices. */
export type Decisions = {
  readonly changeJob: typeof changeJob
  readonly changeVm: typeof changeVm
  readonly mayTakeJobs: typeof mayTakeJobs
}

export const coreDecisions: Decisions = { changeJob, changeVm, mayTakeJobs }

/** Whether a VM in this state may be given jobs; undefined: there is no such VM. */
export function mayTakeJobs(state: VmStateName | undefined): boolean {
  return state === 'Active'
}

/** The VM that a claim names, as the store knows it. */
export type ClaimingVm = {
  readonly mayTakeJobs: boolean
  /** Absent: the store checks the room after the claim is written. */
  readonly room?: { readonly vm: Vm; readonly held: Resources; readonly wanted: Resources }
}

/** An attempt that a change ended, whichever way: its number and its lease. */
export type EndedAttempt = { readonly attempt: number; readonly lease: Lease }

/** Undefined: the change ended no attempt. */
export function endedAttempt(before: Job, after: Job): EndedAttempt | undefined {
  const lease = leaseOf(before.phase)
  return lease && !leaseOf(after.phase) ? { attempt: before.attempt, lease } : undefined
}

export type AppliedJobOutcome =
  | { readonly ok: true; readonly job: Job; readonly was: JobStateName; readonly ended?: EndedAttempt }
  | Refused<JobRefusal>

/**
 * `alarm`: the fact of a claim that exceeds the VM's record; the store writes at most one per VM and minute. `isRemoved`:
 * the job is to be removed with its description.
 */
export type AppliedJob = Applied<Job, AppliedJobOutcome> & { readonly alarm?: NewFact; readonly isRemoved?: true }

/** `claiming` is needed for a claim alone. */
export function applyToJob(
  before: Job | undefined,
  event: JobEvent,
  claiming: ClaimingVm | undefined,
  nowMs: number,
  decide: Pick<Decisions, 'changeJob'> = coreDecisions,
): AppliedJob {
  if (!before) return refused('not-found')
  if (event.kind === 'claim') {
    if (!claiming?.mayTakeJobs) return refused('vm-not-active')
    if (claiming.room && before.phase.state === 'Waiting') {
      const { vm, held, wanted } = claiming.room
      const { alarm } = judgeClaims(vm.id, vm, held, [wanted])
      if (alarm) return { ...refused('vm-full'), alarm }
    }
  }
  const decision = decide.changeJob(before, event, nowMs)
  if (!decision.ok) return { outcome: decision }
  const { next, emits, isRemoved } = decision
  const outcome = { ok: true, job: next, was: before.phase.state, ended: endedAttempt(before, next) } as const
  const fact = emits ? { fact: jobFact(before, next, event) } : {}
  return { outcome, ...changedFrom(before, next), ...fact, ...(isRemoved ? { isRemoved } : {}) }
}

/** Of claims in their order, how many fit on the VM beside what it holds. `alarm` reports the others. */
export function judgeClaims(
  vmId: VmId,
  vm: Resources,
  held: Resources,
  claims: readonly Resources[],
): { readonly fitting: number; readonly alarm?: NewFact } {
  let used = held
  for (const [at, claim] of claims.entries()) {
    const more = plus(used, claim)
    if (!fits(more, vm)) {
      const beyond = claims.slice(at).reduce(plus, noResources)
      return { fitting: at, alarm: overclaimFact(vmId, vm, used, beyond) }
    }
    used = more
  }
  return { fitting: claims.length }
}

/** What a VM holds without these claims, where they are counted in already. */
export function heldBeside(all: Resources, claims: readonly Resources[]): Resources {
  return claims.reduce(minus, all)
}

export type AppliedVmOutcome =
  | { readonly ok: true; readonly vm: Vm; readonly was: VmStateName; readonly leases: number }
  | Refused<VmRefusal>

/** `facts`: all to be written in the same step, in their order. */
export type AppliedVm = Omit<Applied<Vm, AppliedVmOutcome>, 'fact'> & { readonly facts: readonly NewFact[] }

/** `leases`: how many live leases the VM holds at this moment. */
export function applyToVm(
  before: Vm | undefined,
  event: VmEvent,
  leases: number,
  nowMs: number,
  decide: Pick<Decisions, 'changeVm'> = coreDecisions,
): AppliedVm {
  if (!before) return { ...refused('not-found'), facts: [] }
  const decision = decide.changeVm(before, event, leases, nowMs)
  if (!decision.ok) return { outcome: decision, facts: [] }
  const { next, emits } = decision
  const outcome = { ok: true, vm: next, was: before.phase.state, leases } as const
  const reservation = reservationFact(before, next, event)
  const facts = [
    ...(emits ? [vmFact(next)] : []),
    ...(isNewlyLess(before, next) ? [sizeFact(next)] : []),
    ...(isNewlyOther(before, next) ? [traitFact(next)] : []),
    ...(reservation ? [reservation] : []),
  ]
  return { outcome, ...changedFrom(before, next), facts }
}

/** A fact says once, and again if that changes, that a VM has less than was promised. */
function isNewlyLess(before: Vm, { beat, ...vm }: Vm): boolean {
  const known = before.beat?.size
  return beat?.size !== undefined && !fits(vm, beat.size) && !(known && fits(known, beat.size) && fits(beat.size, known))
}

/** The same of its other traits. */
function isNewlyOther(before: Vm, next: Vm): boolean {
  return before.found !== next.found && missingTraits(next).length > 0 && traitsText(before) !== traitsText(next)
}

export type AppliedImageOutcome =
  | { readonly ok: true; readonly image: Image; readonly changed: boolean }
  | Refused<ImageRefusal>

/** `known`: how many images there are at this moment. */
export function applyToImage(
  before: Image | undefined,
  event: ImageEvent,
  known: number,
  nowMs: number,
): Applied<Image, AppliedImageOutcome> {
  const decision = changeImage(before, event, known, nowMs)
  if (!decision.ok) return { outcome: decision }
  const { next, changed } = decision
  const outcome = { ok: true, image: next, changed } as const
  return changed ? { outcome, changed: next, fact: imageFact(next, event) } : { outcome }
}

function refused<Why>(why: Why): { readonly outcome: Refused<Why> } {
  return { outcome: { ok: false, why } }
}

function changedFrom<Noun>(before: Noun, next: Noun): { readonly changed?: Noun } {
  return next === before ? {} : { changed: next }
}
