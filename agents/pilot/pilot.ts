/**
 * The pilot's mind: which payload starts or stops, what is reported, what is offered, and when leases are renewed.
 *
 * Pure: `step` takes a state, an event and the monotonic time, and gives the next state and what shall be done. It refuses
 * to know streams, processes and files. What stays true: an attempt starts at most once; every attempt taken is reported as
 * ended under one report id, resent until it is acknowledged; a payload whose lease may be over is stopped before another
 * pilot can own its job.
 *
 *              assigned   started   ended               kept    acked          refused  stop, lease over   close
 *   (unknown)  waiting    -         -                   -       -              -        -                  -
 *   waiting    same       -         -                   -       -              gone     ended              ended
 *   starting   same       running   keeping ended gone  -       same           dropped  same, stopping     same, stopping
 *   running    same       same      keeping ended gone  -       same           dropped  same, stopping     same, stopping
 *   keeping    same       -         -                   ended   same           gone     same               same
 *   ended      same       -         -                   -       gone           gone     same               same
 *
 * A waiting attempt starts as soon as there is room. `dropped` is an attempt whose job the service gave to another pilot:
 * its payload is being stopped, and its end is not reported.
 */

import { requirementFields } from '../../core/language/fields.ts'
import { never } from '../../core/kernel/assert.ts'
import type { Result } from '../../core/model/attempt.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { outputChunkBytes, stopGraceMs } from '../../core/kernel/limits.ts'
import { type Held, isDropped, isLive, keyOf, type Link, owned, type Taken, type Task } from './held.ts'
import { flush } from './outgoing.ts'
import type { Draft, PilotEffect, PilotState, Report } from './state.ts'
import { fits, type Resources, total, takenWith, amounts } from '../../core/model/resources.ts'

export type PilotEvent =
  | { readonly kind: 'linked' }
  | { readonly kind: 'welcome'; readonly leaseMs: number; readonly renewEveryMs: number }
  | { readonly kind: 'unlinked' }
  | { readonly kind: 'assigned'; readonly task: Task }
  | { readonly kind: 'renewed' }
  /** `reportId` 0 with a refusal: a renewal of this attempt was refused. */
  | (AttemptRef & { readonly kind: 'acked'; readonly reportId: number; readonly refusal: string })
  | (AttemptRef & { readonly kind: 'stop'; readonly why: string })
  | { readonly kind: 'drain' }
  /** The pilot itself must end: it takes nothing more and stops everything. */
  | { readonly kind: 'close'; readonly why: string }
  | (AttemptRef & { readonly kind: 'started'; readonly startedMs: number })
  /** `isServiceFault`: it was not started, and another machine would not have done better. */
  | (AttemptRef & { readonly kind: 'ended'; readonly result: Result; readonly isServiceFault?: boolean })
  /** `lost`: what of its files was not kept, and why; empty or absent: nothing. */
  | (AttemptRef & { readonly kind: 'kept'; readonly lost?: string })
  | { readonly kind: 'tick' }
  /** Send what there is; reports of ends only up to this id, which the journal has on disk. */
  | { readonly kind: 'flush'; readonly durableReportId: number }

export type Step = { readonly state: PilotState; readonly effects: readonly PilotEffect[] }

/** What the journal of a former life has left: ends that were not acknowledged. */
export type Recovered = AttemptRef & { readonly size: Resources; readonly reportId: number; readonly result: Result }

export type PilotStart = {
  readonly size: Resources
  readonly leaseMarginMs: number
  readonly maxJobs: number
  readonly firstReportId: number
  readonly recovered: readonly Recovered[]
}

/** Duplicates come within a reconnect; a VM ends at most a few hundred attempts in that time. */
const finishedKept = 512
/** After each payload that could not be started it offers nothing for this time, doubled with each in a row. */
const startPauseMs = 5000
const maxStartPauseMs = 60_000
/** One may be chance; after this number in a row the VM says that it is of no use, and the director replaces it. */
const maxFailedStarts = 3

export function startPilot(start: PilotStart, nowMs: number): Step {
  const { size, leaseMarginMs, maxJobs, firstReportId: nextReportId, recovered } = start
  const state: PilotState = {
    size,
    leaseMarginMs,
    maxJobs,
    link: { state: 'down' },
    held: new Map(),
    reports: [],
    finished: [],
    nextReportId,
    welcomed: false,
    draining: false,
    idleSinceMs: nowMs,
    failedStarts: 0,
    pausedUntilMs: nowMs,
  }
  const draft: Draft = { state, held: new Map(), effects: [], nowMs }
  for (const { jobId, attempt, size: taken, reportId, result } of recovered) {
    const former: Taken = { jobId, attempt, size: taken, leaseFromMs: nowMs, leaseMs: 0, hasOutputFiles: false }
    end(draft, former, result, reportId)
  }
  return finish(draft)
}

export function step(state: PilotState, event: PilotEvent, nowMs: number): Step {
  const draft: Draft = { state, held: new Map(state.held), effects: [], nowMs }
  apply(draft, event)
  startWhatFits(draft)
  return finish(draft)
}

/** The status for the monitor. An end that is not yet acknowledged still counts: the VM must not stop before its report. */
export function statusOf(state: PilotState): {
  readonly state: 'starting' | 'idle' | 'busy' | 'draining'
  readonly payloads: number
  readonly idleSinceMs: number
  readonly unhealthy?: string
} {
  const payloads = state.held.size
  const { idleSinceMs } = state
  const unhealthy = state.failedStarts < maxFailedStarts ? undefined : 'cannot-start-payloads'
  const common = { payloads, idleSinceMs, unhealthy }
  if (state.draining) return { state: 'draining', ...common }
  if (payloads > 0) return { state: 'busy', ...common }
  return { state: state.welcomed ? 'idle' : 'starting', ...common }
}

function apply(draft: Draft, event: PilotEvent): void {
  const { state, nowMs } = draft
  switch (event.kind) {
    case 'linked':
      set(draft, { link: { state: 'joining' }, reports: unsent(state.reports) })
      draft.effects.push({ kind: 'send', message: { kind: 'hello', held: owned(draft.held) } })
      break
    case 'welcome': {
      const { leaseMs, renewEveryMs } = event
      const link: Link = { state: 'up', leaseMs, renewEveryMs, renewDueMs: nowMs, received: 0, offered: '' }
      set(draft, { link, welcomed: true })
      break
    }
    case 'unlinked':
      set(draft, { link: { state: 'down' }, reports: unsent(state.reports) })
      break
    case 'assigned':
      take(draft, event.task)
      break
    case 'renewed':
      confirmRenewal(draft)
      break
    case 'acked':
      if (event.refusal === '') acknowledge(draft, event.reportId, event)
      else drop(draft, event)
      break
    case 'stop':
      stop(draft, draft.held.get(keyOf(event)), event.why, stopGraceMs)
      break
    case 'drain':
      set(draft, { draining: true })
      break
    case 'close':
      set(draft, { draining: true })
      for (const held of [...draft.held.values()]) stop(draft, held, event.why, stopGraceMs)
      break
    case 'started':
      started(draft, event)
      break
    case 'ended':
      ended(draft, event)
      break
    case 'kept':
      kept(draft, event)
      break
    case 'tick':
      stopWhatLeasesLeft(draft)
      break
    case 'flush':
      flush(draft, event.durableReportId)
      break
    default:
      never(event)
  }
}

function take(draft: Draft, task: Task): void {
  const { state, nowMs } = draft
  const { jobId, attempt, spec, cores, gpus, leaseMs } = task
  if (state.link.state === 'up') set(draft, { link: { ...state.link, received: state.link.received + 1 } })
  const key = keyOf(task)
  if (draft.held.has(key) || state.finished.includes(key)) return
  const size = takenWith({ cores, gpus }, spec.requirements)
  const hasOutputFiles = spec.outputFiles.length > 0
  const taken: Taken = { jobId, attempt, size, leaseFromMs: nowMs, leaseMs, hasOutputFiles }
  draft.effects.push({ kind: 'take', jobId, attempt, size, hasOutputFiles })
  // Refused rather than left waiting for room that can never be.
  const misfit = misfitOf(size, state.size)
  if (misfit === '') draft.held.set(key, { ...taken, state: 'waiting', task })
  else end(draft, taken, withoutPayload('not-started', misfit))
}

function startWhatFits(draft: Draft): void {
  let used = total([...draft.held.values()].filter(isLive).map(({ size }) => size))
  for (const [key, held] of draft.held) {
    if (held.state !== 'waiting' || !fits(total([used, held.size]), draft.state.size)) continue
    const { task, ...taken } = held
    used = total([used, held.size])
    draft.held.set(key, { ...taken, state: 'starting', dropped: false })
    draft.effects.push({ kind: 'start', task })
  }
}

function started(draft: Draft, event: Extract<PilotEvent, { kind: 'started' }>): void {
  const held = draft.held.get(keyOf(event))
  if (held?.state !== 'starting') return
  draft.held.set(keyOf(event), { ...held, state: 'running' })
  if (!held.dropped) report(draft, held, 'running', event.startedMs)
}

function ended(draft: Draft, event: Extract<PilotEvent, { kind: 'ended' }>): void {
  const held = draft.held.get(keyOf(event))
  if (held?.state !== 'starting' && held?.state !== 'running') return
  countStart(draft, event)
  if (held.dropped) forget(draft, held)
  else end(draft, held, event.result)
}

/** A payload that was stopped says nothing: it may not have begun. */
function countStart(draft: Draft, { result, isServiceFault }: Extract<PilotEvent, { kind: 'ended' }>): void {
  if (result.end === 'stopped') return
  if (isServiceFault) {
    // The job goes to another machine first; of this one it says nothing.
    set(draft, { pausedUntilMs: draft.nowMs + startPauseMs })
    return
  }
  const failedStarts = result.end === 'not-started' ? draft.state.failedStarts + 1 : 0
  const pauseMs = failedStarts === 0 ? 0 : Math.min(maxStartPauseMs, startPauseMs * 2 ** (failedStarts - 1))
  set(draft, { failedStarts, pausedUntilMs: draft.nowMs + pauseMs })
}

/** A payload is over, or will never be. What it wrote is kept before its end is reported. */
function end(draft: Draft, attempt: Taken, result: Result, known?: number): void {
  const { jobId, attempt: number, size, leaseFromMs, leaseMs, hasOutputFiles } = attempt
  const taken: Taken = { jobId, attempt: number, size, leaseFromMs, leaseMs, hasOutputFiles }
  const owesFiles = hasOutputFiles && leavesFiles(result)
  const bytes = result.stdoutBytes + result.stderrBytes
  if (bytes >= outputChunkBytes || owesFiles) report(draft, taken, 'completing', result.startedMs)
  const reportId = known ?? nextReportId(draft)
  draft.effects.push({ kind: 'record', jobId, attempt: number, reportId, result })
  if (bytes === 0 && !owesFiles) {
    reportEnd(draft, taken, reportId, result)
    return
  }
  draft.held.set(keyOf(taken), { ...taken, state: 'keeping', reportId, result })
  draft.effects.push({ kind: 'keep', jobId, attempt: number, result, owesFiles })
}

function kept(draft: Draft, event: Extract<PilotEvent, { kind: 'kept' }>): void {
  const held = draft.held.get(keyOf(event))
  if (held?.state !== 'keeping') return
  const { state: _, reportId, result, ...taken } = held
  const detail = [result.detail, event.lost].filter(Boolean).join('; ')
  reportEnd(draft, taken, reportId, { ...result, detail })
}

/**
 * Of a payload that ran to its own end or to a limit. One that was stopped leaves none, as in DIRAC: its job was killed, or
 * runs again.
 */
export function leavesFiles({ end: how }: Result): boolean {
  return how !== 'stopped' && how !== 'not-started' && how !== 'abandoned'
}

function reportEnd(draft: Draft, taken: Taken, reportId: number, result: Result): void {
  const { jobId, attempt } = taken
  draft.held.set(keyOf(taken), { ...taken, state: 'ended' })
  const one: Report = { reportId, jobId, attempt, phase: 'ended', startedMs: result.startedMs, result, sent: false }
  set(draft, { reports: [...draft.state.reports, one] })
}

function report(draft: Draft, { jobId, attempt }: AttemptRef, phase: 'running' | 'completing', startedMs: number): void {
  const one: Report = { reportId: nextReportId(draft), jobId, attempt, phase, startedMs, sent: false }
  set(draft, { reports: [...draft.state.reports, one] })
}

function acknowledge(draft: Draft, reportId: number, ref: AttemptRef): void {
  const { reports } = draft.state
  const acked = reports.find((one) => one.reportId === reportId && keyOf(one) === keyOf(ref))
  if (!acked) return
  set(draft, { reports: reports.filter((one) => one !== acked) })
  const held = draft.held.get(keyOf(ref))
  if (acked.phase === 'ended' && held) forget(draft, held)
}

/** Another attempt owns the job: nothing of this one is reported any more, and its payload stops. */
function drop(draft: Draft, ref: AttemptRef): void {
  const held = draft.held.get(keyOf(ref))
  if (!held || isDropped(held)) return
  set(draft, { reports: draft.state.reports.filter((one) => keyOf(one) !== keyOf(ref)) })
  if (!isLive(held)) {
    forget(draft, held)
    return
  }
  stop(draft, held, 'another attempt owns the job', stopGraceMs)
  draft.held.set(keyOf(ref), { ...held, stopping: held.stopping ?? 'another attempt owns the job', dropped: true })
}

function stop(draft: Draft, held: Held | undefined, why: string, graceMs: number): void {
  if (held?.state === 'waiting') end(draft, held, withoutPayload('stopped', why))
  if (!held || !isLive(held) || held.stopping !== undefined) return
  const { jobId, attempt } = held
  draft.held.set(keyOf(held), { ...held, stopping: why })
  draft.effects.push({ kind: 'stop', jobId, attempt, why, graceMs })
}

function confirmRenewal(draft: Draft): void {
  const { link } = draft.state
  if (link.state !== 'up' || link.renewSentMs === undefined) return
  // The service counted from when it read the renewal, which was after it was sent: ours ends no later than the service's.
  const { renewSentMs, leaseMs, ...rest } = link
  set(draft, { link: { ...rest, leaseMs } })
  for (const [key, held] of draft.held) {
    if (held.leaseFromMs < renewSentMs) draft.held.set(key, { ...held, leaseFromMs: renewSentMs, leaseMs })
  }
}

function stopWhatLeasesLeft(draft: Draft): void {
  for (const held of [...draft.held.values()]) {
    if (held.state !== 'waiting' && !isLive(held)) continue
    // A short lease (tests, impatient operators) gives a part of itself for stopping.
    const marginMs = Math.min(draft.state.leaseMarginMs, held.leaseMs / 4)
    if (draft.nowMs < held.leaseFromMs + held.leaseMs - marginMs) continue
    stop(draft, held, 'lease ended without contact', Math.min(stopGraceMs, marginMs / 2))
  }
}

function forget(draft: Draft, held: Held): void {
  const { jobId, attempt } = held
  draft.held.delete(keyOf(held))
  set(draft, { finished: [...draft.state.finished, keyOf(held)].slice(-finishedKept) })
  draft.effects.push({ kind: 'forget', jobId, attempt })
}

function finish(draft: Draft): Step {
  const wasIdle = draft.state.held.size === 0
  const idleSinceMs = wasIdle && draft.held.size === 0 ? draft.state.idleSinceMs : draft.nowMs
  return { state: { ...draft.state, held: draft.held, idleSinceMs }, effects: draft.effects }
}

function set(draft: Draft, change: Partial<PilotState>): void {
  draft.state = { ...draft.state, ...change }
}

function nextReportId(draft: Draft): number {
  const { nextReportId: reportId } = draft.state
  set(draft, { nextReportId: reportId + 1 })
  return reportId
}

function unsent(reports: readonly Report[]): readonly Report[] {
  return reports.map((one) => ({ ...one, sent: false }))
}

function misfitOf(wanted: Resources, whole: Resources): string {
  if (wanted.cores > whole.cores) return `needs ${wanted.cores} cores of ${whole.cores}`
  const [gpus, gpusOf] = [wanted.gpus ?? 0, whole.gpus ?? 0]
  if (gpus > gpusOf) return `needs ${gpus} GPUs of ${gpusOf}`
  const amount = amounts.find((name) => wanted[name] > whole[name])
  if (!amount) return ''
  const { name, type } = requirementFields[amount]
  return `needs ${type.show(wanted[amount])} of ${name}, and there are ${type.show(whole[amount])}`
}

/** The result of an attempt that no payload was started for, or of which nothing is known any more. */
export function withoutPayload(end: 'not-started' | 'stopped' | 'abandoned', detail: string): Result {
  const counts = { peakMemoryBytes: 0, cpuMs: 0, wallMs: 0, startedMs: 0, endedMs: 0 }
  return { end, exitCode: 0, signal: '', detail, ...counts, stdoutBytes: 0, stderrBytes: 0, droppedBytes: 0 }
}
