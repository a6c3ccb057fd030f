/** What others' jobs and VMs must not be touched with, and what must not be learnt of them. */

import {
  ExplainJobRequest,
  GetJobHistoryRequest,
  GetOutputRequest,
  JobServiceService,
  JobState,
  ListJobsRequest,
  SteerJobsRequest,
  SteerRefusal,
  WatchJobsRequest,
} from '../../../proto/gen/pilotage/v1/job.ts'
import {
  CreateTokenRequest,
  ListVmsRequest,
  OperateServiceService,
  UserRole,
} from '../../../proto/gen/pilotage/v1/operate.ts'
import type { CallOptions, Method } from '../raw-call.ts'
import { type Case, type Refusal, refusalOf, refused } from './case.ts'
import { jobOf, type World } from './world.ts'

/** A call about one job, and what its answer says when it is not an error. */
type About<Request, Response> = {
  readonly method: Method<Request, Response>
  readonly request: (jobId: number) => Request
  readonly options?: CallOptions
  readonly saysNothing?: (responses: readonly Response[]) => boolean
}

/**
 * As eve, about each of ada's jobs and about one that does not exist: the answers must be the same but for the number, so
 * that she does not learn that there is such a job.
 */
function foreignCase<Request, Response>(name: string, about: About<Request, Response>): Case {
  return {
    name: `${name} of a job of another VO`,
    async attempt(world) {
      const { jobs, tokens } = world
      const ask = (jobId: number): Promise<Refusal> => askAs(world, tokens.eve, about, jobId)
      const nothing = await ask(jobs.unknown)
      for (const jobId of [jobs.done, jobs.again, jobs.running, jobs.waiting]) {
        const found = await ask(jobId)
        const same = JSON.stringify(found).replaceAll(String(jobId), String(jobs.unknown))
        if (same !== JSON.stringify(nothing)) return { ...found, text: `it differs from no job: ${found.text}` }
      }
      return nothing
    },
    code: 'not-found',
    text: /^(?:no job \d+|nothing is said of it)$/,
  }
}

async function askAs<Request, Response>(
  { raw }: World,
  token: string,
  { method, request, options, saysNothing }: About<Request, Response>,
  jobId: number,
): Promise<Refusal> {
  const answer = await raw.call(method, [request(jobId)], { ...options, token })
  const nothing = { code: 'not-found', text: 'nothing is said of it', violations: [] }
  return answer.code === 0 && saysNothing?.(answer.responses) ? nothing : refusalOf(answer)
}

const steers = {
  killJobs: JobServiceService.killJobs,
  holdJobs: JobServiceService.holdJobs,
  releaseJobs: JobServiceService.releaseJobs,
  rescheduleJobs: JobServiceService.rescheduleJobs,
}

const foreignCases: readonly Case[] = [
  ...Object.entries(steers).map(([name, method]) =>
    foreignCase(name, {
      method,
      request: (jobId) => SteerJobsRequest.fromPartial({ jobIds: [jobId], reason: 'mine now' }),
      saysNothing: ([answer]) =>
        answer?.jobs.every(
          ({ changed, state, refusal, newJobId }) =>
            !changed && state === 0 && refusal === SteerRefusal.NOT_FOUND && newJobId === 0,
        ) ?? false,
    }),
  ),
  foreignCase('listJobs', {
    method: JobServiceService.listJobs,
    request: (jobId) => ListJobsRequest.fromPartial({ jobIds: [jobId] }),
    saysNothing: ([answer]) => answer?.jobs.length === 0,
  }),
  foreignCase('getJobHistory', {
    method: JobServiceService.getJobHistory,
    request: (jobId) => GetJobHistoryRequest.fromPartial({ jobId }),
  }),
  foreignCase('explainJob', {
    method: JobServiceService.explainJob,
    request: (jobId) => ExplainJobRequest.fromPartial({ jobId }),
  }),
  foreignCase('getOutput', {
    method: JobServiceService.getOutput,
    request: (jobId) => GetOutputRequest.fromPartial({ jobId }),
  }),
  foreignCase('watchJobs', {
    method: JobServiceService.watchJobs,
    request: (jobId) => WatchJobsRequest.fromPartial({ jobIds: [jobId] }),
  }),
  {
    name: "another VO's name in a list",
    attempt: (world) =>
      refused(world, JobServiceService.listJobs, [ListJobsRequest.fromPartial({ vo: 'alpha' })], {
        token: world.tokens.eve,
      }),
    code: 'forbidden',
    text: /^the jobs of VO alpha are not for this caller$/,
  },
  {
    name: 'a user who wants a token for another VO',
    attempt: (world) => {
      const request = CreateTokenRequest.fromPartial({
        subject: 'eve',
        vo: 'alpha',
        group: 'users',
        roles: [UserRole.ADMIN],
      })
      return refused(world, OperateServiceService.createToken, [request], { token: world.tokens.eve })
    },
    code: 'forbidden',
    text: /^createToken is not for this caller$/,
  },
  {
    name: 'a user who wants to drain a VM of others',
    attempt: (world) =>
      refused(world, OperateServiceService.drainVm, [{ vmId: world.first.vmId, reason: '' }], { token: world.tokens.eve }),
    code: 'forbidden',
    text: /^drainVm is not for this caller$/,
  },
]

function wrongQuery<Request, Response>(
  name: string,
  method: Method<Request, Response>,
  request: Request,
  expected: Pick<Case, 'text' | 'violations'>,
): Case {
  return {
    name,
    attempt: (world) => refused(world, method, [request], { token: world.tokens.admin }),
    code: 'invalid-argument',
    ...expected,
  }
}

const steer = (jobIds: readonly number[]): SteerJobsRequest => SteerJobsRequest.fromPartial({ jobIds: [...jobIds] })

/** As the administrator, who may do everything that makes sense. */
const queryCases: readonly Case[] = [
  wrongQuery('a kill of no job', JobServiceService.killJobs, steer([]), {
    text: /^0 job ids$/,
    violations: ['job_ids: out of range'],
  }),
  wrongQuery('a kill of 10 001 jobs', JobServiceService.killJobs, steer(Array.from({ length: 10_001 }, (_, at) => at + 1)), {
    text: /^10001 job ids$/,
    violations: ['job_ids: out of range'],
  }),
  wrongQuery('a kill of job 0', JobServiceService.killJobs, steer([1, 0]), {
    text: /not a job id/,
    violations: ['job_ids[1]: not a job id'],
  }),
  wrongQuery(
    'a list by a state that there is not',
    JobServiceService.listJobs,
    ListJobsRequest.fromPartial({ states: [JobState.DONE, 99 as JobState] }),
    {
      text: /^no job state 99$/,
      violations: ['states[1]: not a job state'],
    },
  ),
  wrongQuery(
    'a page of a million',
    OperateServiceService.listVms,
    ListVmsRequest.fromPartial({ ended: true, pageSize: 1_000_000 }),
    {
      text: /^a page of 1000000$/,
      violations: ['page_size: out of range'],
    },
  ),
  wrongQuery(
    'a page behind no token',
    JobServiceService.listJobs,
    ListJobsRequest.fromPartial({ pageToken: '../../etc/passwd' }),
    {
      text: /^not a page token of this listing$/,
      violations: ['page_token: not a page token'],
    },
  ),
  wrongQuery("a VM's history by no VM id", OperateServiceService.getVmHistory, { vmId: "x' or 1=1" }, { text: /^no VM id/ }),
  wrongQuery('a drain of no VM id', OperateServiceService.drainVm, { vmId: '', reason: '' }, { text: /^no VM id/ }),
  wrongQuery(
    'a token that is wrong everywhere',
    OperateServiceService.createToken,
    CreateTokenRequest.fromPartial({
      subject: 'a b',
      vo: '',
      group: 'users',
      roles: [99 as UserRole],
      lifetime: { seconds: 31 * 86_400 },
    }),
    {
      text: /^no token was issued$/,
      violations: ['subject: not a name', 'vo: not a name', 'roles[0]: not a role', 'lifetime: too long'],
    },
  ),
]

/** A VM is no user, whatever it asks for. */
const vmAsUserCases: readonly Case[] = [
  vmAsUser('submitJobs', JobServiceService.submitJobs, { jobs: [jobOf('true')], idempotencyKey: '' }),
  vmAsUser('listJobs', JobServiceService.listJobs, ListJobsRequest.fromPartial({})),
  vmAsUser('killJobs', JobServiceService.killJobs, steer([1])),
  vmAsUser('getOutput', JobServiceService.getOutput, GetOutputRequest.fromPartial({ jobId: 1 })),
  vmAsUser('listVms', OperateServiceService.listVms, ListVmsRequest.fromPartial({})),
  vmAsUser(
    'createToken',
    OperateServiceService.createToken,
    CreateTokenRequest.fromPartial({ subject: 'vm', vo: 'alpha', group: 'users' }),
  ),
]

function vmAsUser<Request, Response>(name: string, method: Method<Request, Response>, request: Request): Case {
  return {
    name: `a VM's credential for ${name}`,
    attempt: (world) => refused(world, method, [request], { token: world.first.credential }),
    code: 'forbidden',
    text: new RegExp(`^${name} is not for this caller$`),
  }
}

export const strangerCases: readonly Case[] = [...foreignCases, ...queryCases, ...vmAsUserCases]
