/**
 * The pilot's stream between the wire's messages and core's. Knows both shapes and decides nothing; what cannot be one of
 * ours is refused here with `invalid-argument`, so that behind this file everything is typed.
 */

import { resourcesOf } from '../../core/model/resources.ts'
import { type End, ends, type Result } from '../../core/model/attempt.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { AttemptRef, JobId } from '../../core/kernel/ids.ts'
import { agentTextLimits } from '../../core/kernel/limits.ts'
import type { Assignment, Command, Offer, PilotMessage, Report, ServiceMessage } from '../../core/model/pilot.ts'
import type * as vm from '../gen/pilotage/v1/vm.ts'
import { foundTraitsOf, foundTraitsToWire } from './requirements.ts'
import { withJobId } from '../../core/language/job-id-mark.ts'
import { jobIdOf, specOfWire, specToWire } from './specs.ts'

/** `path`: where it stands in its message. */
export function attemptOf(ref: vm.AttemptRef, path: string): AttemptRef {
  return { jobId: jobIdOf(ref.jobId, `${path}.job_id`), attempt: ref.attempt }
}

/** More than a pilot ever holds at once: what is beyond is not said honestly. */
const maxAttemptsPerMessage = 10_000
/** A pilot's own words about an end, the path of an executable included. */
const detailLength = 8192
const signalLength = 64

export function pilotMessageOf(wire: vm.PilotMessage): PilotMessage {
  bounded('reports', wire.reports.length, maxAttemptsPerMessage)
  bounded('renew', wire.renew.length, maxAttemptsPerMessage)
  bounded('hello.held', wire.hello?.held.length ?? 0, maxAttemptsPerMessage)
  return {
    hello: wire.hello && {
      version: wire.hello.pilotVersion.slice(0, agentTextLimits.version),
      held: wire.hello.held.map((ref, at) => attemptOf(ref, `hello.held[${at}]`)),
      isolation: wire.hello.isolation.slice(0, agentTextLimits.isolation),
      found: wire.hello.found && foundTraitsOf(wire.hello.found),
    },
    reports: wire.reports.map((report, at) => reportOf(report, `reports[${at}]`)),
    offer: wire.offer && offerOf(wire.offer),
    renew: wire.renew.map((ref, at) => attemptOf(ref, `renew[${at}]`)),
  }
}

function offerOf({ remainingMs, maxJobs, received, whole, ...free }: vm.Offer): Offer {
  const room = { ...resourcesOf(free), remainingMs: remainingMs === 0 ? Infinity : remainingMs }
  return { ...room, ...(whole ? { isWhole: true } : {}), maxJobs, received }
}

function offerToWire({ remainingMs, isWhole = false, maxJobs, received, ...free }: Offer): vm.Offer {
  const room = { ...resourcesOf(free), gpus: free.gpus ?? 0, remainingMs: Number.isFinite(remainingMs) ? remainingMs : 0 }
  return { ...room, whole: isWhole, maxJobs, received }
}

function reportOf(wire: vm.Report, path: string): Report {
  const { attempt, reportId, startedMs, phase, result } = wire
  const common = { jobId: jobIdOf(wire.jobId, `${path}.job_id`), attempt, reportId, startedMs }
  if (phase === 'running' || phase === 'completing') return { ...common, phase }
  if (phase === 'ended' && result) return { ...common, phase, result: resultOf(result, `${path}.result`) }
  throw new PilotageError('invalid-argument', `a report of phase ${shown(phase)}${result ? '' : ' without a result'}`, {
    violations: [{ path: `${path}.phase`, value: shown(phase), rule: 'not a phase of this report', accepted: phases }],
  })
}

const phases = 'running, completing, or ended with a result'

function resultOf(wire: vm.Result, path: string): Result {
  if (!(ends as readonly string[]).includes(wire.end)) {
    throw new PilotageError('invalid-argument', `a result that ended as ${shown(wire.end)}`, {
      violations: [{ path: `${path}.end`, value: shown(wire.end), rule: 'not an end', accepted: ends.join(', ') }],
    })
  }
  bounded(`${path}.detail`, wire.detail.length, detailLength)
  bounded(`${path}.signal`, wire.signal.length, signalLength)
  return { ...wire, end: wire.end as End }
}

function bounded(path: string, length: number, max: number): void {
  if (length <= max) return
  throw new PilotageError('invalid-argument', `${path} has a length of ${length}: at most ${max}`, {
    violations: [{ path, value: String(length), rule: 'too long', accepted: `a length of at most ${max}` }],
  })
}

export function serviceMessageToWire(message: ServiceMessage): vm.ServiceMessage {
  return {
    welcome: message.welcome,
    acks: [...message.acks],
    assignments: message.assignments.map(assignmentToWire),
    commands: message.commands.map(commandToWire),
    renewedMs: message.renewedMs ?? 0,
  }
}

function commandToWire(command: Command): vm.Command {
  switch (command.kind) {
    case 'stop':
      return { ...command, output: '' }
    case 'drain':
      return { ...command, jobId: 0, attempt: 0, output: '' }
    case 'peek':
      return { ...refToWire(command), kind: 'peek', reason: '', output: command.name }
  }
}

function assignmentToWire({ spec, wallMs = 0, gpus = 0, ...assignment }: Assignment): vm.Assignment {
  // What it waited for is over, and of no use to a pilot.
  const { after: _, ...rest } = withJobId(spec, assignment.jobId)
  return { ...assignment, wallMs, gpus, spec: specToWire(rest) }
}

/** Throws `invalid-argument`. */
export function outputNameOf(name: string): 'stdout' | 'stderr' {
  if (name === '' || name === 'stdout') return 'stdout'
  if (name === 'stderr') return 'stderr'
  throw new PilotageError('invalid-argument', `no output ${shown(name)}`, {
    violations: [{ path: 'name', value: shown(name), rule: 'not an output', accepted: 'stdout or stderr' }],
  })
}

/** As the pilot reads it. A command that this version does not know is left out: the pilot of a newer version obeys it. */
export function serviceMessageOf({ welcome, acks, assignments, commands, renewedMs }: vm.ServiceMessage): ServiceMessage {
  return {
    welcome,
    acks: acks.map(({ reportId, refusal, ...ref }) => ({ ...refOf(ref), reportId, refusal: refusal === '' ? '' : 'stale' })),
    assignments: assignments.map(({ spec, cores, leaseMs, vo, owner, wallMs, gpus, ...ref }) => {
      const granted = { cores: Math.max(1, cores), ...(gpus > 0 ? { gpus } : {}), ...(wallMs > 0 ? { wallMs } : {}) }
      return { ...refOf(ref), spec: specOfWire(spec), ...granted, leaseMs, vo, owner }
    }),
    commands: commands.flatMap(({ kind, reason, output, ...ref }): readonly Command[] => {
      if (kind === 'drain') return [{ kind, reason }]
      if (kind === 'peek') return output === 'stdout' || output === 'stderr' ? [{ ...refOf(ref), kind, name: output }] : []
      return kind === 'stop' ? [{ ...refOf(ref), kind, reason }] : []
    }),
    renewedMs: renewedMs > 0 ? renewedMs : undefined,
  }
}

/** Ids come from the service, which counts them: a pilot has nothing to compare them with. */
function refOf({ jobId, attempt }: vm.AttemptRef): AttemptRef {
  return { jobId: jobId as JobId, attempt }
}

export function pilotMessageToWire({ hello, reports, offer, renew }: PilotMessage): vm.PilotMessage {
  return {
    hello: hello && {
      pilotVersion: hello.version,
      held: hello.held.map(refToWire),
      isolation: hello.isolation ?? '',
      found: hello.found && foundTraitsToWire(hello.found),
    },
    reports: reports.map(reportToWire),
    offer: offer && offerToWire(offer),
    renew: renew.map(refToWire),
  }
}

function refToWire({ jobId, attempt }: AttemptRef): vm.AttemptRef {
  return { jobId, attempt }
}

function reportToWire(report: Report): vm.Report {
  const { jobId, attempt, reportId, startedMs, phase } = report
  const result = report.phase === 'ended' ? { ...report.result } : undefined
  return { jobId, attempt, reportId, phase, startedMs, result }
}
