/** Jobs on the wire: what the service answers about them, and the same as a client reads it. */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isEnded, type Job, leaseOf } from '../../core/model/job.ts'
import type { Result } from '../../core/model/attempt.ts'
import * as wire from '../gen/pilotage/v1/job.ts'
import { jobStateEnum, numberOf, payloadEndEnum, steerRefusalEnum, warningEnum } from './enums.ts'
import { durationMs, durationOf, timeMs, timeOf } from './times.ts'

/** The job as it is; `place`: where its VM is. */
export function jobToWire(from: Job, place: { readonly site: string; readonly cloud: string } | undefined): wire.Job {
  const { phase } = from
  const lease = 'lease' in phase ? phase.lease : undefined
  const result = 'result' in phase ? phase.result : undefined
  const stop = leaseOf(phase)?.stop
  return {
    jobId: from.id,
    state: jobStateEnum.number(phase.state),
    name: from.name,
    vo: from.vo,
    group: from.group,
    owner: from.owner,
    priority: from.priority,
    attempt: from.attempt,
    maxAttempts: from.maxAttempts,
    submitTime: timeOf(from.submittedMs),
    changeTime: timeOf(from.changedMs),
    taskQueue: from.classId,
    reason: stop ? `${stop.kind} asked by ${stop.by}` : 'why' in phase ? phase.why : '',
    vmId: lease?.vmId ?? '',
    site: place?.site ?? '',
    cloud: place?.cloud ?? '',
    cores: lease?.cores ?? 0,
    startTime: timeOf('startedMs' in phase ? phase.startedMs : result?.startedMs),
    endTime: isEnded(phase) ? timeOf(from.changedMs) : undefined,
    result: result && resultToWire(result),
  }
}

function resultToWire({ end, exitCode, cpuMs, wallMs, startedMs, endedMs, ...rest }: Result): wire.PayloadResult {
  return {
    ...rest,
    end: payloadEndEnum.number(end),
    exitCode: end === 'exited' ? exitCode : undefined,
    cpu: durationOf(cpuMs),
    wall: durationOf(wallMs),
    startTime: timeOf(startedMs),
    endTime: timeOf(endedMs),
  }
}

/** As a client reads it: plain values, 0 for a time that has not come, empty for a state that this version does not know. */
export function jobOfWire({ state, submitTime, changeTime, startTime, endTime, result, ...job }: wire.Job) {
  return {
    ...job,
    state: jobStateEnum.word(state) ?? '',
    submittedMs: timeMs(submitTime),
    changedMs: timeMs(changeTime),
    startedMs: timeMs(startTime),
    endedMs: timeMs(endTime),
    result: result && resultOfWire(result),
  }
}

function resultOfWire({ end, cpu, wall, startTime, endTime, ...rest }: wire.PayloadResult) {
  return {
    ...rest,
    end: payloadEndEnum.word(end) ?? '',
    cpuMs: durationMs(cpu),
    wallMs: durationMs(wall),
    startedMs: timeMs(startTime),
    endedMs: timeMs(endTime),
  }
}

/** Throws `invalid-argument` for a word that is no state. */
export function jobStateNumbers(states: readonly string[]): wire.JobState[] {
  return states.map((text, at) => {
    const state = numberOf(jobStateEnum, text)
    if (state !== 0) return state
    const accepted = jobStateEnum.words.join(', ')
    throw new PilotageError('invalid-argument', `no job state ${shown(text)}`, {
      violations: [{ path: `states[${at}]`, value: shown(text), rule: 'not a job state', accepted }],
    })
  })
}

type Submitted = {
  readonly jobIds: readonly number[]
  readonly warnings: readonly { readonly code: 'no-offering'; readonly text: string; readonly indexes: readonly number[] }[]
  readonly repeated: boolean
}

export function submittedToWire({ jobIds, warnings, repeated }: Submitted): wire.SubmitJobsResponse {
  return {
    jobIds: [...jobIds],
    warnings: warnings.map(({ code, text, indexes }) => ({ code: warningEnum.number(code), text, indexes: [...indexes] })),
    repeatedAnswer: repeated,
  }
}

export function warningOfWire({ code, ...warning }: wire.Warning) {
  return { ...warning, code: warningEnum.word(code) ?? '' }
}

type Steered = {
  readonly jobId: number
  readonly changed: boolean
  readonly state: Job['phase']['state']
  /** Empty: none. */
  readonly refusal: string
  readonly newJobId?: number
}

/** `answer` is absent for a job that does not exist or that the caller does not see. */
export function steeredToWire(jobId: number, answer: Steered | undefined): wire.SteeredJob {
  if (!answer) {
    return { jobId, changed: false, state: wire.JobState.UNSPECIFIED, refusal: wire.SteerRefusal.NOT_FOUND, newJobId: 0 }
  }
  const { changed, state, refusal, newJobId = 0 } = answer
  return { jobId, changed, state: jobStateEnum.number(state), refusal: numberOf(steerRefusalEnum, refusal), newJobId }
}

export function steeredOfWire({ state, refusal, ...steered }: wire.SteeredJob) {
  return { ...steered, state: jobStateEnum.word(state) ?? '', refusal: steerRefusalEnum.word(refusal) ?? '' }
}
