/** The jobs that a caller sees: by their ids, or by a filter in an order, a page at a time; and counts of them. */

import { type Caller, standingOf, visibleVo } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Job } from '../../core/model/job.ts'
import type { CountQuery, JobCounts } from '../../core/model/job-counts.ts'
import { type JobCursor, type JobFilter, type LeasePlace, nowhere, passes } from '../../core/model/job-filter.ts'
import type { JobQuery, JobStore } from '../../core/ports/store.ts'
import { type PlacePorts, type Places, placesOf } from './places.ts'

const idsPerRead = 1000

/** `more`: behind which job the next page begins; undefined: this is the last. */
export type JobPage = { readonly jobs: readonly Job[]; readonly more: JobCursor | undefined }

/** Throws `forbidden` for a VO that the caller does not see. */
export async function listJobs(
  { store }: { readonly store: Pick<JobStore, 'list'> },
  caller: Caller,
  { vo, limit, ...query }: JobQuery,
): Promise<JobPage> {
  const jobs = await store.list({ ...query, vo: listedVo(caller, vo), limit })
  const last = jobs.length < limit ? undefined : jobs.at(-1)
  return { jobs, more: last && { id: last.id, changedMs: last.changedMs } }
}

/** Throws `forbidden` as `listJobs`. */
export function countJobs(
  { store }: { readonly store: Pick<JobStore, 'countBy'> },
  caller: Caller,
  { vo, ...filter }: JobFilter,
  query: CountQuery,
): Promise<JobCounts> {
  return store.countBy({ ...filter, vo: listedVo(caller, vo) }, query)
}

function listedVo(caller: Caller, vo: string | undefined): string | undefined {
  const only = visibleVo(caller)
  if (only === undefined || vo === undefined || vo === only) return vo ?? only
  throw new PilotageError('forbidden', `the jobs of VO ${shown(vo)} are not for this caller`)
}

/** Those of the ids that exist, that the caller reaches and that the filter takes. Throws `forbidden` as `listJobs`. */
export async function pickJobs(
  ports: Jobs & PlacePorts,
  caller: Caller,
  ids: readonly JobId[],
  given: JobFilter,
): Promise<readonly Job[]> {
  const filter = { ...given, vo: listedVo(caller, given.vo) }
  const jobs = await jobsById(ports, caller, ids)
  const needsPlaces = filter.site !== undefined || filter.cloud !== undefined
  const places: Places = needsPlaces ? await placesOf(ports, jobs) : new Map()
  return jobs.filter((job) => passes(job, placeOf(job, places), filter))
}

function placeOf({ phase }: Job, places: Places): LeasePlace {
  return ('lease' in phase && phase.lease && places.get(phase.lease.vmId)) || nowhere
}

type Jobs = { readonly store: Pick<JobStore, 'jobs'> }

/** Those of the ids that exist and that the caller reaches. */
export async function jobsById(ports: Jobs, caller: Caller, ids: readonly JobId[]): Promise<readonly Job[]> {
  return (await knownJobs(ports, caller, ids)).flatMap(({ job, isReached }) => (isReached ? job : []))
}

export type KnownJob = { readonly job: Job; readonly isReached: boolean }

/** Those of the ids that exist and that the caller reaches, or may at least read. */
export async function knownJobs({ store }: Jobs, caller: Caller, ids: readonly JobId[]): Promise<readonly KnownJob[]> {
  const jobs: Job[] = []
  // In parts: other calls come in between.
  for (let at = 0; at < ids.length; at += idsPerRead) jobs.push(...(await store.jobs(ids.slice(at, at + idsPerRead))))
  return jobs.flatMap((job): readonly KnownJob[] => {
    const standing = standingOf(caller, job)
    return standing === 'unknown' ? [] : [{ job, isReached: standing === 'reached' }]
  })
}

/** Throws `not-found`, and `forbidden` for a job that the caller may only read. `doing`: what for. */
export async function jobById(ports: Jobs, caller: Caller, id: JobId, doing = 'this'): Promise<Job> {
  const [known] = await knownJobs(ports, caller, [id])
  if (!known) throw new PilotageError('not-found', `no job ${id}`)
  if (known.isReached) return known.job
  throw new PilotageError('forbidden', `job ${id} is of ${shown(known.job.owner)}: ${doing} is not for this caller`)
}
