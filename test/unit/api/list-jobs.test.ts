/** Pages of jobs, as a client with gRPC's own limit of 4 MiB reads them: filters hold, whatever selects the jobs. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import {
  Job,
  JobServiceService,
  JobState,
  ListJobsRequest,
  type ListJobsResponse,
} from '../../../proto/gen/pilotage/v1/job.ts'
import { fittingMessage } from '../../../services/api/grpc/encode.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { activeVm, alice, sampleResult, sampleSpec } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

const hour = 60 * 60 * 1000
const bytesOfClients = 4 * 1024 * 1024
/** The longest that a pilot may say of an end, in characters that take three bytes each. */
const detail = '\u20ac'.repeat(8000)
const count = 600
const vmId = 'vm-listedaaaa' as VmId

let api: ApiInParts
let token: string
let ids: readonly JobId[]

beforeAll(async () => {
  api = await startApiInParts()
  token = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
  const nowMs = api.queue.clock.nowMs()
  await api.store.intend(activeVm('listed', { endByMs: nowMs + hour, cores: 1000 }), nowMs)
  const submitted = async (owner: typeof alice, jobs: number): Promise<readonly JobId[]> =>
    (await submit(api.queue, { owner, jobs: Array.from({ length: jobs }, () => sampleSpec()), idempotencyKey: '' })).jobIds
  ids = await submitted(alice, count)
  const ended = ids.slice(0, count / 2)
  const claims = ended.map((jobId) => ({ kind: 'claim', jobId, vmId, cores: 1, untilMs: nowMs + hour }) as const)
  const result = sampleResult({ detail })
  for (let at = 0; at < ended.length; at += 100) {
    await api.store.change(claims.slice(at, at + 100), nowMs)
    const ends = ended.slice(at, at + 100).map((jobId) => ({ kind: 'ended', jobId, attempt: 1, vmId, result }) as const)
    await api.store.change(ends, nowMs)
  }
  ids = [...ids, ...(await submitted({ ...alice, owner: 'carol' }, 1)), ...(await submitted({ ...alice, vo: 'belle' }, 1))]
})

afterAll(() => api.stop())

/** All pages, each of which has to fit a client's message. */
async function pages(asked: Partial<ListJobsRequest>): Promise<readonly ListJobsResponse[]> {
  const read: ListJobsResponse[] = []
  let pageToken = ''
  do {
    const request = ListJobsRequest.fromPartial({ ...asked, pageToken })
    const { responses, messages, error } = await api.raw.call(JobServiceService.listJobs, [request], { token })
    if (error) throw Object.assign(new Error(error.text), error)
    expect(messages[0]?.length).toBeLessThan(bytesOfClients)
    const [response] = responses as ListJobsResponse[]
    if (response) read.push(response)
    pageToken = response?.nextPageToken ?? ''
  } while (pageToken !== '' && read.length < 1000)
  return read
}

const idsOf = (read: readonly ListJobsResponse[]) => read.flatMap(({ jobs }) => jobs.map(({ jobId }) => jobId))

describe('pages of jobs', () => {
  it('by their ids fit every client, and name each job that the caller sees once, in the order of the ids', async () => {
    const read = await pages({ jobIds: [...ids, ...ids.slice(0, 3), 1_000_000], pageSize: 1000 })
    expect(read.length).toBeGreaterThan(1)
    expect(idsOf(read)).toEqual(ids.slice(0, -1))
  })

  it('by filter fit every client, newest first', async () => {
    const read = await pages({ pageSize: 1000 })
    expect(read.length).toBeGreaterThan(1)
    expect(idsOf(read)).toEqual(ids.slice(0, -1).toReversed())
  })

  it('by their ids have only what the other fields select', async () => {
    const jobIds = [...ids]
    const waiting = await pages({ jobIds, pageSize: 100, states: [JobState.WAITING] })
    expect(idsOf(waiting)).toEqual(ids.slice(count / 2, -1))
    expect(idsOf(await pages({ jobIds, owner: 'carol' }))).toEqual([ids.at(-2)])
    expect(idsOf(await pages({ jobIds, states: [JobState.KILLED] }))).toEqual([])
    await expect(pages({ jobIds, vo: 'belle' })).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('cover as many ids as the page size', async () => {
    const read = await pages({ jobIds: ids.slice(count / 2, count / 2 + 25), pageSize: 10 })
    expect(read.map(({ jobs }) => jobs.length)).toEqual([10, 10, 5])
  })

  it('have one job at least, however large it is', () => {
    const large = Job.fromPartial({ name: 'x'.repeat(bytesOfClients) })
    expect(fittingMessage([large, large])).toEqual({ fitting: [large], cutAt: 1 })
  })
})
