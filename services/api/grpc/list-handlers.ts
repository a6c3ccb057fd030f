/** The methods of JobService that list and count: by ids or by a filter, a page that surely fits a message. */

import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { jobsPerCall, loadLimits } from '../../../core/kernel/limits.ts'
import { counted } from '../../../core/kernel/text.ts'
import type { JobFilter } from '../../../core/model/job-filter.ts'
import type { JobStore } from '../../../core/ports/store.ts'
import { countedBy, countsToWire, jobFilterOf, jobOrderOf, maxRowsOf, statesOf } from '../../../proto/codec/job-filters.ts'
import { cursorOf, cursorToken, pageSize, pageStart, pageToken } from '../../../proto/codec/page-tokens.ts'
import { jobIdOf } from '../../../proto/codec/specs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { countJobs, listJobs, pickJobs } from '../../jobs/list-jobs.ts'
import type { PlacePorts } from '../../jobs/places.ts'
import type { Caller } from './admission.ts'
import { asUser, type Edge } from './edge.ts'
import { fittingMessage, jobsToWire } from './encode.ts'

export type ListPorts = PlacePorts & { readonly store: Pick<JobStore, 'jobs' | 'list' | 'countBy'> }

export function listHandlers(ports: ListPorts, edge: Edge): Pick<wire.JobServiceServer, 'listJobs' | 'countJobs'> {
  return {
    listJobs: edge.unary('listJobs', (request: wire.ListJobsRequest, caller) => {
      const isLarge = Math.max(request.pageSize, request.jobIds.length) > loadLimits.smallPage
      const read = () => readPage(ports, request, caller)
      return isLarge ? caller.load.read(read) : read()
    }),
    // A count may pass over all jobs.
    countJobs: edge.unary('countJobs', ({ filter, by, maxRows }: wire.CountJobsRequest, caller) => {
      const query = { by: countedBy(by), limit: maxRowsOf(maxRows) }
      const wanted = jobFilterOf(filter)
      return caller.load.read(async () => countsToWire(await countJobs(ports, asUser(caller), wanted, query)))
    }),
  }
}

export function jobIdsOf(ids: readonly number[]): readonly JobId[] {
  bounded(ids)
  return ids.map((id, at) => jobIdOf(id, `job_ids[${at}]`))
}

function bounded(ids: readonly number[]): void {
  if (ids.length === 0 || ids.length > jobsPerCall) {
    throw new PilotageError('invalid-argument', counted(ids.length, 'job id'), {
      violations: [
        { path: 'job_ids', value: counted(ids.length, 'id'), rule: 'out of range', accepted: `1 to ${jobsPerCall}` },
      ],
    })
  }
}

/** The fields beside the filter are of earlier clients: a field of the filter stands before them. */
function filterOf({ filter, states, owner, vo }: wire.ListJobsRequest): JobFilter {
  return {
    ...(states.length === 0 ? {} : { states: statesOf(states) }),
    ...(owner === '' ? {} : { owner }),
    ...(vo === '' ? {} : { vo }),
    ...jobFilterOf(filter),
  }
}

async function readPage(ports: ListPorts, request: wire.ListJobsRequest, caller: Caller): Promise<wire.ListJobsResponse> {
  const filter = filterOf(request)
  const limit = pageSize(request.pageSize)
  if (request.jobIds.length > 0) return readPicked(ports, { ...request, pageSize: limit }, filter, caller)
  const order = jobOrderOf(request.order)
  const after = cursorOf(order, request.pageToken)
  caller.load.charge(limit / loadLimits.jobsPerUnit)
  const { jobs, more } = await listJobs(ports, asUser(caller), { ...filter, order, after, limit })
  const { fitting, cutAt } = fittingMessage(await jobsToWire(ports, jobs))
  return { jobs: fitting, nextPageToken: cursorToken(order, cutAt === undefined ? more : jobs[cutAt - 1]) }
}

/** By their ids: a page covers `pageSize` ids, and has those of their jobs that the filter takes. */
async function readPicked(
  ports: ListPorts,
  { jobIds, pageSize: limit, pageToken: token }: wire.ListJobsRequest,
  filter: JobFilter,
  caller: Caller,
): Promise<wire.ListJobsResponse> {
  const ids = [...new Set(jobIdsOf(jobIds))]
  const from = pageStart('picked', token)
  const picked = ids.slice(from, from + limit)
  caller.load.charge(picked.length / loadLimits.jobsPerUnit)
  const jobs = await pickJobs(ports, asUser(caller), picked, filter)
  const { fitting, cutAt } = fittingMessage(await jobsToWire(ports, jobs))
  const cut = cutAt === undefined ? undefined : jobs[cutAt]?.id
  const next = cut === undefined ? from + picked.length : ids.indexOf(cut, from)
  return { jobs: fitting, nextPageToken: pageToken('picked', next < ids.length ? next : undefined) }
}
