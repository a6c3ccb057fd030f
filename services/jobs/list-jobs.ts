/** The jobs that a caller sees: by their ids, or newest first by VO, owner and state, a page at a time. */

import { type Caller, sees, visibleVo } from '../../core/access/caller.ts'
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
  readonly beforeId?: JobId
  readonly limit: number
}

/** `more`: the id before which the next page begins; undefined: this is the last. */
export type JobPage = { readonly jobs: readonly Job[]; readonly more: JobId | undefined }

/** Throws `forbidden` for a VO that the caller does not see. */
export async function listJobs(
  { store }: { readonly store: Pick<JobStore, 'list'> },
  caller: Caller,
  { vo, limit, ...filter }: JobFilter,
): Promise<JobPage> {
  const only = visibleVo(caller)
  if (only !== undefined && vo !== undefined && vo !== only) {
    throw new PilotageError('forbidden', `the jobs of VO ${shown(vo)} are not for this caller`)
  }
  const jobs = await store.list({ ...filter, vo: vo ?? only, limit })
  return { jobs, more: jobs.length < limit ? undefined : jobs.at(-1)?.id }
}

/** Those of the ids that exist and that the caller sees. */
export async function jobsById(
  { store }: { readonly store: Pick<JobStore, 'jobs'> },
  caller: Caller,
  ids: readonly JobId[],
): Promise<readonly Job[]> {
  const jobs: Job[] = []
  // In parts: other calls come in between.
  for (let at = 0; at < ids.length; at += idsPerRead) jobs.push(...(await store.jobs(ids.slice(at, at + idsPerRead))))
  return jobs.filter((job) => sees(caller, job))
}

/** Throws `not-found`. */
export async function jobById(ports: { readonly store: Pick<JobStore, 'jobs'> }, caller: Caller, id: JobId): Promise<Job> {
  const [job] = await jobsById(ports, caller, [id])
  if (!job) throw new PilotageError('not-found', `no job ${id}`)
  return job
}
