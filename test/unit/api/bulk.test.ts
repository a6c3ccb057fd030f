/** Calls that select jobs by a filter: what of a request is refused, and what becomes of work that its caller leaves. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { bulkLimits } from '../../../core/kernel/limits.ts'
import {
  BulkPriorityRequest,
  BulkSteerRequest,
  CountJobsRequest,
  JobAttribute,
  JobOrder,
  JobServiceService,
  ListJobsRequest,
  type ListJobsResponse,
} from '../../../proto/gen/pilotage/v1/job.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { alice, sampleSpec } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

let api: ApiInParts
let token: string
let client: PilotageClient

beforeAll(async () => {
  api = await startApiInParts()
  token = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
  client = connectPilotage({ server: api.server, token })
  const jobs = Array.from({ length: 4 * bulkLimits.slice }, () => sampleSpec({ jobGroup: 'bulk' }))
  await submit(api.queue, { owner: alice, jobs, idempotencyKey: '' })
})
afterAll(async () => {
  client.close()
  await api.stop()
})

const { bulkKillJobs, bulkSetPriority, countJobs, listJobs } = JobServiceService

describe('a selection of jobs', () => {
  it.each([
    [bulkKillJobs, BulkSteerRequest.fromPartial({}), 'job_ids'],
    [bulkKillJobs, BulkSteerRequest.fromPartial({ jobIds: [1], filter: {} }), 'job_ids'],
    [bulkKillJobs, BulkSteerRequest.fromPartial({ filter: { name: 'x'.repeat(129) } }), 'filter.name'],
    [bulkKillJobs, BulkSteerRequest.fromPartial({ filter: { states: [99 as never] } }), 'filter.states[0]'],
    [bulkSetPriority, BulkPriorityRequest.fromPartial({ jobs: { jobIds: [1] }, priority: 10 }), 'priority'],
    [countJobs, CountJobsRequest.fromPartial({}), 'by'],
    [countJobs, CountJobsRequest.fromPartial({ by: [JobAttribute.VO, JobAttribute.VO] }), 'by'],
    [countJobs, CountJobsRequest.fromPartial({ by: [JobAttribute.VO], maxRows: 1001 }), 'max_rows'],
    [listJobs, ListJobsRequest.fromPartial({ order: 9 as never }), 'order'],
  ] as const)('that is wrong is refused by the path of the field (%#)', async (method, request, path) => {
    const { error } = await api.raw.call(method as typeof listJobs, [request as ListJobsRequest], { token })
    expect(error?.text).toBeDefined()
    expect(JSON.stringify(error)).toContain(path)
  })

  it('goes on only in the order in which it began', async () => {
    const ask = async (order: JobOrder, pageToken: string) => {
      const request = ListJobsRequest.fromPartial({ order, pageToken, pageSize: 10 })
      return api.raw.call(listJobs, [request], { token })
    }
    for (const [order, other] of [
      [JobOrder.CHANGED_LAST, JobOrder.NEWEST],
      [JobOrder.NEWEST, JobOrder.CHANGED_FIRST],
    ] as const) {
      const { nextPageToken } = (await ask(order, '')).responses[0] as ListJobsResponse
      expect(nextPageToken).not.toBe('')
      expect((await ask(order, nextPageToken)).error).toBeUndefined()
      expect((await ask(other, nextPageToken)).error?.text).toContain('not a page token')
    }
  })
})

it('leaves the rest of the jobs as they are when the caller hangs up', async () => {
  for await (const { jobs } of client.steerMany('kill', { filter: { jobGroup: 'bulk' } })) if (jobs.length > 0) break
  const killed = async () => (await client.count(['state'], { filter: { states: ['Killed'] } })).jobs
  const soon = await killed()
  expect(soon).toBeGreaterThanOrEqual(bulkLimits.slice)
  // What was under way is done, and nothing else after it.
  for await (const { selected } of client.steerMany('kill', { filter: { jobGroup: 'bulk' } }, { dryRun: true })) {
    expect(selected).toBe(4 * bulkLimits.slice)
  }
  expect(await killed()).toBeLessThan(4 * bulkLimits.slice)
})
