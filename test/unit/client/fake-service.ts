/**
 * A service for the client's tests: the generated definitions on a port of this machine, over a map of jobs.
 *
 * Keeps just enough of the contract: keys give the first answer again, ids count up, a job ends after it was looked at
 * `looksToEnd` times. Faults are switched on by the test that wants them.
 */

import {
  Metadata,
  Server,
  ServerCredentials,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { type RefusalDetail, refusalBytes, refusalKey } from '../../../proto/codec/refusals.ts'
import {
  type CountJobsRequest,
  CountJobsResponse,
  ExplainJobResponse,
  Fact,
  FindingKind,
  Job,
  JobServiceService,
  type JobSpec,
  JobState,
  OutputName,
  PayloadEnd,
  type ListJobsRequest,
  PayloadResult,
  SteerRefusal,
  type SubmitJobsRequest,
  SubmitJobsResponse,
  type Warning,
  WarningCode,
} from '../../../proto/gen/pilotage/v1/job.ts'
import {
  CreateTokenResponse,
  GetStatusResponse,
  OperateServiceService,
  Vm,
  VmState,
} from '../../../proto/gen/pilotage/v1/operate.ts'

export type FakeService = {
  readonly server: string
  readonly jobs: Map<number, Job>
  readonly specs: JobSpec[]
  /** Methods in the order of their calls. */
  readonly calls: string[]
  readonly tokens: Set<string>
  /** Fails this number of the next calls of a method before it works. */
  failNext(method: string, times: number, error?: Failure): void
  looksToEnd: number
  breakWatchOnce: boolean
  /** What every output is; absent: a greeting. */
  output?: readonly Buffer[]
  /** How a watched job ends; absent: as Done. Of the jobs in their order, the last one of the rest. */
  endings?: readonly Partial<Job>[]
  stop(): Promise<void>
}

type FailureDetail = Partial<RefusalDetail> & { readonly code: string }
export type Failure = { readonly code: status; readonly detail?: FailureDetail; readonly after?: boolean }

const endedVm = Vm.fromPartial({
  vmId: 'vm-a',
  cores: 4,
  intendTime: new Date(1_000_000),
  activateTime: new Date(1_001_000),
  endTime: new Date(1_010_000),
})

const explanation = ExplainJobResponse.fromPartial({
  summary: 'cannot run: no place',
  finding: { kind: FindingKind.NO_FIT },
  places: [{ place: 'vm vm-a', rules: [{ rule: 'cores', holds: false, wanted: '4', offered: '2' }] }],
})

type Handler = (request: never, token: string) => object

export async function startFakeService(port = 0): Promise<FakeService> {
  const jobs = new Map<number, Job>()
  const looks = new Map<number, number>()
  const keys = new Map<string, SubmitJobsResponse>()
  const failures = new Map<string, { times: number; error: Failure }>()
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 })
  const fake: Omit<FakeService, 'server' | 'failNext' | 'stop'> = {
    jobs,
    specs: [],
    calls: [],
    tokens: new Set<string>(),
    looksToEnd: 0,
    breakWatchOnce: false,
  }

  function look(job: Job): Job {
    const seen = (looks.get(job.jobId) ?? 0) + 1
    looks.set(job.jobId, seen)
    if (job.state !== JobState.WAITING || fake.looksToEnd === 0 || seen < fake.looksToEnd) return job
    const startMs = (job.submitTime?.getTime() ?? 0) + 10
    const times = { startTime: new Date(startMs), endTime: new Date(startMs + 100) }
    const result = PayloadResult.fromPartial({ end: PayloadEnd.EXITED, wall: { nanos: 100_000_000 }, ...times })
    const ended = { ...job, state: JobState.DONE, attempt: 1, cores: 1, ...times, result }
    jobs.set(job.jobId, ended)
    return ended
  }

  function submit(request: SubmitJobsRequest, token: string): SubmitJobsResponse {
    const known = keys.get(`${token} ${request.idempotencyKey}`)
    if (known) return { ...known, repeatedAnswer: true }
    const vo = token.split(' ')[1]?.split('/')[0] ?? ''
    const jobIds = request.jobs.map((spec) => {
      const jobId = jobs.size + 1
      const submitTime = new Date(1_000_000)
      const waiting = { jobId, state: JobState.WAITING, name: spec.name, vo, maxAttempts: 3, submitTime }
      jobs.set(jobId, Job.fromPartial(waiting))
      fake.specs.push(spec)
      return jobId
    })
    const answer = SubmitJobsResponse.fromPartial({ jobIds, warnings: warningsOf(request), repeatedAnswer: false })
    keys.set(`${token} ${request.idempotencyKey}`, answer)
    return answer
  }

  const handlers: Record<string, Handler> = {
    submitJobs: submit,
    listJobs({ jobIds, pageSize, pageToken, filter, states }: ListJobsRequest) {
      const before = pageToken === '' ? Infinity : Number(pageToken)
      const wanted = filter?.states ?? states
      const below = [...jobs.values()]
        .filter(({ jobId, state }) => isOneOf(jobIds, jobId) && isOneOf(wanted, state) && jobId < before)
        .sort((a, b) => b.jobId - a.jobId)
      const page = below.slice(0, pageSize).map(look)
      return { jobs: page, nextPageToken: below.length > page.length ? String(page.at(-1)?.jobId) : '' }
    },
    countJobs,
    ...Object.fromEntries(
      ['killJobs', 'holdJobs', 'releaseJobs', 'rescheduleJobs'].map((method) => [
        method,
        ({ jobIds }: { jobIds: number[] }) => ({
          jobs: jobIds.map((jobId) => ({
            jobId,
            changed: jobs.has(jobId),
            state: jobs.has(jobId) ? JobState.KILLED : 0,
            refusal: jobs.has(jobId) ? 0 : SteerRefusal.NOT_FOUND,
            ...{ newJobId: 0, dependants: 0 },
          })),
        }),
      ]),
    ),
    getJobHistory: () => ({
      facts: [Fact.fromPartial({ seq: 1, time: new Date(1000), kind: 'Waiting', text: 'Waiting\u001b[2J' })],
    }),
    explainJob: () => explanation,
    getJobSpec: ({ jobId }: { jobId: number }) => ({ spec: fake.specs[jobId - 1] }),
    getStatus: () =>
      GetStatusResponse.fromPartial({
        serviceTime: new Date(1_000_000),
        version: '0',
        startTime: new Date(1),
        jobs: [{ state: JobState.WAITING, vo: 'vo1', count: 2 }],
      }),
    listTaskQueues: () => ({ queues: [], total: 0, nextPageToken: '' }),
    listVms: ({ ended }: { ended: boolean }) => ({ nextPageToken: '', vms: ended ? [endedVm] : [] }),
    getVmHistory: () => ({ facts: [] }),
    listClouds: () => ({ clouds: [], plan: [], nextPageToken: '' }),
    drainVm: () => ({ changed: true, state: VmState.DRAINING, refusal: 0 }),
    createToken: ({ vo, subject }: { vo: string; subject: string }) =>
      CreateTokenResponse.fromPartial({ token: `${vo}/${subject}`, expireTime: new Date(5000) }),
  }

  function failing(method: string): Failure | undefined {
    fake.calls.push(method)
    const failure = failures.get(method)
    if (!failure || failure.times <= 0) return undefined
    failure.times -= 1
    return failure.error
  }

  const unary =
    (method: string, handler: Handler): handleUnaryCall<object, object> =>
    (call, answer) => {
      const token = String(call.metadata.get('authorization')[0] ?? '')
      fake.tokens.add(token)
      const failure = failing(method)
      if (failure && !failure.after) return answer(refused(failure))
      const value = handler(call.request as never, token)
      return failure ? answer(refused(failure)) : answer(null, value)
    }

  const implementation: UntypedServiceImplementation = Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [method, unary(method, handler)]),
  )
  const submitJobStream: handleClientStreamingCall<SubmitJobsRequest, object> = (call, answer) => {
    const answers: SubmitJobsResponse[] = []
    const token = String(call.metadata.get('authorization')[0] ?? '')
    const failure = failing('submitJobStream')
    call.on('data', (request: SubmitJobsRequest) => {
      const refusal = request.jobs.find(({ executable }) => executable === 'refused')
      if (refusal) answer(refused({ code: status.INVALID_ARGUMENT }))
      else answers.push(submit(request, token))
    })
    call.on('end', () => answer(failure ? refused(failure) : null, { answers }))
  }
  const watchJobs: handleServerStreamingCall<{ jobIds: number[] }, object> = (call) => {
    fake.calls.push('watchJobs')
    const ids = call.request.jobIds
    call.write({ jobs: ids.flatMap((id) => jobs.get(id) ?? []), notFound: [] })
    const [first, ...others] = ids
    const end = (id: number): void => {
      const job = jobs.get(id)
      const ending = fake.endings?.[Math.min(id, fake.endings.length) - 1]
      if (job) jobs.set(id, { ...job, state: JobState.DONE, ...ending })
    }
    if (fake.breakWatchOnce && first !== undefined) {
      fake.breakWatchOnce = false
      end(first)
      call.write({ jobs: [jobs.get(first)], notFound: [] })
      call.emit('error', refused({ code: status.UNAVAILABLE }))
      return
    }
    for (const id of [first ?? 0, ...others]) end(id)
    call.write({ jobs: ids.flatMap((id) => jobs.get(id) ?? []), notFound: [] })
    call.end()
  }
  Object.assign(implementation, { submitJobStream, watchJobs, ...outputStreams(fake, failing) })
  server.addService(JobServiceService, implementation)
  server.addService(OperateServiceService, implementation)
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, got) =>
      error ? reject(error) : resolve(got),
    ),
  )
  return Object.assign(fake, {
    server: `127.0.0.1:${bound}`,
    failNext(method: string, times: number, error: Failure = { code: status.UNAVAILABLE }) {
      failures.set(method, { times, error })
    },
    stop: async () => server.forceShutdown(),
  })
}

/** What was kept of an output, and what is still being written. */
function outputStreams(
  fake: Pick<FakeService, 'output'>,
  failing: (method: string) => Failure | undefined,
): UntypedServiceImplementation {
  const getOutput: handleServerStreamingCall<{ name: OutputName }, object> = (call) => {
    const failure = failing('getOutput')
    const [first, ...rest] = fake.output ?? [
      Buffer.from('hello '),
      Buffer.from(call.request.name === OutputName.STDERR ? 'stderr' : 'stdout'),
    ]
    call.write({ data: first })
    if (failure) return void call.emit('error', refused(failure))
    for (const data of rest) call.write({ data })
    call.end()
  }

  const peekOutput: handleServerStreamingCall<{ name: OutputName; offset: number }, object> = (call) => {
    const failure = failing('peekOutput')
    const whole = fake.output ?? [Buffer.from(call.request.name === OutputName.STDERR ? 'to stderr' : 'to stdout')]
    let offset = 0
    call.write({ attempt: 1, offset: call.request.offset, data: Buffer.alloc(0) })
    for (const data of whole) {
      if (offset >= call.request.offset) call.write({ attempt: 1, offset, data })
      offset += data.length
      if (failure) return void call.emit('error', refused(failure))
    }
    call.end()
  }
  return { getOutput, peekOutput }
}

/** Of the jobs whose executable is `warned`. */
function warningsOf({ jobs }: SubmitJobsRequest): Warning[] {
  const indexes = jobs.flatMap(({ executable }, index) => (executable === 'warned' ? [index] : []))
  return indexes.length === 0 ? [] : [{ code: WarningCode.NO_OFFERING, text: 'cannot run', indexes }]
}

function refused({ code, detail }: Failure): {
  code: status
  details: string
  metadata: Metadata
  name: string
  message: string
} {
  const metadata = new Metadata()
  if (detail) {
    const given = { text: '', violations: [], retryAfterMs: 0, ...detail }
    const whole = { ...given, violationCount: detail.violationCount ?? given.violations.length }
    metadata.set(refusalKey, Buffer.from(refusalBytes(code, whole)))
  }
  return { name: 'Error', message: 'as given', code, details: 'as given', metadata }
}

/** Six jobs in four rows, of which two are left out. */
function countJobs({ by, filter }: CountJobsRequest): CountJobsResponse {
  if (filter?.jobGroup === 'none') return CountJobsResponse.fromPartial({})
  const row = (value: string, count: number) => ({ values: by.map(() => value), count })
  const rows = [row('Waiting', 3), row('Done', 1)]
  return CountJobsResponse.fromPartial({ rows, jobs: 6, otherRows: 2, otherJobs: 2 })
}

/** An empty list names all. */
function isOneOf<Item>(wanted: readonly Item[], item: Item): boolean {
  return wanted.length === 0 || wanted.includes(item)
}
