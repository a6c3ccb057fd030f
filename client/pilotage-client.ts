/**
 * The VO user's way to Pilotage: a small promise API over the gRPC services.
 *
 * Reads and submissions are repeated while the service is away, within the caller's patience; what steers a job or a VM is
 * asked once. Streams of the service are async iterables; `watch` and `output` go on where they were after a loss of the
 * service. Of several endpoints any serves: one that is away is left for the next. Everything that fails is a PilotageError
 * with the service's own code and violations.
 */

import { type Clock, systemClock } from '../core/kernel/clock.ts'
import { page } from '../core/kernel/limits.ts'
import { type Random, systemRandom } from '../core/kernel/random.ts'
import {
  type Job as WireJob,
  type JobServiceClient,
  type JobSpec,
  ListJobsRequest,
  type SteerJobsRequest,
  type SteerJobsResponse,
} from '../proto/gen/pilotage/v1/job.ts'
import { type Caller, callUnary, type Unary } from './calls.ts'
import { type Clients, openChannels } from './channels.ts'
import type {
  ChangedImage,
  Clouds,
  ClusterStatus,
  DrainedVm,
  Image,
  IssuedToken,
  TaskQueues,
  TokenRequest,
  Vm,
} from './cluster.ts'
import type { SignedEntry } from './image-document.ts'
import { outputPieces, watchedJobs } from './follow.ts'
import type { Fact, Job, JobExplanation, SteeredJob, Warning } from './jobs.ts'
import { callLimits, parts } from './submission.ts'
import { type PartAnswer, submitInWindows, submitPart } from './submit-stream.ts'

export type ClientSettings = {
  /** host:port of the service's gRPC edge; several with commas between, of which any serves. */
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
  explain(jobId: number): Promise<JobExplanation>
  output(jobId: number, selection?: OutputSelection): AsyncGenerator<Uint8Array, void, undefined>
  /** The jobs as they are, then every change, until all have ended. */
  watch(jobIds: readonly number[]): AsyncGenerator<Job, void, undefined>

  status(): Promise<ClusterStatus>
  queues(limit?: number): Promise<TaskQueues>
  vms(options?: { readonly ended?: boolean; readonly limit?: number }): Promise<readonly Vm[]>
  vmHistory(vmId: string): Promise<readonly Fact[]>
  clouds(): Promise<Clouds>
  drainVm(vmId: string, reason?: string): Promise<DrainedVm>
  createToken(request: TokenRequest): Promise<IssuedToken>

  images(): Promise<readonly Image[]>
  /** What somebody whom the service trusts has signed. The same again changes nothing, as with the three below. */
  addImage(signed: SignedEntry): Promise<ChangedImage>
  approveImage(name: string, site: string): Promise<ChangedImage>
  disapproveImage(name: string, site: string): Promise<ChangedImage>
  revokeImage(name: string, reason?: string): Promise<ChangedImage>

  /** The same service as somebody else. Closed on its own. */
  as(token: string): PilotageClient
  close(): void
}

const readDeadlineMs = 20_000
const steerDeadlineMs = 30_000
const defaultPatienceMs = 30_000
const idsPerSteer = 10_000
const generatedKeyLength = 24

/** A method of the service, on one endpoint of it. */
type Method<Request, Response> = (to: Clients) => Unary<Request, Response>

export function connectPilotage(settings: ClientSettings): PilotageClient {
  const clock = settings.clock ?? systemClock()
  const random = settings.random ?? systemRandom()
  const { token, signal, patienceMs = defaultPatienceMs } = settings
  const channels = openChannels(settings, clock, random)
  const caller: Caller = { clock, random, token, turns: channels.turns, patienceMs, signal }
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
        steered.push(...(await ask(doing, method, { jobIds: ids, reason })).jobs)
      return steered
    }

  return {
    submit: (specs, { key = newKey() } = {}) => submitAll(caller, jobs, specs, key),
    submitStream: (specs, { key = newKey() } = {}) => submitInWindows(caller, jobs, specs, key),
    list: (selection = {}) =>
      listPages((request) => read('listing jobs', (to) => to.jobs.listJobs.bind(to.jobs), request), selection),
    kill: steer('killing jobs', (to) => to.jobs.killJobs.bind(to.jobs)),
    hold: steer('holding jobs', (to) => to.jobs.holdJobs.bind(to.jobs)),
    release: steer('releasing jobs', (to) => to.jobs.releaseJobs.bind(to.jobs)),
    reschedule: steer('rescheduling jobs', (to) => to.jobs.rescheduleJobs.bind(to.jobs)),
    history: async (jobId) =>
      (await read('reading the history', (to) => to.jobs.getJobHistory.bind(to.jobs), { jobId })).facts,
    explain: (jobId) => read('explaining the job', (to) => to.jobs.explainJob.bind(to.jobs), { jobId }),
    output: (jobId, { name = 'stdout', attempt = 0 } = {}) => outputPieces(caller, jobs, { jobId, attempt, name }),
    watch: (jobIds) => watchedJobs(caller, jobs, jobIds),

    status: () => read('reading the status', (to) => to.operate.getStatus.bind(to.operate), {}),
    queues: (limit = 0) =>
      read('listing task queues', (to) => to.operate.listTaskQueues.bind(to.operate), { pageSize: limit }),
    vms: async ({ ended = false, limit = page.max } = {}) =>
      (await read('listing VMs', (to) => to.operate.listVms.bind(to.operate), { ended, pageSize: limit })).vms,
    vmHistory: async (vmId) =>
      (await read('reading the history', (to) => to.operate.getVmHistory.bind(to.operate), { vmId })).facts,
    clouds: () => read('listing clouds', (to) => to.operate.listClouds.bind(to.operate), {}),
    drainVm: (vmId, reason = '') => ask('draining the VM', (to) => to.operate.drainVm.bind(to.operate), { vmId, reason }),
    createToken: (request) =>
      ask('creating a token', (to) => to.operate.createToken.bind(to.operate), { ...request, roles: [...request.roles] }),

    ...imageCalls(read),

    as: (other) => connectPilotage({ ...settings, token: other }),
    close: () => channels.close(),
  }
}

type Read = <Request, Response>(doing: string, method: Method<Request, Response>, request: Request) => Promise<Response>
type ImageCalls = Pick<PilotageClient, 'images' | 'addImage' | 'approveImage' | 'disapproveImage' | 'revokeImage'>

/** All of them may be repeated: whatever is decided once more is as it was. */
function imageCalls(ask: Read): ImageCalls {
  return {
    images: async () => (await ask('listing images', (to) => to.operate.listImages.bind(to.operate), {})).images,
    addImage: ({ entry, signature }) => {
      const wire = { ...entry, references: { ...entry.references } }
      return ask('adding the image', (to) => to.operate.addImage.bind(to.operate), { entry: wire, signature })
    },
    approveImage: (name, site) =>
      ask('approving the image', (to) => to.operate.approveImage.bind(to.operate), { name, site }),
    disapproveImage: (name, site) =>
      ask('disapproving the image', (to) => to.operate.disapproveImage.bind(to.operate), { name, site }),
    revokeImage: (name, reason = '') =>
      ask('revoking the image', (to) => to.operate.revokeImage.bind(to.operate), { name, reason }),
  }
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

async function* listPages(
  readPage: (request: ListJobsRequest) => Promise<{ jobs: WireJob[]; nextBeforeJobId: number }>,
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
