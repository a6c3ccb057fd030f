/**
 * What a job is: its description and its requirements on the wire, and as core has them. The same messages go from a user to
 * the service and from the service to a pilot.
 */

import { type Resources, type Amount, amounts } from '../../core/model/resources.ts'
import type { RawSpec } from '../../core/language/check.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isJobId, type JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type * as job from '../gen/pilotage/v1/job.ts'

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
  const { wallMs = 0, platforms = [], tags = [], cores, sites, clouds } = requirements ?? {}
  const names = (given: Requirements['sites'] | undefined) =>
    given && { allowed: [...given.allowed], banned: [...given.banned] }
  return {
    name: '',
    priority: 0,
    maxAttempts: 0,
    maxMachineLosses: 0,
    ...rest,
    arguments: [...(words ?? [])],
    environment: { ...environment },
    requirements: {
      ...amountsOf(requirements),
      cores,
      wallMs,
      platforms: [...platforms],
      sites: names(sites),
      clouds: names(clouds),
      tags: [...tags],
    },
  }
}

/** The same names on the wire and in core: a new resource needs no line here. */
function amountsOf(given: Partial<Pick<Resources, Amount>> | undefined): Pick<Resources, Amount> {
  return Object.fromEntries(amounts.map((name) => [name, given?.[name] ?? 0])) as Pick<Resources, Amount>
}

export function specToWire({ requirements: r, ...spec }: JobSpec): job.JobSpec {
  return {
    ...spec,
    arguments: [...spec.arguments],
    environment: { ...spec.environment },
    requirements: requirementsToWire(r),
  }
}

export function requirementsToWire(r: Requirements): job.Requirements {
  return {
    ...amountsOf(r),
    cores: r.cores,
    wallMs: r.wallMs,
    platforms: [...r.platforms],
    sites: { allowed: [...r.sites.allowed], banned: [...r.sites.banned] },
    clouds: { allowed: [...r.clouds.allowed], banned: [...r.clouds.banned] },
    tags: [...r.tags],
  }
}

/**
 * As a pilot reads it: an absent description becomes one without an executable, which cannot be started, and the pilot
 * reports so.
 */
export function specOfWire(wire: job.JobSpec | undefined): JobSpec {
  const wanted = wire?.requirements
  const names = (given: { allowed: string[]; banned: string[] } | undefined) => ({
    allowed: given?.allowed ?? [],
    banned: given?.banned ?? [],
  })
  return {
    name: wire?.name ?? '',
    executable: wire?.executable ?? '',
    arguments: wire?.arguments ?? [],
    environment: wire?.environment ?? {},
    requirements: {
      cores: { min: wanted?.cores?.min ?? 1, max: wanted?.cores?.max ?? 1 },
      ...amountsOf(wanted),
      wallMs: wanted?.wallMs ?? 0,
      platforms: wanted?.platforms ?? [],
      sites: names(wanted?.sites),
      clouds: names(wanted?.clouds),
      tags: wanted?.tags ?? [],
    },
    priority: wire?.priority ?? 0,
    maxAttempts: wire?.maxAttempts ?? 1,
    maxMachineLosses: wire?.maxMachineLosses ?? 1,
  }
}
