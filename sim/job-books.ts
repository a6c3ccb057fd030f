/**
 * The auditor's own books of jobs: written from every decision at the moment when the store takes it, and held against it.
 *
 * Shares no rule with core/model/job.ts: it says again, from the outside, what must never happen to a job. A decision that
 * breaks one of these is reported in the very step in which it was taken.
 */

import type { VmId } from '../core/kernel/ids.ts'
import type { JobEvent } from '../core/model/job-event.ts'
import { isEnded, type Job, type JobDecision, type JobStateName, jobStates, leaseOf } from '../core/model/job.ts'
import { type Awaited, standingOf } from './dependencies.ts'
import type { Trace } from './trace.ts'
import type { Violations } from './violations.ts'

export type JobEntry = {
  readonly id: number
  /** Nothing that is offered could run it: it may wait for ever. */
  readonly isHopeless: boolean
  state: JobStateName
  attempt: number
  /** Of the live lease. */
  vmId: VmId | undefined
  untilMs: number
  ends: number
  /** When it ended, by the clock of the store's caller; undefined: it has not. */
  endedMs: number | undefined
  readonly awaited: Awaited
}

export type JobBooks = {
  readonly entries: ReadonlyMap<number, JobEntry>
  arrived(id: number, isHopeless: boolean, awaited: Awaited): void
  /** What the store is about to do. */
  decided(before: Job, event: JobEvent, decision: JobDecision, nowMs: number): void
  leasesOn(vmId: VmId): number
  ended(): number
}

export type JobAuditOptions = {
  readonly violations: Violations
  readonly trace: Trace
  readonly vmState: (vmId: VmId) => string | undefined
}

export function jobBooks(options: JobAuditOptions): JobBooks {
  const { violations, trace } = options
  const entries = new Map<number, JobEntry>()
  const leases = new Map<VmId, Set<number>>()
  let ended = 0

  function write(entry: JobEntry, next: Job, nowMs: number): void {
    const lease = leaseOf(next.phase)
    if (entry.vmId !== lease?.vmId) {
      if (entry.vmId !== undefined) leases.get(entry.vmId)?.delete(entry.id)
      if (lease) leases.set(lease.vmId, (leases.get(lease.vmId) ?? new Set()).add(entry.id))
    }
    if (isEnded(next.phase) && !isEndState(entry.state)) {
      ended += 1
      entry.endedMs = nowMs
    }
    Object.assign(entry, {
      state: next.phase.state,
      attempt: next.attempt,
      vmId: lease?.vmId,
      untilMs: lease?.untilMs ?? 0,
      ends: entry.ends + (isEnded(next.phase) ? 1 : 0),
    })
  }

  return {
    entries,
    arrived(id, isHopeless, awaited) {
      const state = awaited.size === 0 ? 'Waiting' : 'Blocked'
      const fresh = { attempt: 0, vmId: undefined, untilMs: 0, ends: 0, endedMs: undefined }
      entries.set(id, { id, isHopeless, state, awaited, ...fresh })
    },
    decided(before, event, decision, nowMs) {
      const entry = entries.get(before.id)
      if (!entry) {
        violations.report('jobKept', { jobId: before.id }, 'the store changes a job that no user submitted')
        return
      }
      if (event.kind === 'await' || event.kind === 'dependants-over') {
        const isSame = !decision.ok || decision.next.phase === before.phase
        violations.check(isSame, 'jobKept', { jobId: before.id }, () => `${event.kind} changed its state`)
        return
      }
      const vmId = 'vmId' in event ? event.vmId : entry.vmId
      if (decision.ok) auditDependencies(options, entries, entry, event, decision.next)
      if (decision.ok) audit(options, entry, before, event, decision.next, nowMs)
      if (event.kind !== 'renew' || !decision.ok) {
        const attempt = 'attempt' in event ? ` ${event.attempt}` : ''
        const now = decision.ok ? `${decision.next.phase.state} ${decision.next.attempt}` : `refused as ${decision.why}`
        trace.note({ jobId: before.id, vmId }, `${event.kind}${attempt}: ${now}`)
      }
      if (decision.ok) write(entry, decision.next, nowMs)
    },
    leasesOn: (vmId) => leases.get(vmId)?.size ?? 0,
    ended: () => ended,
  }
}

/** Whatever brings a job near its start does so after its dependencies; what ends it for one has looked at that one. */
function auditDependencies(
  { violations }: JobAuditOptions,
  entries: ReadonlyMap<number, JobEntry>,
  { id, state, awaited }: JobEntry,
  event: JobEvent,
  { phase }: Job,
): void {
  if (awaited.size === 0) return
  const standings = [...awaited].map(([on, when]) => standingOf(when, entries.get(on)?.state))
  const isFree = standings.every((one) => one === 'met')
  const isNear = phase.state === 'Waiting' || leaseOf(phase) !== undefined
  const said = (): string => [...awaited].map(([on, when]) => `${on} ${when}: ${entries.get(on)?.state}`).join(', ')
  violations.check(!isNear || isFree, 'early', { jobId: id }, () => `${phase.state} after ${state}, and waits for ${said()}`)
  if (event.kind !== 'dependency-ended' || phase.state !== 'Failed') return
  violations.check(standings.includes('never'), 'early', { jobId: id }, () => `Failed, and waits for ${said()}`)
}

/** Since when a job that is Blocked should not be: all that it waits for has ended, or one in vain. */
export function dueSince(entries: ReadonlyMap<number, JobEntry>, { state, awaited }: JobEntry): number | undefined {
  if (state !== 'Blocked') return undefined
  const others = [...awaited].map(([on, when]) => {
    const { state: end, endedMs = Infinity } = entries.get(on) ?? {}
    return { standing: standingOf(when, end), endedMs }
  })
  const inVain = others.filter(({ standing }) => standing === 'never').map(({ endedMs }) => endedMs)
  if (inVain.length > 0) return Math.min(...inVain)
  return others.every(({ standing }) => standing === 'met') ? Math.max(...others.map(({ endedMs }) => endedMs)) : undefined
}

/** What of the event does not fit to what the books say. */
function audit(
  { violations, vmState }: JobAuditOptions,
  entry: JobEntry,
  before: Job,
  event: JobEvent,
  next: Job,
  nowMs: number,
): void {
  const about = { jobId: entry.id, vmId: 'vmId' in event ? event.vmId : entry.vmId }
  const step = `${event.kind}${'attempt' in event ? ` of attempt ${event.attempt}` : ''} on ${entry.state} ${entry.attempt}`
  const { check } = violations
  const same = before.phase.state === entry.state && before.attempt === entry.attempt
  check(same, 'jobKept', about, () => `the store had ${before.phase.state} ${before.attempt}, the books ${entry.state}`)
  check(!isEndState(entry.state), 'endFinal', about, () => `${step}: granted`)
  check(jobStates.includes(next.phase.state), 'jobKept', about, () => `${step}: now ${next.phase.state}`)
  switch (event.kind) {
    case 'claim': {
      check(entry.vmId === undefined, 'oneLease', about, () => `${step}: claimed while ${entry.vmId} holds a live lease`)
      check(next.attempt === entry.attempt + 1, 'oneAttempt', about, () => `${step}: it became attempt ${next.attempt}`)
      const state = vmState(event.vmId)
      check(state === 'Active', 'busyVm', about, () => `${step}: given to ${event.vmId}, which is ${state}`)
      return
    }
    case 'running':
    case 'completing':
    case 'ended':
    case 'renew': {
      const isLive = event.attempt === entry.attempt && event.vmId === entry.vmId
      check(isLive, 'oldReport', about, () => `${step}: taken from ${event.vmId}, the lease is ${entry.vmId ?? 'no VM'}'s`)
      break
    }
    case 'lost': {
      const isOver = event.ifBeforeMs !== undefined || isOverState(vmState(entry.vmId ?? ('' as VmId)))
      check(event.attempt === entry.attempt, 'oldReport', about, () => `${step}: lost`)
      check(isOver, 'oneLease', about, () => `${step}: lost although ${entry.vmId} lives`)
      const isLate = event.ifBeforeMs === undefined || entry.untilMs <= nowMs
      check(isLate, 'oneLease', about, () => `${step}: lost ${(entry.untilMs - nowMs) / 1000} s before its lease ends`)
      break
    }
  }
  check(next.attempt === entry.attempt, 'oneAttempt', about, () => `${step}: it became attempt ${next.attempt}`)
}

export function isEndState(state: string): boolean {
  return state === 'Done' || state === 'Failed' || state === 'Killed'
}

export function isOverState(state: string | undefined): boolean {
  return state === 'Gone' || state === 'Failed' || state === 'Lost'
}
