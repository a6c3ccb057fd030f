/**
 * The VO user's way to Pilotage: a small promise API over the gRPC services.
 *
 * Reads and submissions are repeated while the service is away, within the caller's patience; what steers a job or a VM is
 * asked once. Streams of the service are async iterables; `watch` and `output` go on where they were after a loss of the
 * service. Everything that fails is a PilotageError with the service's own code and violations. A token never travels in
 * the clear beyond this machine.
 */

import { type ClientOptions, credentials } from '@grpc/grpc-js'
import { type Clock, systemClock } from '../core/clock.ts'
import { PilotageError } from '../core/errors.ts'
import { page } from '../core/limits.ts'
import { type Random, systemRandom } from '../core/random.ts'
import {
  type ExplainJobResponse,
  type Fact,
  type Job,
  JobServiceClient,
  type JobSpec,
  ListJobsRequest,
  type SteeredJob,
  type SteerJobsRequest,
  type SteerJobsResponse,
  type Warning,
} from '../proto/gen/pilotage/v1/job.ts'
import {
  type CreateTokenRequest,
  type CreateTokenResponse,
  type DrainVmResponse,
  type GetStatusResponse,
  type ListCloudsResponse,
  type ListTaskQueuesResponse,
  OperateServiceClient,
  type Vm,
} from '../proto/gen/pilotage/v1/operate.ts'
import { type Caller, callUnary, type Unary } from './calls.ts'
import { outputPieces, watchedJobs } from './follow.ts'
import { callLimits, parts } from './submission.ts'
import { type PartAnswer, submitInWindows, submitPart } from './submit-stream.ts'

export type ClientSettings = {
  /** host:port of the service's gRPC edge. */
  readonly server: string
  readonly token: string
  /** The certificate authority of the server. Without it the server must be on this machine. */
  readonly caPem?: string
  /** How long calls that may be repeated keep trying; 30 s where not given. */
  readonly patienceMs?: number
  /** Ends every call and stream of this client. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly random?: Random
}

export type SubmitAnswer = {
  /** In the order of the jobs. */
  readonly jobIds: readonly number[]
  readonly warnings: readonly Warning[]
  /** All of it was known already: this is the first answer again. */
  readonly repeated: boolean
  readonly key: string
}

export type JobSelection = {
  readonly jobIds?: readonly number[]
  readonly states?: readonly string[]
  readonly owner?: string
  readonly vo?: string
  readonly limit?: number
}

export type OutputSelection = { readonly name?: 'stdout' | 'stderr'; readonly attempt?: number }

export interface PilotageClient {
  /** Any number of jobs, in calls of at most 10 000 jobs and 16 MiB. Idempotent under `key`; one is made where none is given. */
  submit(jobs: readonly JobSpec[], options?: { readonly key?: string }): Promise<SubmitAnswer>
  /** The same without end: an answer a part. Idempotent under `key` as long as the jobs come in the same order. */
  submitStream(
    jobs: Iterable<JobSpec> | AsyncIterable<JobSpec>,
    options?: { readonly key?: string },
  ): AsyncGenerator<PartAnswer, void, undefined>
  /** Newest first. Pages are read as the loop goes on. */
  list(selection?: JobSelection): AsyncGenerator<Job, void, undefined>
  kill(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  hold(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  release(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  reschedule(jobIds: readonly number[], reason?: string): Promise<readonly SteeredJob[]>
  history(jobId: number): Promise<readonly Fact[]>
  explain(jobId: number): Promise<ExplainJobResponse>
  output(jobId: number, selection?: OutputSelection): AsyncGenerator<Uint8Array, void, undefined>
  /** The jobs as they are, then every change, until all have ended. */
  watch(jobIds: readonly number[]): AsyncGenerator<Job, void, undefined>

  status(): Promise<GetStatusResponse>
  queues(limit?: number): Promise<ListTaskQueuesResponse>
  vms(options?: { readonly ended?: boolean; readonly limit?: number }): Promise<readonly Vm[]>
  vmHistory(vmId: string): Promise<readonly Fact[]>
  clouds(): Promise<ListCloudsResponse>
  drainVm(vmId: string, reason?: string): Promise<DrainVmResponse>
  createToken(request: CreateTokenRequest): Promise<CreateTokenResponse>

  /** The same service as somebody else. Closed on its own. */
  as(token: string): PilotageClient
  close(): void
}

const readDeadlineMs = 20_000
const steerDeadlineMs = 30_000
const defaultPatienceMs = 30_000
/** Ten thousand jobs in one message of a watch are about 4 MiB. */
const receiveBytes = 64 * 1024 * 1024
const idsPerSteer = 10_000
const generatedKeyLength = 24

export function connectPilotage(settings: ClientSettings): PilotageClient {
  const clock = settings.clock ?? systemClock()
  const random = settings.random ?? systemRandom()
  const { token, signal, patienceMs = defaultPatienceMs } = settings
  const caller: Caller = { clock, random, token, patienceMs, signal }
  const jobs = new JobServiceClient(settings.server, channelCredentials(settings), channelOptions)
  const operate = new OperateServiceClient(settings.server, channelCredentials(settings), channelOptions)
  const newKey = (): string => random.letters(generatedKeyLength)

  const read = <Request, Response>(doing: string, method: Unary<Request, Response>, request: Request): Promise<Response> =>
    callUnary(caller, method, request, { doing, deadlineMs: readDeadlineMs, repeatable: true })
  const ask = <Request, Response>(doing: string, method: Unary<Request, Response>, request: Request): Promise<Response> =>
    callUnary(caller, method, request, { doing, deadlineMs: steerDeadlineMs, repeatable: false })
  const steer =
    (doing: string, method: Unary<SteerJobsRequest, SteerJobsResponse>) =>
    async (jobIds: readonly number[], reason = ''): Promise<readonly SteeredJob[]> => {
      const steered: SteeredJob[] = []
      for (const ids of chunks(jobIds, idsPerSteer))
        steered.push(...(await ask(doing, method, { jobIds: ids, reason })).jobs)
      return steered
    }

  return {
    submit: (specs, { key = newKey() } = {}) => submitAll(caller, jobs, specs, key),
    submitStream: (specs, { key = newKey() } = {}) => submitInWindows(caller, jobs, specs, key),
    list: (selection = {}) => listPages((request) => read('listing jobs', jobs.listJobs.bind(jobs), request), selection),
    kill: steer('killing jobs', jobs.killJobs.bind(jobs)),
    hold: steer('holding jobs', jobs.holdJobs.bind(jobs)),
    release: steer('releasing jobs', jobs.releaseJobs.bind(jobs)),
    reschedule: steer('rescheduling jobs', jobs.rescheduleJobs.bind(jobs)),
    history: async (jobId) => (await read('reading the history', jobs.getJobHistory.bind(jobs), { jobId })).facts,
    explain: (jobId) => read('explaining the job', jobs.explainJob.bind(jobs), { jobId }),
    output: (jobId, { name = 'stdout', attempt = 0 } = {}) => outputPieces(caller, jobs, { jobId, attempt, name }),
    watch: (jobIds) => watchedJobs(caller, jobs, jobIds),

    status: () => read('reading the status', operate.getStatus.bind(operate), {}),
    queues: (limit = 0) => read('listing task queues', operate.listTaskQueues.bind(operate), { pageSize: limit }),
    vms: async ({ ended = false, limit = page.max } = {}) =>
      (await read('listing VMs', operate.listVms.bind(operate), { ended, pageSize: limit })).vms,
    vmHistory: async (vmId) => (await read('reading the history', operate.getVmHistory.bind(operate), { vmId })).facts,
    clouds: () => read('listing clouds', operate.listClouds.bind(operate), {}),
    drainVm: (vmId, reason = '') => ask('draining the VM', operate.drainVm.bind(operate), { vmId, reason }),
    createToken: (request) => ask('creating a token', operate.createToken.bind(operate), request),

    as: (other) => connectPilotage({ ...settings, token: other }),
    close() {
      jobs.close()
      operate.close()
    },
  }
}

/** A service that was killed is back in seconds: gRPC's own pause of up to two minutes is for the open internet. */
const channelOptions: Partial<ClientOptions> = {
  'grpc.max_receive_message_length': receiveBytes,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 3000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.enable_http_proxy': 0,
}

function channelCredentials({ server, caPem }: ClientSettings): ReturnType<typeof credentials.createInsecure> {
  if (caPem !== undefined) return credentials.createSsl(Buffer.from(caPem))
  if (isLoopback(server)) return credentials.createInsecure()
  throw new PilotageError(
    'invalid-argument',
    `a token is not sent in the clear to ${server}: name the certificate authority`,
  )
}

/** Only this machine: there is no wire to listen on. */
export function isLoopback(server: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\]):\d{1,5}$/.test(server)
}

async function submitAll(
  caller: Caller,
  client: JobServiceClient,
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

async function* listPages(
  readPage: (request: ListJobsRequest) => Promise<{ jobs: Job[]; nextBeforeJobId: number }>,
  { jobIds, states = [], owner = '', vo = '', limit = Infinity }: JobSelection,
): AsyncGenerator<Job, void, undefined> {
  let left = limit
  const groups = jobIds ? chunks(jobIds, page.max) : [[]]
  for (const ids of groups) {
    let beforeJobId = 0
    do {
      if (left <= 0) return
      const pageSize = Math.min(page.max, left)
      const query = { jobIds: ids, states: [...states], owner, vo, pageSize, beforeJobId }
      const answer = await readPage(ListJobsRequest.fromPartial(query))
      for (const job of answer.jobs.slice(0, left)) yield job
      left -= answer.jobs.length
      beforeJobId = answer.nextBeforeJobId
    } while (beforeJobId !== 0)
  }
}

function* chunks<Item>(items: readonly Item[], size: number): Generator<Item[], void, undefined> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}
