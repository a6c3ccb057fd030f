/** A watch says of each id that it knows no such job, and ends with not-found where it knows none. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { JobServiceService, WatchJobsRequest, type WatchJobsResponse } from '../../../proto/gen/pilotage/v1/job.ts'
import { connectPilotage } from '../../../client/pilotage-client.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { alice, sampleSpec } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

let api: ApiInParts
let token: string
let own: JobId
let foreign: JobId

beforeAll(async () => {
  api = await startApiInParts()
  token = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
  const one = async (owner: typeof alice) =>
    (await submit(api.queue, { owner, jobs: [sampleSpec()], idempotencyKey: '' })).jobIds[0] as JobId
  own = await one(alice)
  foreign = await one({ ...alice, vo: 'belle' })
  await api.store.change([{ kind: 'kill', jobId: own, by: 'alice', why: '' }], api.queue.clock.nowMs())
})

afterAll(() => api.stop())

async function watched(...jobIds: number[]) {
  const request = WatchJobsRequest.fromPartial({ jobIds })
  const { responses, error } = await api.raw.call(JobServiceService.watchJobs, [request], { token })
  const all = responses as WatchJobsResponse[]
  return {
    jobs: all.flatMap(({ jobs }) => jobs.map(({ jobId }) => jobId)),
    notFound: all.flatMap(({ notFound }) => notFound).toSorted((a, b) => a - b),
    code: error?.code,
  }
}

it('names the ids that it does not know, those of other VOs among them', async () => {
  expect(await watched(own, foreign, 99)).toEqual({ jobs: [own], notFound: [foreign, 99], code: undefined })
})

it('ends with not-found where it knows none', async () => {
  expect(await watched(99, foreign)).toEqual({ jobs: [], notFound: [foreign, 99], code: 'not-found' })
})

it('is followed to its end by a client, which then says what was not found', async () => {
  const client = connectPilotage({ server: api.server, token })
  const seen: number[] = []
  const watching = async (): Promise<void> => {
    for await (const { jobId } of client.watch([own, 99])) seen.push(jobId)
  }
  await expect(watching()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('99') })
  expect(seen).toEqual([own])
  client.close()
})
