/** The methods of JobService that steer any number of jobs: by ids or by a filter, an answer per job, as it is done. */

import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { bulkLimits, jobLimits, loadLimits } from '../../../core/kernel/limits.ts'
import { jobFilterOf } from '../../../proto/codec/job-filters.ts'
import { steeredToWire } from '../../../proto/codec/jobs.ts'
import { jobIdOf } from '../../../proto/codec/specs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import type { Steering } from '../../jobs/steer.ts'
import { countSelected, type Selection, steerMany, type SteerManyPorts } from '../../jobs/steer-many.ts'
import type { Caller } from './admission.ts'
import { asUser, type Edge } from './edge.ts'
import { reasonOf } from './reason.ts'
import { goneSignal, written } from './stream.ts'

type BulkMethod = 'bulkKillJobs' | 'bulkHoldJobs' | 'bulkReleaseJobs' | 'bulkRescheduleJobs' | 'bulkDeleteJobs'
type Bulk<Request> = ServerWritableStream<Request, wire.BulkSteerResponse>
type BulkPorts = SteerManyPorts & { readonly clock: Clock }

export function bulkHandlers(ports: BulkPorts, edge: Edge): Pick<wire.JobServiceServer, BulkMethod | 'bulkSetPriority'> {
  const steering = (kind: Exclude<Steering['kind'], 'prioritise'>, method: BulkMethod) =>
    edge.serverStream(method, (call: Bulk<wire.BulkSteerRequest>, caller) =>
      steerAll(ports, call, call.request, { kind, why: reasonOf(call.request.reason) }, caller),
    )
  return {
    bulkKillJobs: steering('kill', 'bulkKillJobs'),
    bulkHoldJobs: steering('hold', 'bulkHoldJobs'),
    bulkReleaseJobs: steering('release', 'bulkReleaseJobs'),
    bulkRescheduleJobs: steering('reschedule', 'bulkRescheduleJobs'),
    bulkDeleteJobs: steering('delete', 'bulkDeleteJobs'),
    bulkSetPriority: edge.serverStream('bulkSetPriority', (call: Bulk<wire.BulkPriorityRequest>, caller) => {
      const { jobs, priority } = call.request
      const why = reasonOf(jobs?.reason ?? '')
      return steerAll(ports, call, jobs, { kind: 'prioritise', why, priority: priorityOf(priority) }, caller)
    }),
  }
}

async function steerAll<Request>(
  ports: BulkPorts,
  call: Bulk<Request>,
  request: wire.BulkSteerRequest | undefined,
  steering: Steering,
  caller: Caller,
): Promise<void> {
  const selection = selectionOf(request)
  const user = asUser(caller)
  const gone = goneSignal(call)
  const selected = await caller.load.read(() => countSelected(ports, user, selection))
  if (!(await written(ports.clock, call, gone, { jobs: [], selected })) || request?.dryRun) return
  for await (const steered of steerMany(ports, user, selection, steering, gone)) {
    const jobs = steered.map((one) => steeredToWire(one.jobId, one))
    if (!(await written(ports.clock, call, gone, { jobs, selected: undefined }))) return
    // A stream is one call, however many jobs it steers: a caller in debt is served later.
    caller.load.charge(jobs.length / loadLimits.jobsPerUnit)
    await caller.load.pace(gone)
  }
}

function selectionOf(request: wire.BulkSteerRequest | undefined): Selection {
  const { jobIds = [], filter } = request ?? {}
  const hasIds = jobIds.length > 0
  if (hasIds === (filter !== undefined)) {
    const value = hasIds ? 'ids and a filter' : 'neither ids nor a filter'
    throw new PilotageError('invalid-argument', `the jobs are selected by ${value}`, {
      violations: [{ path: 'job_ids', value, rule: 'not a selection', accepted: 'either job_ids or filter' }],
    })
  }
  if (!hasIds) return { filter: jobFilterOf(filter) }
  if (jobIds.length > bulkLimits.jobs) {
    const [path, accepted] = ['job_ids', `1 to ${bulkLimits.jobs}, or a filter`]
    throw new PilotageError('invalid-argument', `${jobIds.length} job ids`, {
      violations: [{ path, value: `${jobIds.length} ids`, rule: 'out of range', accepted }],
    })
  }
  return { ids: jobIds.map((id, at) => jobIdOf(id, `job_ids[${at}]`)) }
}

function priorityOf(priority: number): number {
  if (priority <= jobLimits.priority) return priority
  throw new PilotageError('invalid-argument', `priority ${priority}`, {
    violations: [
      { path: 'priority', value: String(priority), rule: 'out of range', accepted: `0 to ${jobLimits.priority}` },
    ],
  })
}
