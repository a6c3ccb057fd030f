/** The methods of JobService: decode, call one use case for the caller, encode. */

import type { handleClientStreamingCall, handleUnaryCall, ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js'
import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { JobStateName } from '../../../core/model/job.ts'
import { jobsPerCall, loadLimits } from '../../../core/kernel/limits.ts'
import type { FactStore, JobStore } from '../../../core/ports/store.ts'
import { submittedFact } from '../../../core/model/facts.ts'
import { counted, isPlainText, plainTextForm } from '../../../core/kernel/text.ts'
import { jobStateEnum } from '../../../proto/codec/enums.ts'
import { explanationToWire } from '../../../proto/codec/explanations.ts'
import { factToWire } from '../../../proto/codec/facts.ts'
import { steeredToWire, submittedToWire } from '../../../proto/codec/jobs.ts'
import { pageSize, pageStart, pageToken } from '../../../proto/codec/page-tokens.ts'
import { jobIdOf, rawSpecOf, specToWire } from '../../../proto/codec/specs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { explain, type ExplainPorts } from '../../jobs/explain.ts'
import { type JobFilter, listJobs, pickJobs } from '../../jobs/list-jobs.ts'
import type { PlacePorts } from '../../jobs/places.ts'
import { jobHistory } from '../../jobs/read-job.ts'
import { readSpec, type SpecPorts } from '../../jobs/read-spec.ts'
import { steer, type SteerKind, type SteerPorts } from '../../jobs/steer.ts'
import { submit, type SubmitPorts } from '../../jobs/submit.ts'
import { explanationView } from '../../views/explanation.ts'
import type { Caller } from './admission.ts'
import { asUser, type Edge, userOf } from './edge.ts'
import { decodeSubmission, type EncodedSubmission } from './encoded-submission.ts'
import { type FeedPorts, openJobFeed } from './job-feed.ts'
import { afterSubmissions, inMessage } from './stream-refusal.ts'
import { oneJobId } from './one-job.ts'
import { outputHandlers, type OutputHandlerPorts } from './output-handlers.ts'
import { fittingMessage, jobsToWire } from './encode.ts'
import { goneSignal, received } from './stream.ts'
import { watchJobs } from './watch.ts'

const reasonLength = 500

export type JobHandlerPorts = SubmitPorts &
  SteerPorts &
  ExplainPorts &
  OutputHandlerPorts &
  SpecPorts &
  ListPorts &
  FeedPorts &
  HistoryPorts

type ListPorts = PlacePorts & { readonly store: Pick<JobStore, 'jobs' | 'list'> }
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
    listJobs: edge.unary('listJobs', (request: wire.ListJobsRequest, caller) => {
      const isLarge = Math.max(request.pageSize, request.jobIds.length) > loadLimits.smallPage
      const read = () => readPage(ports, request, caller)
      return isLarge ? caller.load.read(read) : read()
    }),
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

function jobIdsOf(ids: readonly number[]): readonly JobId[] {
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

async function readPage(ports: ListPorts, request: wire.ListJobsRequest, caller: Caller): Promise<wire.ListJobsResponse> {
  const filter: JobFilter = {
    vo: request.vo === '' ? undefined : request.vo,
    owner: request.owner === '' ? undefined : request.owner,
    states: request.states.length === 0 ? undefined : request.states.map(stateOf),
  }
  const limit = pageSize(request.pageSize)
  if (request.jobIds.length > 0) return readPicked(ports, { ...request, pageSize: limit }, filter, caller)
  const from = pageStart('jobs', request.pageToken)
  caller.load.charge(limit / loadLimits.jobsPerUnit)
  const beforeId = from === 0 ? undefined : jobIdOf(from, 'page_token')
  const { jobs, more } = await listJobs(ports, asUser(caller), { ...filter, beforeId, limit })
  const { fitting, cutAt } = fittingMessage(await jobsToWire(ports, jobs))
  return { jobs: fitting, nextPageToken: pageToken('jobs', cutAt === undefined ? more : jobs[cutAt - 1]?.id) }
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

function stateOf(value: wire.JobState, at: number): JobStateName {
  const state = jobStateEnum.word(value)
  if (state) return state
  const accepted = jobStateEnum.words.join(', ')
  throw new PilotageError('invalid-argument', `no job state ${value}`, {
    violations: [{ path: `states[${at}]`, value: String(value), rule: 'not a job state', accepted }],
  })
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

/** A reason is kept in each job's history: a sentence, not a document. */
export function reasonOf(reason: string): string {
  const isShort = reason.length <= reasonLength
  if (isShort && isPlainText(reason)) return reason
  const rule = isShort ? 'not a reason' : 'too long'
  throw new PilotageError('invalid-argument', isShort ? 'the reason has hidden characters' : 'the reason is too long', {
    violations: [{ path: 'reason', value: shown(reason), rule, accepted: `at most ${reasonLength} ${plainTextForm}` }],
  })
}
