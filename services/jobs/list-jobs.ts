/** The jobs that a caller sees: by their ids, or newest first by VO, owner and state, a page at a time. */

import { type Caller, standingOf, visibleVo } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Job, JobStateName } from '../../core/model/job.ts'
import type { JobStore } from '../../core/ports/store.ts'

const idsPerRead = 1000

export type JobFilter = {
  /** undefined: every VO that the caller sees. */
  readonly vo?: string
  readonly owner?: string
  readonly states?: readonly JobStateName[]
}

/** `beforeId`: where the page begins; undefined: with the newest job. */
export type JobListing = JobFilter & { readonly beforeId?: JobId; readonly limit: number }

/** `more`: the id before which the next page begins; undefined: this is the last. */
export type JobPage = { readonly jobs: readonly Job[]; readonly more: JobId | undefined }

/** Throws `forbidden` for a VO that the caller does not see. */
export async function listJobs(
  { store }: { readonly store: Pick<JobStore, 'list'> },
  caller: Caller,
  { vo, limit, ...filter }: JobListing,
): Promise<JobPage> {
  const jobs = await store.list({ ...filter, vo: listedVo(caller, vo), limit })
  return { jobs, more: jobs.length < limit ? undefined : jobs.at(-1)?.id }
}

function listedVo(caller: Caller, vo: string | undefined): string | undefined {
  const only = visibleVo(caller)
  if (only === undefined || vo === undefined || vo === only) return vo ?? only
  throw new PilotageError('forbidden', `the jobs of VO ${shown(vo)} are not for this caller`)
}

/** Those of the ids that exist, that the caller reaches and that the filter takes. Throws `forbidden` as `listJobs`. */
export async function pickJobs(
  ports: Jobs,
  caller: Caller,
  ids: readonly JobId[],
  { vo: given, owner, states }: JobFilter,
): Promise<readonly Job[]> {
  const vo = listedVo(caller, given)
  const jobs = await jobsById(ports, caller, ids)
  return jobs.filter((job) => {
    const isOwned = (vo === undefined || job.vo === vo) && (owner === undefined || job.owner === owner)
    return isOwned && (states === undefined || states.includes(job.phase.state))
  })
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
