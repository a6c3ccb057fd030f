/**
 * The VO user's way to Pilotage: a small promise API over the gRPC services.
 *
 * Reads and submissions are repeated while the service is unreachable, within the caller's patience; calls that steer a job
 * or a VM are made once. Streams of the service are async iterables; `watch` and `output` go on where they were after a loss
 * of the service. Of several endpoints any serves: the client leaves an unreachable one for the next. Every failure is a
 * PilotageError with the service's own code and violations.
 */

import { type Clock, systemClock } from '../core/kernel/clock.ts'
import { page } from '../core/kernel/limits.ts'
import type { JobCounts } from '../core/model/job-counts.ts'
import { type CountedAttribute, type JobOrder, newestFirst } from '../core/model/job-filter.ts'
import { type Random, systemRandom } from '../core/kernel/random.ts'
import { jobAttributeEnum, outputNameEnum } from '../proto/codec/enums.ts'
import { explanationOfWire } from '../proto/codec/explanations.ts'
import { factOfWire } from '../proto/codec/facts.ts'
import { countsOfWire, jobFilterToWire, jobOrderToWire } from '../proto/codec/job-filters.ts'
import { jobOfWire, steeredOfWire } from '../proto/codec/jobs.ts'
import { specOfWire } from '../proto/codec/specs.ts'
import {
  type JobServiceClient,
  type JobSpec,
  ListJobsRequest,
  type ListJobsResponse,
  type SteerJobsRequest,
  type SteerJobsResponse,
} from '../proto/gen/pilotage/v1/job.ts'
import { type AccountingCalls, accountingCalls } from './accounting.ts'
import { type BulkCalls, bulkCalls } from './bulk.ts'
import { type Caller, callUnary } from './calls.ts'
import { type Channels, openChannels } from './channels.ts'
import { outputPieces, type PeekedPiece, peekedPieces, watchedJobs } from './follow.ts'
import type { Fact, Job, JobExplanation, JobFilter, SteeredJob, SubmittedSpec, Warning } from './jobs.ts'
import { type Method, type OperateCalls, operateCalls } from './operate.ts'
import { type SandboxCalls, sandboxCalls } from './sandbox.ts'
import { callLimits, parts } from './submission.ts'
import { type PartAnswer, submitInWindows, submitPart } from './submit-stream.ts'

export type ClientSettings = {
  /** host:port of the service's gRPC edge; several with commas between, of which any serves. */
  readonly server: string
  readonly token: string
  /** The certificate authority of the server. Without it the server must be on this machine. */
  readonly caPem?: string
} & Bounds & {
    readonly clock?: Clock
    readonly random?: Random
  }

export type Bounds = {
  /** How long calls that may be repeated keep trying; 30 s where not given. */
  readonly patienceMs?: number
  /**
   * How long one try of a call may take; absent: from 20 s for a read to 60 s for a submission. Streams have no such
   * end.
   */
  readonly callMs?: number
  /** Ends every call and stream of this client. */
  readonly signal?: AbortSignal
}

export type SubmitAnswer = {
  /** In the order of the jobs. */
  readonly jobIds: readonly number[]
  readonly warnings: readonly Warning[]
  /** All of it was known already: this is the first answer again. */
  readonly repeated: boolean
  readonly key: string
}

export type JobSelection = JobFilter & {
  readonly jobIds?: readonly number[]
  /** Newest first where it is absent. Jobs by their ids stay in the order of the ids. */
  readonly order?: JobOrder
  readonly limit?: number
}

export type CountOptions = { readonly filter?: JobFilter; readonly maxRows?: number }

export type OutputSelection = { readonly name?: 'stdout' | 'stderr'; readonly attempt?: number }

export type PeekSelection = OutputSelection & {
  /** In bytes, of the first attempt that is read. */
  readonly offset?: number
  /** False: only what there is now, of one attempt. */
  readonly follow?: boolean
}

export interface PilotageClient extends SandboxCalls, BulkCalls, OperateCalls, AccountingCalls {
  /**
   * Any number of jobs, in calls of at most 10 000 jobs and 16 MiB. Idempotent under `key`; one is made where none is given.
   */
  submit(jobs: readonly JobSpec[], options?: { readonly key?: string }): Promise<SubmitAnswer>
  /** The same without end: an answer a part. Idempotent under `key` as long as the jobs come in the same order. */
  submitStream(
    jobs: Iterable<JobSpec> | AsyncIterable<JobSpec>,
    options?: { readonly key?: string },
  ): AsyncGenerator<PartAnswer, void, undefined>
  /** Pages are read as the loop goes on. */
  list(selection?: JobSelection): AsyncGenerator<Job, void, undefined>
  /** By one or two attributes, the most frequent values first. */
  count(by: readonly CountedAttribute[], options?: CountOptions): Promise<JobCounts>
  kill(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  hold(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  release(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  reschedule(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  history(jobId: number): Promise<readonly Fact[]>
  explain(jobId: number): Promise<JobExplanation>
  /** What was submitted, with the defaults filled in. `jobDocument` writes it for `submit`. */
  spec(jobId: number): Promise<SubmittedSpec>
  output(jobId: number, selection?: OutputSelection): AsyncGenerator<Uint8Array, void, undefined>
  /**
   * What an attempt has written and goes on to write, and then what the attempts that follow it write, to the end of the
   * job. Waits for a job that has not started.
   */
  peek(jobId: number, selection?: PeekSelection): AsyncGenerator<PeekedPiece, void, undefined>
  /** The jobs as they are, then every change, until all have ended. Throws `not-found` then, if one of them is not there. */
  watch(jobIds: readonly number[]): AsyncGenerator<Job, void, undefined>

  /** The same service for another caller, by their token. Closed on its own. */
  as(token: string): PilotageClient
  /** The same caller over the same connection, within other bounds: for one call, or a few. Closed with this client. */
  within(bounds: Bounds): PilotageClient
  close(): void
}

const readDeadlineMs = 20_000
const steerDeadlineMs = 30_000
const defaultPatienceMs = 30_000
const idsPerSteer = 10_000
const generatedKeyLength = 24

export function connectPilotage(settings: ClientSettings): PilotageClient {
  const { clock = systemClock(), random = systemRandom() } = settings
  return clientOver({ ...settings, clock, random }, openChannels(settings, clock, random))
}

type Complete = ClientSettings & Required<Pick<ClientSettings, 'clock' | 'random'>>

function clientOver(settings: Complete, channels: Channels): PilotageClient {
  const { clock, random, token, signal, callMs, patienceMs = defaultPatienceMs } = settings
  const caller: Caller = { clock, random, token, turns: channels.turns, patienceMs, callMs, signal }
  const jobs = (): JobServiceClient => channels.clients().jobs
  const newKey = (): string => random.letters(generatedKeyLength)

  const read = <Request, Response>(doing: string, method: Method<Request, Response>, request: Request): Promise<Response> =>
    callUnary(caller, () => method(channels.clients()), request, { doing, deadlineMs: readDeadlineMs, repeatable: true })
  const ask = async <Request, Response>(doing: string, method: Method<Request, Response>, request: Request) => {
    await channels.reach()
    const policy = { doing, deadlineMs: steerDeadlineMs, repeatable: false }
    return callUnary(caller, () => method(channels.clients()), request, policy)
  }
  const steer =
    (doing: string, method: Method<SteerJobsRequest, SteerJobsResponse>) =>
    async (jobIds: readonly number[], reason = ''): Promise<readonly SteeredJob[]> => {
      const steered: SteeredJob[] = []
      for (const ids of chunks(jobIds, idsPerSteer))
        steered.push(...(await ask(doing, method, { jobIds: ids, reason })).jobs.map(steeredOfWire))
      return steered
    }

  return {
    ...sandboxCalls(
      caller,
      () => channels.clients().sandbox,
      (doing, method, request) => read(doing, (to) => method(to.sandbox), request),
    ),
    submit: (specs, { key = newKey() } = {}) => submitAll(caller, jobs, specs, key),
    submitStream: (specs, { key = newKey() } = {}) => submitInWindows(caller, jobs, specs, key),
    list: (selection = {}) =>
      listJobPages((request) => read('listing jobs', (to) => to.jobs.listJobs.bind(to.jobs), request), selection),
    count: async (by, { filter = {}, maxRows = 0 } = {}) => {
      const wanted = { filter: jobFilterToWire(filter), by: by.map((one) => jobAttributeEnum.number(one)), maxRows }
      return countsOfWire(await read('counting jobs', (to) => to.jobs.countJobs.bind(to.jobs), wanted))
    },
    kill: steer('killing jobs', (to) => to.jobs.killJobs.bind(to.jobs)),
    hold: steer('holding jobs', (to) => to.jobs.holdJobs.bind(to.jobs)),
    release: steer('releasing jobs', (to) => to.jobs.releaseJobs.bind(to.jobs)),
    reschedule: steer('rescheduling jobs', (to) => to.jobs.rescheduleJobs.bind(to.jobs)),
    ...bulkCalls(caller, channels.reach, jobs),
    history: async (jobId) =>
      (await read('reading the history', (to) => to.jobs.getJobHistory.bind(to.jobs), { jobId })).facts.map(factOfWire),
    explain: async (jobId) =>
      explanationOfWire(await read('explaining the job', (to) => to.jobs.explainJob.bind(to.jobs), { jobId })),
    spec: async (jobId) =>
      specOfWire((await read('reading the specification', (to) => to.jobs.getJobSpec.bind(to.jobs), { jobId })).spec),
    output: (jobId, { name = 'stdout', attempt = 0 } = {}) =>
      outputPieces(caller, jobs, { jobId, attempt, name: outputNameEnum.number(name) }),
    peek: (jobId, { name = 'stdout', attempt = 0, offset = 0, follow = true } = {}) =>
      peekedPieces(caller, jobs, { jobId, attempt, name: outputNameEnum.number(name), offset, follow }),
    watch: (jobIds) => watchedJobs(caller, jobs, jobIds),

    ...accountingCalls((doing, method, request) => read(doing, (to) => method(to.accounting), request)),
    ...operateCalls(read, ask),

    as: (other) => connectPilotage({ ...settings, token: other }),
    within: (bounds) => ({ ...clientOver(bounded(settings, bounds), channels), close: () => {} }),
    close: () => channels.close(),
  }
}

/** Either signal ends a call. */
function bounded(settings: Complete, bounds: Bounds): Complete {
  const signals = [settings.signal, bounds.signal].filter((signal) => signal !== undefined)
  return { ...settings, ...bounds, signal: signals.length === 0 ? undefined : AbortSignal.any(signals) }
}

async function submitAll(
  caller: Caller,
  client: () => JobServiceClient,
  specs: readonly JobSpec[],
  key: string,
): Promise<SubmitAnswer> {
  const jobIds: number[] = []
  const warnings: Warning[] = []
  let repeated = true
  for await (const part of parts(specs, key, callLimits)) {
    const answer = await submitPart(caller, client, part, jobIds.length)
    for (const id of answer.jobIds) jobIds.push(id)
    warnings.push(...answer.warnings)
    repeated &&= answer.repeatedAnswer
  }
  return { jobIds, warnings, repeated: repeated && jobIds.length > 0, key }
}

async function* listJobPages(
  readPage: (request: ListJobsRequest) => Promise<ListJobsResponse>,
  { jobIds, order = newestFirst, limit = Infinity, ...filter }: JobSelection,
): AsyncGenerator<Job, void, undefined> {
  let left = limit
  const selected = { filter: jobFilterToWire(filter), order: jobOrderToWire(order) }
  const groups = jobIds ? chunks(jobIds, page.max) : [[]]
  for (const ids of groups) {
    let pageToken = ''
    do {
      if (left <= 0) return
      const pageSize = Math.min(page.max, left)
      const asked = { ...selected, jobIds: ids, pageSize, pageToken }
      const answer = await readPage(ListJobsRequest.fromPartial(asked))
      for (const job of answer.jobs.slice(0, left)) yield jobOfWire(job)
      left -= answer.jobs.length
      pageToken = answer.nextPageToken
    } while (pageToken !== '')
  }
}

function* chunks<Item>(items: readonly Item[], size: number): Generator<Item[], void, undefined> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
