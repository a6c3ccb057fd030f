/**
 * Between the wire's messages and core's nouns. Knows both shapes and decides nothing; what cannot be one of ours is refused
 * here with `invalid-argument`, so that behind this file everything is typed.
 */

import { type End, ends, type Result } from '../../core/model/attempt.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { factText } from '../../core/model/facts.ts'
import { type AttemptRef, isJobId, type JobId } from '../../core/kernel/ids.ts'
import { isEnded, type Job, type JobSpec, leaseOf } from '../../core/model/job.ts'
import type { RawSpec } from '../../core/language/check.ts'
import { isolationLength } from '../../core/kernel/limits.ts'
import type { Assignment, Offer, PilotMessage, Report, ServiceMessage } from '../../core/model/pilot.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type * as job from '../gen/pilotage/v1/job.ts'
import type * as vm from '../gen/pilotage/v1/vm.ts'

export function jobIdOf(value: number, path: string): JobId {
  if (isJobId(value)) return value
  throw new PilotageError('invalid-argument', `${path} is not a job id`, {
    violations: [{ path, value: shown(value), rule: 'not a job id', accepted: 'a whole number above 0' }],
  })
}

export function rawSpecOf(spec: job.JobSpec): RawSpec {
  return spec
}

/** For a caller: what was not given stays absent. */
export function rawSpecToWire({ requirements, arguments: words, environment, ...rest }: RawSpec): job.JobSpec {
  const { memoryBytes = 0, diskBytes = 0, wallMs = 0, platforms = [], tags = [], cores, sites, clouds } = requirements ?? {}
  const names = (given: Requirements['sites'] | undefined) =>
    given && { allowed: [...given.allowed], banned: [...given.banned] }
  return {
    name: '',
    priority: 0,
    maxAttempts: 0,
    ...rest,
    arguments: [...(words ?? [])],
    environment: { ...environment },
    requirements: {
      cores,
      memoryBytes,
      diskBytes,
      wallMs,
      platforms: [...platforms],
      sites: names(sites),
      clouds: names(clouds),
      tags: [...tags],
    },
  }
}

function specToWire({ requirements: r, ...spec }: JobSpec): job.JobSpec {
  return {
    ...spec,
    arguments: [...spec.arguments],
    environment: { ...spec.environment },
    requirements: requirementsToWire(r),
  }
}

export function requirementsToWire(r: Requirements): job.Requirements {
  return {
    cores: r.cores,
    memoryBytes: r.memoryBytes,
    diskBytes: r.diskBytes,
    wallMs: r.wallMs,
    platforms: [...r.platforms],
    sites: { allowed: [...r.sites.allowed], banned: [...r.sites.banned] },
    clouds: { allowed: [...r.clouds.allowed], banned: [...r.clouds.banned] },
    tags: [...r.tags],
  }
}

/** The job as it is; `place` tells where its VM stands. */
export function jobToWire(from: Job, place: { readonly site: string; readonly cloud: string } | undefined): job.Job {
  const { phase } = from
  const lease = 'lease' in phase ? phase.lease : undefined
  const result = 'result' in phase ? phase.result : undefined
  const stop = leaseOf(phase)?.stop
  return {
    jobId: from.id,
    state: phase.state,
    name: from.name,
    vo: from.vo,
    group: from.group,
    owner: from.owner,
    priority: from.priority,
    attempt: from.attempt,
    maxAttempts: from.maxAttempts,
    submittedMs: from.submittedMs,
    changedMs: from.changedMs,
    taskQueue: from.classId,
    reason: stop ? `${stop.kind} asked by ${stop.by}` : 'why' in phase ? phase.why : '',
    vmId: lease?.vmId ?? '',
    site: place?.site ?? '',
    cloud: place?.cloud ?? '',
    cores: lease?.cores ?? 0,
    startedMs: 'startedMs' in phase ? phase.startedMs : (result?.startedMs ?? 0),
    endedMs: isEnded(phase) ? from.changedMs : 0,
    result,
  }
}

export function factToWire(fact: Fact): job.Fact {
  const { seq, atMs, subject, kind, data } = fact
  return { seq, atMs, subject, kind, text: factText(fact), dataJson: JSON.stringify(data) }
}

export function attemptOf(ref: vm.AttemptRef): AttemptRef {
  return { jobId: jobIdOf(ref.jobId, 'jobId'), attempt: ref.attempt }
}

/** More than a pilot ever holds at once: what is beyond is not said honestly. */
const attemptsMost = 10_000
/** A pilot's own words about an end, the path of an executable included. */
const detailLength = 8192
const signalLength = 64

export function pilotMessageOf(wire: vm.PilotMessage): PilotMessage {
  bounded('reports', wire.reports.length, attemptsMost)
  bounded('renew', wire.renew.length, attemptsMost)
  bounded('hello.held', wire.hello?.held.length ?? 0, attemptsMost)
  return {
    hello: wire.hello && {
      version: wire.hello.pilotVersion,
      held: wire.hello.held.map(attemptOf),
      isolation: wire.hello.isolation.slice(0, isolationLength),
    },
    reports: wire.reports.map(reportOf),
    offer: wire.offer && offerOf(wire.offer),
    renew: wire.renew.map(attemptOf),
  }
}

function offerOf({ cores, memoryBytes, diskBytes, remainingMs, maxJobs, received }: vm.Offer): Offer {
  return { cores, memoryBytes, diskBytes, remainingMs: remainingMs === 0 ? Infinity : remainingMs, maxJobs, received }
}

function reportOf(wire: vm.Report): Report {
  const { attempt, reportId, startedMs, phase, result } = wire
  const common = { jobId: jobIdOf(wire.jobId, 'reports.jobId'), attempt, reportId, startedMs }
  if (phase === 'running' || phase === 'completing') return { ...common, phase }
  if (phase === 'ended' && result) return { ...common, phase, result: resultOf(result) }
  throw new PilotageError('invalid-argument', `a report of phase ${shown(phase)}${result ? '' : ' without a result'}`)
}

function resultOf(wire: job.Result): Result {
  if (!(ends as readonly string[]).includes(wire.end)) {
    throw new PilotageError('invalid-argument', `a result that ended as ${shown(wire.end)}`)
  }
  bounded('result.detail', wire.detail.length, detailLength)
  bounded('result.signal', wire.signal.length, signalLength)
  return { ...wire, end: wire.end as End }
}

function bounded(path: string, length: number, most: number): void {
  if (length <= most) return
  throw new PilotageError('invalid-argument', `${path} has a length of ${length}: at most ${most}`, {
    violations: [{ path, value: String(length), rule: 'too long', accepted: `a length of at most ${most}` }],
  })
}

export function serviceMessageToWire(message: ServiceMessage): vm.ServiceMessage {
  return {
    welcome: message.welcome,
    acks: [...message.acks],
    assignments: message.assignments.map(assignmentToWire),
    commands: message.commands.map((command) => (command.kind === 'stop' ? command : { ...command, jobId: 0, attempt: 0 })),
    renewedMs: message.renewedMs ?? 0,
  }
}

function assignmentToWire({ spec, ...assignment }: Assignment): vm.Assignment {
  return { ...assignment, spec: specToWire(spec) }
}
