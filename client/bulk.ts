/**
 * Steering any number of jobs in one call of the service: by ids or by a filter, with answers as they are done.
 *
 * Made once: a call that broke off is not repeated, since what it did is done, and the caller sees how far it came.
 */

import type { ClientReadableStream } from '@grpc/grpc-js'
import { jobFilterToWire } from '../proto/codec/job-filters.ts'
import { steeredOfWire } from '../proto/codec/jobs.ts'
import { BulkSteerRequest, type BulkSteerResponse, type JobServiceClient } from '../proto/gen/pilotage/v1/job.ts'
import { type Caller, credential, messages } from './calls.ts'
import type { JobFilter, SteeredJob } from './jobs.ts'
import { refusal } from './refusals.ts'

export type BulkVerb = 'kill' | 'hold' | 'release' | 'reschedule' | 'delete'

/** A filter without any field selects all jobs that the caller may steer. */
export type BulkSelection = { readonly jobIds: readonly number[] } | { readonly filter: JobFilter }

/** `dryRun`: nothing is steered, and the one part says how many jobs are selected. */
export type BulkOptions = { readonly reason?: string; readonly dryRun?: boolean }

/** `selected`: in the first part, how many jobs are selected as the work begins. */
export type BulkPart = { readonly jobs: readonly SteeredJob[]; readonly selected?: number }

/** Any number of jobs in one call, an answer per job, as it is done. */
export type BulkCalls = {
  steerMany(verb: BulkVerb, selection: BulkSelection, options?: BulkOptions): AsyncGenerator<BulkPart, void, undefined>
  setPriority(selection: BulkSelection, priority: number, options?: BulkOptions): AsyncGenerator<BulkPart, void, undefined>
}

/** `reach`: finds an endpoint that is there. `client`: of the endpoint that is current. */
export function bulkCalls(caller: Caller, reach: () => Promise<void>, client: () => JobServiceClient): BulkCalls {
  return {
    steerMany: (verb, selection, options = {}) =>
      bulkParts(caller, reach, () => startBulk(client(), caller, verb, bulkRequest(selection, options))),
    setPriority: (selection, priority, options = {}) =>
      bulkParts(caller, reach, () =>
        client().bulkSetPriority({ jobs: bulkRequest(selection, options), priority }, credential(caller)),
      ),
  }
}

function bulkRequest(selection: BulkSelection, { reason = '', dryRun = false }: BulkOptions): BulkSteerRequest {
  const jobs = 'jobIds' in selection ? { jobIds: [...selection.jobIds] } : { filter: jobFilterToWire(selection.filter) }
  return BulkSteerRequest.fromPartial({ ...jobs, reason, dryRun })
}

function startBulk(
  client: JobServiceClient,
  caller: Caller,
  verb: BulkVerb,
  request: BulkSteerRequest,
): ClientReadableStream<BulkSteerResponse> {
  const metadata = credential(caller)
  switch (verb) {
    case 'kill':
      return client.bulkKillJobs(request, metadata)
    case 'hold':
      return client.bulkHoldJobs(request, metadata)
    case 'release':
      return client.bulkReleaseJobs(request, metadata)
    case 'reschedule':
      return client.bulkRescheduleJobs(request, metadata)
    case 'delete':
      return client.bulkDeleteJobs(request, metadata)
  }
}

async function* bulkParts(
  caller: Caller,
  reach: () => Promise<void>,
  start: () => ClientReadableStream<BulkSteerResponse>,
): AsyncGenerator<BulkPart, void, undefined> {
  await reach()
  try {
    for await (const { jobs, selected } of messages(caller, start())) {
      yield { jobs: jobs.map(steeredOfWire), ...(selected === undefined ? {} : { selected }) }
    }
  } catch (thrown) {
    throw refusal(thrown, 'steering jobs', caller.signal)
  }
}
