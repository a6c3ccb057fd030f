/** The methods of JobService: decode, call one use case for the caller, encode. */

import type { handleClientStreamingCall, handleUnaryCall, ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js'
import type { JobId } from '../../../core/kernel/ids.ts'
import { loadLimits } from '../../../core/kernel/limits.ts'
import type { FactStore } from '../../../core/ports/store.ts'
import { submittedFact } from '../../../core/model/facts.ts'
import { explanationToWire } from '../../../proto/codec/explanations.ts'
import { factToWire } from '../../../proto/codec/facts.ts'
import { steeredToWire, submittedToWire } from '../../../proto/codec/jobs.ts'
import { rawSpecOf, specToWire } from '../../../proto/codec/specs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { explain, type ExplainPorts } from '../../jobs/explain.ts'
import { jobHistory } from '../../jobs/read-job.ts'
import { readSpec, type SpecPorts } from '../../jobs/read-spec.ts'
import { steer, type SteerPorts } from '../../jobs/steer.ts'
import type { SteerManyPorts } from '../../jobs/steer-many.ts'
import { submit, type SubmitPorts } from '../../jobs/submit.ts'
import { explanationView } from '../../views/explanation.ts'
import type { Caller } from './admission.ts'
import { asUser, type Edge, userOf } from './edge.ts'
import { decodeSubmission, type EncodedSubmission } from './encoded-submission.ts'
import { type FeedPorts, openJobFeed } from './job-feed.ts'
import { afterSubmissions, inMessage } from './stream-refusal.ts'
import { bulkHandlers } from './bulk-handlers.ts'
import { oneJobId } from './one-job.ts'
import { reasonOf } from './reason.ts'
import { outputHandlers, type OutputHandlerPorts } from './output-handlers.ts'
import { jobIdsOf, listHandlers, type ListPorts } from './list-handlers.ts'
import { goneSignal, received } from './stream.ts'
import { watchJobs } from './watch.ts'

export type JobHandlerPorts = SubmitPorts &
  SteerManyPorts &
  ExplainPorts &
  OutputHandlerPorts &
  SpecPorts &
  ListPorts &
  FeedPorts &
  HistoryPorts

type SteerKind = 'kill' | 'hold' | 'release' | 'reschedule'
type HistoryPorts = { readonly store: Pick<FactStore, 'history'> }

/** Of the contract, with submissions still encoded (readable.ts). */
type JobHandlers = Omit<wire.JobServiceServer, 'submitJobs' | 'submitJobStream'> & {
  readonly submitJobs: handleUnaryCall<EncodedSubmission, wire.SubmitJobsResponse>
  readonly submitJobStream: handleClientStreamingCall<EncodedSubmission, wire.SubmitJobStreamResponse>
}

export function jobHandlers(ports: JobHandlerPorts, edge: Edge): JobHandlers {
  const feed = openJobFeed(ports)

  async function take(encoded: EncodedSubmission, caller: Caller): Promise<wire.SubmitJobsResponse> {
    const { owner } = userOf(caller)
    const { jobs, idempotencyKey } = await decodeSubmission(ports.clock, encoded)
    caller.load.charge(jobs.length / loadLimits.submittedJobsPerUnit)
    return submittedToWire(await submit(ports, { owner, jobs: jobs.map(rawSpecOf), idempotencyKey }))
  }

  const steering = (kind: SteerKind, method: 'killJobs' | 'holdJobs' | 'releaseJobs' | 'rescheduleJobs') =>
    edge.unary(method, (request: wire.SteerJobsRequest, caller) => steerJobs(ports, kind, request, caller))

  return {
    submitJobs: edge.unary('submitJobs', take),
    submitJobStream: edge.clientStream(
      'submitJobStream',
      async (requests: ServerReadableStream<EncodedSubmission, wire.SubmitJobStreamResponse>, caller) => {
        const answers: wire.SubmitJobsResponse[] = []
        const gone = goneSignal(requests)
        try {
          for await (const request of received<EncodedSubmission>(ports.clock, requests, gone)) {
            const answer = await take(request, caller).catch((thrown: unknown) => {
              throw inMessage(answers.length, thrown)
            })
            answers.push(answer)
            // A stream is one call, however many messages it has: who sends too much of them is read later.
            await caller.load.pace(gone)
          }
        } catch (thrown) {
          throw afterSubmissions(answers, thrown)
        }
        return { answers }
      },
    ),
    ...listHandlers(ports, edge),
    ...bulkHandlers(ports, edge),
    killJobs: steering('kill', 'killJobs'),
    holdJobs: steering('hold', 'holdJobs'),
    releaseJobs: steering('release', 'releaseJobs'),
    rescheduleJobs: steering('reschedule', 'rescheduleJobs'),
    getJobHistory: edge.unary('getJobHistory', async ({ jobId }: wire.GetJobHistoryRequest, caller) => {
      const { job, facts } = await jobHistory(ports, asUser(caller), oneJobId(jobId, caller))
      return { facts: [submittedFact(job), ...facts].map(factToWire) }
    }),
    explainJob: edge.unary('explainJob', async ({ jobId }: wire.ExplainJobRequest, caller) => {
      const explained = await explain(ports, asUser(caller), oneJobId(jobId, caller))
      return explanationToWire(explanationView(explained))
    }),
    getJobSpec: edge.unary('getJobSpec', async ({ jobId }: wire.GetJobSpecRequest, caller) => {
      return { spec: specToWire(await readSpec(ports, asUser(caller), oneJobId(jobId, caller))) }
    }),
    ...outputHandlers(ports, edge),
    watchJobs: edge.serverStream(
      'watchJobs',
      (call: ServerWritableStream<wire.WatchJobsRequest, wire.WatchJobsResponse>, caller) => {
        const ids = jobIdsOf(call.request.jobIds)
        caller.load.charge(ids.length / loadLimits.idsPerUnit)
        return watchJobs({ clock: ports.clock, feed, ids, caller }, call)
      },
    ),
  }
}

async function steerJobs(
  ports: SteerPorts,
  kind: SteerKind,
  request: wire.SteerJobsRequest,
  caller: Caller,
): Promise<wire.SteerJobsResponse> {
  const ids = jobIdsOf(request.jobIds)
  caller.load.charge(ids.length / loadLimits.jobsPerUnit)
  const steered = await steer(ports, asUser(caller), ids, { kind, why: reasonOf(request.reason) })
  const answers = new Map(steered.map((answer) => [answer.jobId, answer]))
  return {
    jobs: request.jobIds.map((id) => steeredToWire(id, answers.get(id as JobId))),
  }
}
