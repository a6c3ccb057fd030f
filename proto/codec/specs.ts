/**
 * What a job is: its description and its requirements on the wire, and as core has them. The same messages go from a user to
 * the service and from the service to a pilot.
 */

import type { RawSpec } from '../../core/language/check.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { Dependency } from '../../core/model/dependency.ts'
import { isJobId, type JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import { dependencyConditionEnum } from './enums.ts'
import type { InputFile } from '../../core/model/sandbox-file.ts'
import type * as job from '../gen/pilotage/v1/job.ts'
import { rawRequirementsOf, requirementsOf, requirementsToWire } from './requirements.ts'

export function jobIdOf(value: number, path: string): JobId {
  if (isJobId(value)) return value
  throw new PilotageError('invalid-argument', `${path} is not a job id`, {
    violations: [{ path, value: shown(value), rule: 'not a job id', accepted: 'a whole number above 0' }],
  })
}

export function rawSpecOf({ requirements, after, ...spec }: job.JobSpec): RawSpec {
  const raw = { ...spec, requirements: requirements && rawRequirementsOf(requirements) }
  return after.length === 0 ? raw : { ...raw, after: after.map(dependencyOfWire) }
}

/** A number that is unknown, of a newer peer, is no condition: refused when it is checked. */
function dependencyOfWire({ jobId, index, name, when }: job.JobDependency): Dependency {
  const condition = dependencyConditionEnum.word(when === 0 ? 1 : when) as Dependency['when']
  if (index !== undefined) return { index, when: condition }
  return jobId === undefined ? { name: name ?? '', when: condition } : { job: jobId as JobId, when: condition }
}

function dependencyToWire(one: Dependency): job.JobDependency {
  const when = dependencyConditionEnum.number(one.when)
  if ('job' in one) return { jobId: one.job, when }
  if ('index' in one) return { index: one.index, when }
  if ('name' in one) return { name: one.name, when }
  throw new Error('assertion failed: a stored dependency travels by its job id')
}

/** For a caller: what was not given stays absent, and so do files that are not put yet. */
export function rawSpecToWire(raw: RawSpec): job.JobSpec {
  const { requirements, arguments: words, environment, inputFiles = [], outputFiles = [], after = [], ...rest } = raw
  return {
    name: '',
    priority: 0,
    maxAttempts: 0,
    maxMachineLosses: 0,
    jobGroup: '',
    jobType: '',
    jobIdMark: '',
    ...rest,
    arguments: [...(words ?? [])],
    environment: { ...environment },
    after: after.map(dependencyToWire),
    inputFiles: inputFiles.filter(({ from }) => from === undefined).map(inputToWire),
    outputFiles: [...outputFiles],
    requirements: requirementsToWire(requirements ?? {}),
  }
}

export function specToWire({ requirements, after = [], ...spec }: JobSpec): job.JobSpec {
  return {
    jobIdMark: '',
    ...spec,
    arguments: [...spec.arguments],
    environment: { ...spec.environment },
    after: after.map(dependencyToWire),
    inputFiles: spec.inputFiles.map(inputToWire),
    outputFiles: [...spec.outputFiles],
    requirements: requirementsToWire(requirements),
  }
}

function inputToWire({ path, digest, bytes, executable }: InputFile): job.InputFile {
  return { path, digest, bytes, executable }
}

/**
 * As a pilot reads it: an absent description becomes one without an executable, which cannot be started, and the pilot
 * reports so.
 */
export function specOfWire(wire: job.JobSpec | undefined): JobSpec {
  return {
    name: wire?.name ?? '',
    executable: wire?.executable ?? '',
    arguments: wire?.arguments ?? [],
    environment: wire?.environment ?? {},
    requirements: requirementsOf(wire?.requirements),
    priority: wire?.priority ?? 0,
    maxAttempts: wire?.maxAttempts ?? 1,
    maxMachineLosses: wire?.maxMachineLosses ?? 1,
    jobGroup: wire?.jobGroup ?? '',
    jobType: wire?.jobType ?? '',
    ...(wire?.jobIdMark ? { jobIdMark: wire.jobIdMark } : {}),
    ...(wire && wire.after.length > 0 ? { after: wire.after.map(dependencyOfWire) } : {}),
    inputFiles: wire?.inputFiles ?? [],
    outputFiles: wire?.outputFiles ?? [],
  }
}
