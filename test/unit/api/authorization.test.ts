/**
 * The permission table over gRPC: every method of the proto is called as every kind of caller, towards what is the caller's
 * own, of the same VO, and foreign.
 *
 * The methods come from the generated service definitions, and what each cell must answer comes from the table of actions,
 * so a new method or action is tried by itself. A method without a way to call it does not compile. The table itself is
 * written down a second time in test/unit/core/actions.test.ts.
 */

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Identity, Owner } from '../../../core/model/owner.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import {
  BulkPriorityRequest,
  BulkSteerRequest,
  type BulkSteerResponse,
  CountJobsRequest,
  type CountJobsResponse,
  JobAttribute,
  JobFilter,
  JobServiceService,
  JobSpec,
  ListJobsRequest,
  type SteerJobsResponse,
  SteerRefusal,
  type WatchJobsResponse,
} from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import {
  AccountingServiceService,
  ListUsageRecordsRequest,
  ReportUsageRequest,
  UsageAttribute,
} from '../../../proto/gen/pilotage/v1/accounting.ts'
import { SandboxServiceService } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import { BeatRequest, PilotMessage, ServiceMessage, VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { reachOf } from '../../../core/access/actions.ts'
import type { Reach } from '../../../core/access/reach.ts'
import { type MethodName, methodActions } from '../../../services/api/grpc/authorization.ts'
import { planFor } from '../../../services/vms/list-clouds.ts'
import { openTrust } from '../../../services/images/trust.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import type { Answer, CallOptions, Method } from '../../support/raw-call.ts'
import { entryToWire } from '../../../proto/codec/operate.ts'
import { sampleEntry, sampleKey } from '../../../sim/sample-images.ts'
import { activeVm, sampleResult, sampleSpec, sampleVm } from '../../../sim/samples.ts'

/** `roleless`: a valid token of the VO that gives no role. */
const callers = ['anonymous', 'roleless', 'vm', 'user', 'operator', 'admin'] as const
type Caller = (typeof callers)[number]

const targets = ['own', 'vo', 'foreign'] as const
type Target = (typeof targets)[number]

type Class = 'allowed' | 'not-found' | 'forbidden' | 'unauthenticated'

const definitions = {
  ...JobServiceService,
  ...SandboxServiceService,
  ...VmServiceService,
  ...OperateServiceService,
  ...AccountingServiceService,
}
const methods = Object.keys(definitions).sort() as MethodName[]

const ownerOf: Readonly<Record<Target, Owner>> = {
  own: { vo: 'lhcb', group: 'users', owner: 'ada' },
  vo: { vo: 'lhcb', group: 'users', owner: 'ben' },
  foreign: { vo: 'belle', group: 'users', owner: 'eve' },
}
const vmOf = { own: 'vm-aaaaaaaaaa', vo: 'vm-bbbbbbbbbb', foreign: 'vm-cccccccccc' } as Readonly<Record<Target, VmId>>

const text = Buffer.from('text')
const content = { digest: createHash('sha256').update(text).digest('hex'), bytes: text.length }
const file = { ...content, path: 'file', executable: false }

/** A job of the target's owner, waiting or leased to the target's VM, made for one call. */
type Given = { readonly target: Target; readonly jobId: number; readonly vmId: VmId }
type Trial = {
  readonly leased?: boolean
  readonly requests: (given: Given) => readonly unknown[]
  readonly options?: CallOptions
  /** No target can be named in a request: whose it becomes is what the token says. */
  readonly isTargetless?: true
  /** The answer where the target is out of reach; absent: not-found. */
  readonly beyond?: Class
  /** A job that the caller may read and not do this to is refused by name. */
  readonly isOnJob?: true
  /** What an answer without an error says of the target. */
  readonly seen?: (responses: readonly unknown[], given: Given) => boolean | Class
}

const steering: Trial = {
  isOnJob: true,
  requests: ({ jobId }) => [{ jobIds: [jobId], reason: '' }],
  seen([answer]) {
    const refusals = (answer as SteerJobsResponse).jobs.map(({ refusal }) => refusal)
    return refusals.includes(SteerRefusal.FORBIDDEN) ? 'forbidden' : !refusals.includes(SteerRefusal.NOT_FOUND)
  },
}
const inBulk: Trial = {
  isOnJob: true,
  requests: ({ jobId }) => [BulkSteerRequest.fromPartial({ jobIds: [jobId] })],
  seen(answers) {
    const refusals = (answers as BulkSteerResponse[]).flatMap(({ jobs }) => jobs.map(({ refusal }) => refusal))
    return refusals.includes(SteerRefusal.FORBIDDEN) ? 'forbidden' : refusals.length > 0
  },
}
const oneJob: Trial = { requests: ({ jobId }) => [{ jobId }] }
const submitting: Trial = {
  isTargetless: true,
  requests: () => [{ jobs: [JobSpec.fromPartial({ executable: 'true' })], idempotencyKey: '' }],
}
const report = ({ jobId }: Given) =>
  PilotMessage.fromPartial({ reports: [{ jobId, attempt: 1, reportId: 1, phase: 'ended', result: sampleResult() }] })
const acksIn = (messages: readonly Buffer[]) => messages.flatMap((message) => ServiceMessage.decode(message).acks)
const votes = (rows: readonly { vo: string }[], { target }: Pick<Given, 'target'>) =>
  rows.some(({ vo }) => vo === ownerOf[target].vo)
const plain: Trial = { requests: () => [{}] }
const paged: Trial = { requests: () => [{ pageSize: 0, pageToken: '' }] }

const trials: Readonly<Record<MethodName, Trial>> = {
  submitJobs: submitting,
  submitJobStream: submitting,
  listJobs: {
    requests: ({ jobId }) => [ListJobsRequest.fromPartial({ jobIds: [jobId] })],
    seen: ([answer]) => (answer as { jobs: unknown[] }).jobs.length === 1,
  },
  countJobs: {
    requests: () => [CountJobsRequest.fromPartial({ by: [JobAttribute.VO] })],
    seen: ([answer], { target }) => (answer as CountJobsResponse).rows.some(({ values: [vo] }) => vo === ownerOf[target].vo),
  },
  reportUsage: {
    requests: ({ target }) => [
      ReportUsageRequest.fromPartial({
        fromDay: '2026-11-01',
        toDay: '2026-12-01',
        filters: [{ attribute: UsageAttribute.VO, value: ownerOf[target].vo }],
      }),
    ],
    beyond: 'forbidden',
  },
  listUsageRecords: {
    requests: ({ target }) => [ListUsageRecordsRequest.fromPartial({ toTime: new Date(1000), vo: ownerOf[target].vo })],
    beyond: 'forbidden',
  },
  killJobs: steering,
  holdJobs: steering,
  releaseJobs: steering,
  rescheduleJobs: steering,
  bulkKillJobs: inBulk,
  bulkHoldJobs: inBulk,
  bulkReleaseJobs: inBulk,
  bulkRescheduleJobs: inBulk,
  bulkDeleteJobs: inBulk,
  bulkSetPriority: {
    ...inBulk,
    requests: ({ jobId }) => [BulkPriorityRequest.fromPartial({ jobs: { jobIds: [jobId] }, priority: 3 })],
  },
  getJobHistory: oneJob,
  explainJob: oneJob,
  getJobSpec: { ...oneJob, isOnJob: true },
  getOutput: { isOnJob: true, leased: true, requests: ({ jobId }) => [{ jobId, attempt: 0, name: 0 }] },
  peekOutput: {
    isOnJob: true,
    leased: true,
    requests: ({ jobId }) => [{ jobId, attempt: 0, name: 0, offset: 0, follow: true }],
    options: { leaveAfter: 1 },
  },
  watchJobs: {
    requests: ({ jobId }) => [{ jobIds: [jobId] }],
    options: { leaveAfter: 1 },
    seen: ([first]) => (first as WatchJobsResponse).jobs.length > 0,
  },
  hasFiles: { isTargetless: true, requests: () => [{ digests: [content.digest] }] },
  putFile: { isTargetless: true, requests: () => [{ ...content, data: text }] },
  listOutputFiles: { isOnJob: true, leased: true, requests: ({ jobId }) => [{ jobId, attempt: 0 }] },
  getOutputFile: { isOnJob: true, leased: true, requests: ({ jobId }) => [{ jobId, attempt: 0, path: 'file', offset: 0 }] },
  // The target is the VM whose key is brought; only the first VM's key is right.
  activate: {
    beyond: 'unauthenticated',
    requests: ({ target }) => [
      { vmId: activating[target], activationKey: activationKey, nonce: 'a nonce of the VM itself' },
    ],
  },
  // The target is the VM that holds the attempt: another VM's is answered as stale.
  session: {
    leased: true,
    requests: (given) => [report(given)],
    options: { endWhen: (messages) => acksIn(messages).length > 0 },
    seen: (responses) => (responses as ServiceMessage[]).flatMap(({ acks }) => acks).every(({ refusal }) => refusal === ''),
  },
  putOutput: {
    beyond: 'forbidden',
    leased: true,
    requests: ({ jobId }) => [{ attempt: { jobId, attempt: 1 }, name: 'stdout', totalBytes: 4, data: Buffer.from('text') }],
  },
  putLiveOutput: {
    beyond: 'forbidden',
    leased: true,
    requests: ({ jobId }) => [
      { attempt: { jobId, attempt: 1 }, name: 'stdout', offset: 0, data: Buffer.from('text'), caughtUp: true },
    ],
  },
  fetchInput: {
    beyond: 'forbidden',
    leased: true,
    requests: ({ jobId }) => [{ attempt: { jobId, attempt: 1 }, path: 'file' }],
  },
  putOutputFile: {
    beyond: 'forbidden',
    leased: true,
    requests: ({ jobId }) => [{ attempt: { jobId, attempt: 1 }, ...file, data: text }],
  },
  beat: { isTargetless: true, requests: () => [BeatRequest.fromPartial({ pilotState: 'idle' })] },
  getStatus: { ...plain, seen: ([answer], given) => votes((answer as { jobs: { vo: string }[] }).jobs, given) },
  listTaskQueues: {
    requests: () => [{ pageSize: 1000, pageToken: '' }],
    seen: ([answer], given) => votes((answer as { queues: { vo: string }[] }).queues, given),
  },
  listVms: {
    requests: () => [{ ended: true, pageSize: 0, pageToken: '' }],
    seen: ([answer], { vmId }) => (answer as { vms: { vmId: string }[] }).vms.some((vm) => vm.vmId === vmId),
  },
  getVmHistory: { requests: ({ vmId }) => [{ vmId }] },
  // The target is the demand in the plan.
  listClouds: {
    ...paged,
    seen: ([answer], { target }) =>
      (answer as { plan: { subject: string; count: number }[] }).plan.some(
        // Of a line that holds up several VOs a caller hears the own jobs, or all of them.
        ({ subject, count }) => subject === `demand of ${ownerOf[target].vo}` && count > 0,
      ),
  },
  listShares: {
    ...paged,
    seen: ([answer], { target }) => votes((answer as { shares: { vo: string }[] }).shares, { target }),
  },
  setShareWeight: { requests: () => [{ vo: 'lhcb', group: '', owner: '', weight: 2, reason: '' }] },
  drainVm: { requests: ({ target }) => [{ vmId: draining[target], reason: '' }] },
  listImages: paged,
  // The same content again changes nothing.
  addImage: { requests: () => [{ entry: entryToWire(sampleEntry()), signature: endorser.sign(sampleEntry()) }] },
  approveImage: { requests: () => [{ name: 'plain', site: 'home' }] },
  disapproveImage: { requests: () => [{ name: 'plain', site: 'home' }] },
  revokeImage: { requests: () => [{ name: 'old', reason: '' }] },
  createToken: { requests: () => [{ subject: 'ada', vo: 'lhcb', group: 'users', roles: [1], lifetime: undefined }] },
}

const owner = ownerOf.own
const identities: Readonly<Record<Exclude<Caller, 'anonymous'>, Identity>> = {
  roleless: { kind: 'user', owner, roles: [] },
  vm: { kind: 'vm', vmId: vmOf.own },
  user: { kind: 'user', owner, roles: ['user'] },
  operator: { kind: 'user', owner, roles: ['operator'] },
  admin: { kind: 'user', owner, roles: ['admin'] },
}

const reached: Readonly<Record<Reach, readonly Target[]>> = { none: [], own: ['own'], vo: ['own', 'vo'], any: targets }

/** What the table says that a cell answers. */
function expected(method: MethodName, caller: Caller, target: Target): Class {
  const reach = reachOf(methodActions[method], caller === 'anonymous' ? undefined : identities[caller])
  if (reach === 'none') return caller === 'anonymous' ? 'unauthenticated' : 'forbidden'
  const { isTargetless = false, isOnJob = false, beyond = 'not-found' } = trials[method]
  if (isTargetless || reached[reach].includes(target)) return 'allowed'
  const mayRead =
    isOnJob && reached[reachOf('job.read', identities[caller as Exclude<Caller, 'anonymous'>])].includes(target)
  return mayRead ? 'forbidden' : beyond
}

/** VMs that are there to be activated with one key, which is right for the first only, and to be drained. */
const activating = { own: 'vm-dddddddddd', vo: 'vm-eeeeeeeeee', foreign: 'vm-ffffffffff' } as const
const draining = { own: 'vm-gggggggggg', vo: 'vm-hhhhhhhhhh', foreign: 'vm-jjjjjjjjjj' } as const
const activationKey = 'the key of vm-dddddddddd'

const endorser = sampleKey()
let api: ApiInParts
const tokens = new Map<Caller, string>()

beforeAll(async () => {
  const row = (vo: string, jobs: number) => {
    const common = { atMs: 1, action: 'hold', cause: { why: 'limit', words: 'full' } } as const
    return { ...common, subject: `demand of ${vo}`, count: jobs, byVo: { [vo]: jobs } }
  }
  const plan = [row('lhcb', 2), row('belle', 3)]
  api = await startApiInParts({ plan, trust: openTrust(new Map([['ops', endorser.publicPem]])), sites: ['home'] })
  for (const name of ['plain', 'old']) {
    const entry = sampleEntry({ name })
    await api.store.changeImage({ kind: 'add', entry, signature: endorser.sign(entry), by: 'ada' }, 1000)
  }
  for (const [caller, identity] of Object.entries(identities)) tokens.set(caller as Caller, await api.tokenFor(identity))
  const nowMs = api.queue.clock.nowMs()
  const endByMs = nowMs + 60 * 60 * 1000
  for (const [target, id] of [...Object.entries(vmOf), ...Object.entries(draining)]) {
    const vos = [ownerOf[target as Target].vo]
    await api.store.intend(activeVm(nameOf(id), { endByMs, cores: 1000, vos }), nowMs)
  }
  for (const [target, id] of Object.entries(activating)) {
    const keyHash = createHash('sha256')
      .update(target === 'own' ? activationKey : `another key for ${target}`)
      .digest('hex')
    await api.store.intend(sampleVm(nameOf(id), { endByMs, activation: { keyHash, untilMs: endByMs } }), nowMs)
  }
})

afterAll(() => api.stop())

/** Samples put the `vm-` before it themselves. */
function nameOf(vmId: string): string {
  return vmId.slice('vm-'.length)
}

async function given(target: Target, leased: boolean): Promise<Given> {
  const [owner, vmId] = [ownerOf[target], vmOf[target]]
  const nowMs = api.queue.clock.nowMs()
  await api.store.claim(owner, content, 1000, nowMs)
  await api.store.settleClaim(owner, content.digest, nowMs)
  await api.queue.blobs.put(owner.vo, content, ReadableStream.from([text]))
  const { jobIds } = await submit(api.queue, { owner, jobs: [sampleSpec({ inputFiles: [file] })], idempotencyKey: '' })
  const jobId = jobIds[0] as JobId
  await api.store.keepOutputFile({ jobId, attempt: 1 }, owner, file)
  const untilMs = nowMs + 60_000
  if (leased) await api.store.change([{ kind: 'claim', jobId, vmId, cores: 1, untilMs }], nowMs)
  return { target, jobId, vmId }
}

/** One caller for each method: whose calls are refused above a rate loses its connection (see connections.ts). */
function rolelessToken(method: MethodName): Promise<string> {
  return api.tokenFor({ kind: 'user', owner: { ...owner, owner: `roleless-${method}` }, roles: [] })
}

async function outcome(method: MethodName, caller: Caller, target: Target): Promise<Class | string> {
  const { leased = false, requests, options, seen } = trials[method]
  const what = await given(target, leased)
  const definition = definitions[method] as unknown as Method<unknown, unknown>
  const token = caller === 'roleless' ? await rolelessToken(method) : tokens.get(caller)
  const answer = await api.raw.call(definition, requests(what), { ...options, token })
  const found = answer.code === 0 && seen ? seen(answer.responses, what) : true
  if (typeof found === 'string') return found
  return found ? classOf(answer) : 'not-found'
}

function classOf({ code, details, error }: Answer): Class | string {
  switch (error?.code ?? code) {
    case 0:
      return 'allowed'
    case 'not-found':
      return 'not-found'
    case 'forbidden':
      return 'forbidden'
    case 'unauthenticated':
      return 'unauthenticated'
    default:
      return `${code} ${details}`
  }
}

describe('authorization', () => {
  it('has an action and a trial for every method of the proto, and for no other', () => {
    expect(methods.length).toBe(47)
    expect(Object.keys(methodActions).sort()).toEqual(methods)
    expect(Object.keys(trials).sort()).toEqual(methods)
  })

  it.each(methods)('%s lets in who may, as far as they reach', async (method) => {
    const found: Record<string, readonly string[]> = {}
    const wanted: Record<string, readonly string[]> = {}
    for (const caller of callers) {
      const cells: string[] = []
      for (const target of targets) cells.push(await outcome(method, caller, target))
      found[caller] = cells
      wanted[caller] = targets.map((target) => expected(method, caller, target))
    }
    expect(found).toEqual(wanted)
  })

  it('shows every user a VM that serves every VO, and of a plan line of several VOs the own jobs', async () => {
    await api.store.intend(activeVm('shared', { endByMs: Number.MAX_SAFE_INTEGER }), 1000)
    const vmId = 'vm-sharedaaaa'
    const history = await api.raw.call(OperateServiceService.getVmHistory, [{ vmId }], { token: tokens.get('user') })
    expect(classOf(history)).toBe('allowed')
    const cause = { why: 'limit', limit: { name: 'vms', used: 4, max: 4 } } as const
    const rows = planFor(
      [{ atMs: 1, action: 'hold', cause, subject: 'here', count: 9, byVo: { lhcb: 2, belle: 7 } }],
      'lhcb',
    )
    expect(rows).toEqual([{ atMs: 1, action: 'hold', cause, subject: 'here', count: 2 }])
  })

  it('does not list a VO by its name to others', async () => {
    const filter = JobFilter.fromPartial({ vo: 'belle' })
    const asks = [ListJobsRequest.fromPartial({ vo: 'belle' }), ListJobsRequest.fromPartial({ filter })]
    for (const ask of asks) {
      const answer = await api.raw.call(JobServiceService.listJobs, [ask], { token: tokens.get('user') })
      expect(classOf(answer)).toBe('forbidden')
    }
    const count = CountJobsRequest.fromPartial({ filter, by: [JobAttribute.STATE] })
    expect(classOf(await api.raw.call(JobServiceService.countJobs, [count], { token: tokens.get('user') }))).toBe(
      'forbidden',
    )
  })
})
