/**
 * A job: what a user submits. Decides which changes of a job are legal; the store applies them, one at a time per job.
 *
 * Refuses to know who may ask (the edge does), where a job fits (the matcher does) and how jobs are kept. What stays true:
 * an acknowledged job is in exactly one of these states, at most one lease lives, an attempt number is given once, a message
 * from an older attempt changes nothing, and an end is final.
 *
 * What an event (row) does to a job in a state (column). The last column is of three states: each of them is final.
 *
 *   event             Blocked      Waiting      Held         Matched      Running      Completing   ended states
 *   claim             not-waiting  Matched      not-waiting  not-waiting  not-waiting  not-waiting  ended
 *   running           stale        stale        stale        Running      unchanged    unchanged    stale
 *   completing        stale        stale        stale        Completing   Completing   unchanged    stale
 *   ended             stale        stale        stale        by result    by result    by result    stale
 *   renew             stale        stale        stale        extended     extended     extended     stale
 *   lost              stale        stale        stale        retried      retried      retried      stale
 *   withdraw          stale        stale        stale        retried      stale        stale        stale
 *   kill              Killed       Killed       Killed       asked        asked        asked        ended
 *   hold              Held         Held         held         not-waiting  not-waiting  not-waiting  ended
 *   release           not-held     not-held     back         not-held     not-held     not-held     ended
 *   reschedule        not-live     not-live     not-live     asked        asked        asked        ended
 *   prioritise        re-ranked    re-ranked    re-ranked    re-ranked    re-ranked    re-ranked    ended
 *   delete            not-ended    not-ended    not-ended    not-ended    not-ended    not-ended    removed
 *   dependency-ended  settled      stale        settled      stale        stale        stale        stale
 *   await             counted      counted      counted      counted      counted      counted      counted
 *   dependants-over   stale        stale        stale        stale        stale        stale        cleared
 *
 * A capital letter begins the name of the next state. stale, ended, not-ended, not-waiting, held, not-held and not-live are
 * refusals (JobRefusal). An event that names another attempt than the live one is always refused as stale. `lost` is refused
 * as renewed if the lease ends after the event's `ifBeforeMs`.
 *
 * unchanged   The event is accepted and changes nothing.
 * extended    The state stays, and the lease may end later.
 * asked       The state stays, and the lease notes what the pilot has to do. The job changes when the pilot reports its end
 *             or the lease is lost.
 * retried     Killed if a kill was asked; else Waiting if a reschedule was asked or the count that the end belongs to
 *             (core/model/attempt.ts) is below its maximum; else Failed. `lost` is a machine loss. `withdraw` belongs to no
 *             count, so it never ends in Failed.
 * `cut` makes a live lease shorter and changes no state. A reschedule beyond its limit is refused as reschedule-limit.
 * re-ranked   The state stays, and the priority is the given one; also of later attempts.
 * removed     Job and description are gone, the fact stays. Refused as awaited while dependants may not know the end.
 * by result   Done or Failed by the verdict on the result (core/model/attempt.ts). If it was stopped or lost: as retried.
 * back        Blocked if it still waits for other jobs, else Waiting.
 * settled     A dependency that is met is taken off the list of those that are open: with the last one a Blocked job is
 *             Waiting, a Held one stays Held. One that can never be met makes the job Failed. One that is not on the list
 *             (it was settled before) is stale.
 * counted     The state stays; another job waits for the end of this one (core/model/dependency.ts).
 * cleared     The count is gone, unless it grew since it was read: then the event is stale.
 *
 * `maxAttempts` grows with each attempt that does not count as one: the job is Failed when its attempt number reaches it.
 */

import type { JobEvent, JobRefusal } from './job-event.ts'
import type { Owner } from './owner.ts'
import { byServiceClock, type Counted, lastOf, resultByServiceClock, verdict, type Result } from './attempt.ts'
import type { ClassId, JobId, VmId } from '../kernel/ids.ts'
import { freeAttempts } from '../kernel/limits.ts'
import { type Dependency, endText, isMetBy, type OpenDependency } from './dependency.ts'
import type { Needs, Requirements } from './requirements.ts'
import type { InputFile } from './sandbox-file.ts'

/** In the order of their codes in stores: a new one comes last. */
export const jobStates = [
  'Waiting',
  'Held',
  'Matched',
  'Running',
  'Completing',
  'Done',
  'Failed',
  'Killed',
  'Blocked',
] as const
export type JobStateName = (typeof jobStates)[number]

/** What a user submits, checked and with every default filled in. Never changes. */
export type JobSpec = {
  readonly name: string
  readonly executable: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly requirements: Requirements
  readonly priority: number
  readonly maxAttempts: number
  readonly maxMachineLosses: number
  /** What people sort jobs by; empty: none. */
  readonly jobGroup: string
  readonly jobType: string
  readonly inputFiles: readonly InputFile[]
  /** Names and patterns of files that are kept when the payload ends. */
  readonly outputFiles: readonly string[]
  /** Jobs whose end it waits for; absent: none. */
  readonly after?: readonly Dependency[]
  /** Stands for the job's id in its arguments and environment; absent: nothing does. */
  readonly jobIdMark?: string
}

export type Stop = { readonly kind: 'kill' | 'reschedule'; readonly by: string; readonly atMs: number }

/** A pilot's right to run a job for a limited time. The job's `attempt` is its fence. */
export type Lease = {
  readonly vmId: VmId
  readonly cores: number
  /** Absent: none. */
  readonly gpus?: number
  readonly claimedMs: number
  readonly untilMs: number
  readonly stop?: Stop
}

export type Phase =
  | { readonly state: 'Waiting' }
  /** `open`: what it waits for, once it is released; absent: nothing. */
  | { readonly state: 'Held'; readonly why: string; readonly open?: readonly OpenDependency[] }
  | { readonly state: 'Blocked'; readonly open: readonly OpenDependency[] }
  | { readonly state: 'Matched'; readonly lease: Lease }
  | { readonly state: 'Running' | 'Completing'; readonly lease: Lease; readonly startedMs: number }
  /** An ended job remembers the lease of its last attempt, where there was one. */
  | { readonly state: 'Done'; readonly lease: Lease; readonly result: Result }
  | { readonly state: 'Failed'; readonly why: string; readonly lease?: Lease; readonly result?: Result }
  | { readonly state: 'Killed'; readonly why: string; readonly lease?: Lease; readonly result?: Result }

export type Job = Owner & {
  readonly id: JobId
  readonly classId: ClassId
  /** Absent: exactly what its task queue asks for. */
  readonly needs?: Needs
  readonly name: string
  /** Empty: none. */
  readonly jobGroup: string
  readonly jobType: string
  readonly priority: number
  readonly maxAttempts: number
  /** Attempts that were lost with their machine, and at which number of them the job is Failed. */
  readonly machineLosses: number
  readonly maxMachineLosses: number
  readonly submittedMs: number
  readonly changedMs: number
  /** Of the last attempt; 0 before the first. */
  readonly attempt: number
  /** How often it was asked for to run again while it ran; absent: never. An operator begins the count anew. */
  readonly reschedules?: number
  readonly phase: Phase
  /** How often another job began to wait for its end; absent: none does, or all of them know it. */
  readonly awaited?: number
}

/** The next job (`isRemoved`: the last that was known of it), and whether that is worth a fact; or why nothing changes. */
export type JobDecision =
  | { readonly ok: true; readonly next: Job; readonly emits: boolean; readonly isRemoved?: true }
  | { readonly ok: false; readonly why: JobRefusal }

/** What a store does to a job, whatever the event: the one way a job changes. */
export function changeJob(job: Job, event: JobEvent, nowMs: number): JobDecision {
  switch (event.kind) {
    case 'claim':
      return claim(job, event, nowMs)
    case 'running':
    case 'completing':
    case 'ended':
    case 'renew':
    case 'withdraw':
      return fromAttempt(job, event, nowMs)
    case 'lost':
      return lose(job, event, nowMs)
    case 'cut':
      return cut(job, event)
    case 'kill':
    case 'hold':
    case 'release':
    case 'reschedule':
    case 'prioritise':
      return steer(job, event, nowMs)
    case 'delete':
      return remove(job)
    case 'dependency-ended':
      return settle(job, event, nowMs)
    case 'await':
      return accept({ ...job, awaited: (job.awaited ?? 0) + 1 }, false)
    case 'dependants-over':
      return clearAwaited(job, event)
  }
}

export function isEnded(phase: Phase): phase is Extract<Phase, { state: 'Done' | 'Failed' | 'Killed' }> {
  return phase.state === 'Done' || phase.state === 'Failed' || phase.state === 'Killed'
}

/** The live lease, where there is one. */
export function leaseOf(phase: Phase): Lease | undefined {
  return phase.state === 'Matched' || phase.state === 'Running' || phase.state === 'Completing' ? phase.lease : undefined
}

/** What it still waits for. */
export function openOf(phase: Phase): readonly OpenDependency[] {
  return (phase.state === 'Blocked' || phase.state === 'Held' ? phase.open : undefined) ?? []
}

/** The phase in which a job comes. */
export function firstPhase(open: readonly OpenDependency[]): Phase {
  return open.length === 0 ? { state: 'Waiting' } : { state: 'Blocked', open }
}

function claim(job: Job, event: Extract<JobEvent, { kind: 'claim' }>, nowMs: number): JobDecision {
  if (isEnded(job.phase)) return refuse('ended')
  if (job.phase.state !== 'Waiting') return refuse('not-waiting')
  const { vmId, cores, gpus, untilMs } = event
  const lease: Lease = { vmId, cores, ...(gpus ? { gpus } : {}), claimedMs: nowMs, untilMs }
  return accept({ ...job, attempt: job.attempt + 1, changedMs: nowMs, phase: { state: 'Matched', lease } })
}

function fromAttempt(
  job: Job,
  event: Extract<JobEvent, { kind: 'running' | 'completing' | 'ended' | 'renew' | 'withdraw' }>,
  nowMs: number,
): JobDecision {
  const { phase } = job
  const lease = leaseOf(phase)
  if (!lease || event.attempt !== job.attempt || event.vmId !== lease.vmId) return refuse('stale')
  switch (event.kind) {
    case 'renew':
      return accept(withLease(job, { ...lease, untilMs: Math.max(lease.untilMs, event.untilMs) }), false)
    case 'running':
      if (phase.state !== 'Matched') return accept(job, false)
      return accept({
        ...job,
        changedMs: nowMs,
        phase: { state: 'Running', lease, startedMs: startOf(event, lease, nowMs) },
      })
    case 'completing': {
      if (phase.state === 'Completing') return accept(job, false)
      const startedMs = phase.state === 'Running' ? phase.startedMs : startOf(event, lease, nowMs)
      return accept({ ...job, changedMs: nowMs, phase: { state: 'Completing', lease, startedMs } })
    }
    case 'ended': {
      const known = 'startedMs' in phase ? { ...lease, startedMs: phase.startedMs } : lease
      return end(job, lease, resultByServiceClock(event.result, known, nowMs), nowMs)
    }
    case 'withdraw':
      if (phase.state !== 'Matched') return refuse('stale')
      return again(job, { lease, why: event.why, counted: 'free' }, nowMs)
  }
}

/** Of a report, by the service's clock. */
function startOf({ startedMs }: { readonly startedMs: number }, { claimedMs }: Lease, nowMs: number): number {
  return byServiceClock(startedMs, claimedMs, nowMs)
}

function end(job: Job, lease: Lease, result: Result, nowMs: number): JobDecision {
  const said = verdict(result)
  switch (said.kind) {
    case 'done':
      return accept({ ...job, changedMs: nowMs, phase: { state: 'Done', lease, result } })
    case 'failed':
      return accept({ ...job, changedMs: nowMs, phase: { state: 'Failed', why: said.why, lease, result } })
    case 'stopped':
      if (lease.stop?.kind === 'kill') {
        return accept({
          ...job,
          changedMs: nowMs,
          phase: { state: 'Killed', why: `killed by ${lease.stop.by}`, lease, result },
        })
      }
      return again(job, { lease, why: result.detail || 'stopped by the pilot', counted: 'machine-loss' }, nowMs)
    case 'lost': {
      const isFree = said.counted === 'free' && job.attempt - job.machineLosses <= freeAttempts
      const counted = said.counted === 'free' && !isFree ? 'attempt' : said.counted
      return again(job, { lease, why: said.why, counted }, nowMs)
    }
  }
}

function lose(job: Job, event: Extract<JobEvent, { kind: 'lost' }>, nowMs: number): JobDecision {
  const lease = leaseOf(job.phase)
  if (!lease || event.attempt !== job.attempt) return refuse('stale')
  if (event.ifBeforeMs !== undefined && lease.untilMs > event.ifBeforeMs) return refuse('renewed')
  return again(job, { lease, why: event.why, counted: 'machine-loss' }, nowMs)
}

function cut(job: Job, { attempt, untilMs }: Extract<JobEvent, { kind: 'cut' }>): JobDecision {
  const lease = leaseOf(job.phase)
  if (!lease || attempt !== job.attempt) return refuse('stale')
  return accept(lease.untilMs <= untilMs ? job : withLease(job, { ...lease, untilMs }), false)
}

type Over = { readonly lease: Lease; readonly why: string; readonly counted: Counted }

/** An attempt is over without a verdict on the job: killed if that was asked, else another try while there is one left. */
function again(job: Job, { lease, why, counted: said }: Over, nowMs: number): JobDecision {
  const { stop } = lease
  if (stop?.kind === 'kill') {
    return accept({ ...job, changedMs: nowMs, phase: { state: 'Killed', why: `killed by ${stop.by}`, lease } })
  }
  // A reschedule was wished for: it does not use up a try.
  const counted = stop?.kind === 'reschedule' ? 'free' : said
  const counts = {
    maxAttempts: job.maxAttempts + (counted === 'attempt' ? 0 : 1),
    machineLosses: job.machineLosses + (counted === 'machine-loss' ? 1 : 0),
  }
  const last = lastOf({ ...job, ...counts }, counted)
  const phase: Phase = last === undefined ? { state: 'Waiting' } : { state: 'Failed', why: `${why}, ${last}`, lease }
  return accept({ ...job, ...counts, changedMs: nowMs, phase })
}

function steer(
  job: Job,
  event: Extract<JobEvent, { kind: 'kill' | 'hold' | 'release' | 'reschedule' | 'prioritise' }>,
  nowMs: number,
): JobDecision {
  const { phase } = job
  if (isEnded(phase)) return refuse('ended')
  const lease = leaseOf(phase)
  switch (event.kind) {
    case 'kill':
      if (lease) return ask(job, lease, { kind: 'kill', by: event.by, atMs: nowMs })
      return accept({ ...job, changedMs: nowMs, phase: { state: 'Killed', why: byWhom('killed', event) } })
    case 'hold':
      if (phase.state === 'Held') return refuse('held')
      if (lease) return refuse('not-waiting')
      return accept({ ...job, changedMs: nowMs, phase: held(byWhom('held', event), openOf(phase)) })
    case 'release':
      if (phase.state !== 'Held') return refuse('not-held')
      return accept({ ...job, changedMs: nowMs, phase: firstPhase(openOf(phase)) })
    case 'reschedule':
      if (!lease) return refuse('not-live')
      return reschedule(job, lease, event, nowMs)
    case 'prioritise':
      if (event.priority === job.priority) return accept(job, false)
      return accept({ ...job, priority: event.priority, changedMs: nowMs })
  }
}

/** One that is asked for already is asked for once. */
function reschedule(job: Job, lease: Lease, event: Extract<JobEvent, { kind: 'reschedule' }>, nowMs: number): JobDecision {
  const { reschedules = 0 } = job
  const { by, limit } = event
  const asked = ask(job, lease, { kind: 'reschedule', by, atMs: nowMs })
  if (!asked.ok || !asked.emits) return asked
  if (limit === undefined) return accept({ ...asked.next, reschedules: 0 })
  return reschedules < limit ? accept({ ...asked.next, reschedules: reschedules + 1 }) : refuse('reschedule-limit')
}

function remove(job: Job): JobDecision {
  if (!isEnded(job.phase)) return refuse('not-ended')
  return job.awaited === undefined ? { ok: true, next: job, emits: true, isRemoved: true } : refuse('awaited')
}

function held(why: string, open: readonly OpenDependency[]): Phase {
  return open.length === 0 ? { state: 'Held', why } : { state: 'Held', why, open }
}

function settle(job: Job, { on, end: ending }: Extract<JobEvent, { kind: 'dependency-ended' }>, nowMs: number): JobDecision {
  const { phase } = job
  const open = openOf(phase)
  const settled = open.find((one) => one.job === on)
  if (!settled) return refuse('stale')
  if (!isMetBy(settled.when, ending)) {
    const why = `it waits for job ${on} (when ${settled.when}), and ${endText(on, ending)}`
    return accept({ ...job, changedMs: nowMs, phase: { state: 'Failed', why } })
  }
  const left = open.filter((one) => one !== settled)
  if (phase.state === 'Held') return accept({ ...job, phase: held(phase.why, left) }, false)
  if (left.length > 0) return accept({ ...job, phase: { state: 'Blocked', open: left } }, false)
  return accept({ ...job, changedMs: nowMs, phase: { state: 'Waiting' } })
}

function clearAwaited(job: Job, { awaited }: Extract<JobEvent, { kind: 'dependants-over' }>): JobDecision {
  if (!isEnded(job.phase) || job.awaited !== awaited) return refuse('stale')
  const { awaited: _, ...rest } = job
  return accept(rest, false)
}

function byWhom(verb: string, { by, why }: { by: string; why: string }): string {
  return why === '' ? `${verb} by ${by}` : `${verb} by ${by}: ${why}`
}

/** A kill is stronger than a reschedule: the first kill stays. */
function ask(job: Job, lease: Lease, stop: Stop): JobDecision {
  if (lease.stop?.kind === 'kill' || lease.stop?.kind === stop.kind) return accept(job, false)
  return accept({ ...withLease(job, { ...lease, stop }), changedMs: stop.atMs })
}

function withLease(job: Job, lease: Lease): Job {
  const { phase } = job
  if (phase.state === 'Matched') return { ...job, phase: { state: 'Matched', lease } }
  if (phase.state === 'Running' || phase.state === 'Completing') {
    return { ...job, phase: { state: phase.state, lease, startedMs: phase.startedMs } }
  }
  return job
}

function accept(next: Job, emits = true): JobDecision {
  return { ok: true, next, emits }
}

function refuse(why: JobRefusal): JobDecision {
  return { ok: false, why }
}
