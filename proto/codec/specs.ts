/**
 * What a job is: its description and its requirements on the wire, and as core has them. The same messages go from a user to
 * the service and from the service to a pilot.
 */

import type { RawSpec } from '../../core/language/check.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isJobId, type JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type * as job from '../gen/pilotage/v1/job.ts'
import { rawRequirementsOf, requirementsOf, requirementsToWire } from './requirements.ts'

export function jobIdOf(value: number, path: string): JobId {
  if (isJobId(value)) return value
  throw new PilotageError('invalid-argument', `${path} is not a job id`, {
    violations: [{ path, value: shown(value), rule: 'not a job id', accepted: 'a whole number above 0' }],
  })
}

export function rawSpecOf({ requirements, ...spec }: job.JobSpec): RawSpec {
  return { ...spec, requirements: requirements && rawRequirementsOf(requirements) }
}

/** For a caller: what was not given stays absent. */
export function rawSpecToWire({ requirements, arguments: words, environment, ...rest }: RawSpec): job.JobSpec {
  return {
    name: '',
    priority: 0,
    maxAttempts: 0,
    maxMachineLosses: 0,
    jobGroup: '',
    jobType: '',
    ...rest,
    arguments: [...(words ?? [])],
    environment: { ...environment },
    requirements: requirementsToWire(requirements ?? {}),
  }
}

export function specToWire({ requirements, ...spec }: JobSpec): job.JobSpec {
  return {
    ...spec,
    arguments: [...spec.arguments],
    environment: { ...spec.environment },
    requirements: requirementsToWire(requirements),
  }
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
  }
}
