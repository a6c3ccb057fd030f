/** Jobs on the wire: what the service answers about them, and the same as a client reads it. */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { Job, JobStateName } from '../../core/model/job.ts'
import type { Result } from '../../core/model/attempt.ts'
import * as wire from '../gen/pilotage/v1/job.ts'
import { jobStateEnum, numberOf, payloadEndEnum, steerRefusalEnum, warningEnum } from './enums.ts'
import { durationMs, durationOf, timeMs, timeOf } from './times.ts'

type JobView = Omit<Job, 'phase'> & {
  readonly state: JobStateName
  readonly reason: string
  readonly vmId: string
  readonly site?: string
  readonly cloud?: string
  readonly cores: number
  readonly startedMs?: number
  readonly endedMs?: number
  readonly result?: ResultView
  readonly waitsFor: number
}

/** `exitCode` is absent where the payload did not exit by itself. */
type ResultView = Omit<Result, 'exitCode'> & { readonly exitCode?: number }

export function jobToWire(job: JobView): wire.Job {
  return {
    jobId: job.id,
    state: jobStateEnum.number(job.state),
    name: job.name,
    jobGroup: job.jobGroup,
    jobType: job.jobType,
    vo: job.vo,
    group: job.group,
    owner: job.owner,
    priority: job.priority,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    machineLosses: job.machineLosses,
    maxMachineLosses: job.maxMachineLosses,
    submitTime: timeOf(job.submittedMs),
    changeTime: timeOf(job.changedMs),
    taskQueue: job.classId,
    reason: job.reason,
    vmId: job.vmId,
    site: job.site ?? '',
    cloud: job.cloud ?? '',
    cores: job.cores,
    waitsFor: job.waitsFor,
    startTime: timeOf(job.startedMs),
    endTime: timeOf(job.endedMs),
    result: job.result && resultToWire(job.result),
  }
}

function resultToWire({ end, exitCode, cpuMs, wallMs, startedMs, endedMs, ...rest }: ResultView): wire.PayloadResult {
  return {
    ...rest,
    end: payloadEndEnum.number(end),
    exitCode,
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
  readonly state: JobStateName
  /** Empty: none. */
  readonly refusal: string
  readonly newJobId?: number
  readonly dependants?: number
}

/** `answer` is absent for a job that does not exist or that the caller does not see. */
export function steeredToWire(jobId: number, answer: Steered | undefined): wire.SteeredJob {
  if (!answer) {
    const refusal = wire.SteerRefusal.NOT_FOUND
    return { jobId, changed: false, state: wire.JobState.UNSPECIFIED, refusal, newJobId: 0, dependants: 0 }
  }
  const { changed, state, refusal: why, newJobId = 0, dependants = 0 } = answer
  const refusal = numberOf(steerRefusalEnum, why)
  return { jobId, changed, state: jobStateEnum.number(state), refusal, newJobId, dependants }
}

export function steeredOfWire({ state, refusal, ...steered }: wire.SteeredJob) {
  return { ...steered, state: jobStateEnum.word(state) ?? '', refusal: steerRefusalEnum.word(refusal) ?? '' }
}
