/** A stream of submissions that is refused: it says which of its messages is wrong, and the ids before it are not lost. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { JobServiceService, JobSpec, type SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

let api: ApiInParts
let token: string
beforeAll(async () => {
  api = await startApiInParts()
  token = await api.tokenFor({ kind: 'user', owner: { vo: 'lhcb', group: 'users', owner: 'ada' }, roles: ['user'] })
})
afterAll(() => api.stop())

const good = JobSpec.fromPartial({ executable: 'true' })
const bad = JobSpec.fromPartial({ executable: 'true', maxAttempts: 99 })
const message = (...jobs: readonly JobSpec[]): SubmitJobsRequest => ({ jobs: [...jobs], idempotencyKey: '' })

async function stream(...messages: readonly SubmitJobsRequest[]) {
  const { error } = await api.raw.call(JobServiceService.submitJobStream, messages, { token })
  return error
}

/** The id that the next job will have. */
async function nextId(): Promise<number> {
  const { responses } = await api.raw.call(JobServiceService.submitJobs, [message(good)], { token })
  return (responses[0]?.jobIds[0] ?? 0) + 1
}

it('names the message that is wrong, and what was accepted before it', async () => {
  const first = await nextId()
  const error = await stream(message(good, good, good), message(good), message(good, bad))
  expect(error?.text).toBe('messages[2]: one field is wrong: jobs[1].max_attempts: out of range')
  expect(error?.violations.map(({ path }) => path)).toEqual(['messages[2].jobs[1].max_attempts'])
  expect(error?.notes).toEqual({ acceptedMessages: '2', acceptedJobIds: `${first}-${first + 3}` })
})

it('says that nothing was accepted if the first message is wrong', async () => {
  const error = await stream(message(bad), message(good))
  expect(error?.violations.map(({ path }) => path)).toEqual(['messages[0].jobs[0].max_attempts'])
  expect(error?.notes).toEqual({ acceptedMessages: '0', acceptedJobIds: '' })
})

it('names a message that is refused for other reasons, and one that cannot be read', async () => {
  const key = { ...message(good), idempotencyKey: 'used' }
  const first = await nextId()
  const conflict = await stream(key, { ...message(good, good), idempotencyKey: 'used' })
  expect(conflict).toMatchObject({ code: 'conflict', text: expect.stringMatching(/^messages\[1\]: the idempotency key/) })
  expect(conflict?.notes).toEqual({ acceptedMessages: '1', acceptedJobIds: String(first) })

  const { requestSerialize, path } = JobServiceService.submitJobStream
  const broken = [requestSerialize(key), Buffer.from([0x0a, 0x7f, 1])]
  const { error } = await api.raw.bytes(path, broken, { token })
  expect(error).toMatchObject({
    code: 'invalid-argument',
    text: expect.stringMatching(/^messages\[1\]: the message cannot/),
  })
  expect(error?.notes?.acceptedJobIds).toBe(String(first))
})

it('says how many ids it leaves out where they are too many for a refusal', async () => {
  const keyed = Array.from({ length: 400 }, (_, at) => ({ ...message(good), idempotencyKey: `many-${at}` }))
  for (const one of keyed) {
    // Another job between any two: their ids are no range.
    await api.raw.call(JobServiceService.submitJobs, [one], { token })
    await api.raw.call(JobServiceService.submitJobs, [message(good)], { token })
  }
  const error = await stream(...keyed, message(bad))
  const { acceptedMessages, acceptedJobIds = '', unsaidJobIds } = error?.notes ?? {}
  expect(acceptedMessages).toBe('400')
  expect(acceptedJobIds.length).toBeLessThan(1010)
  expect(acceptedJobIds.split(',').length + Number(unsaidJobIds)).toBe(400)
})
