/** What was submitted comes back over the wire: whole, with the defaults filled in, and as a submission of its own. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { JobServiceService, JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

let api: ApiInParts
let token: string
beforeAll(async () => {
  api = await startApiInParts()
  token = await api.tokenFor({ kind: 'user', owner: { vo: 'lhcb', group: 'users', owner: 'ada' }, roles: ['user'] })
})
afterAll(() => api.stop())

const given = JobSpec.fromPartial({
  executable: '/opt/render',
  arguments: ['--frame', '17', 'a\nb\u001b'],
  environment: { SCENE: 'a b', EMPTY: '' },
  requirements: {
    cores: { min: 2, max: 8 },
    memoryBytes: 1_500_000_000,
    sites: { allowed: ['cern'], banned: ['ral'] },
    tags: ['gpu'],
  },
  priority: 3,
})

async function submit(...jobs: readonly JobSpec[]): Promise<readonly number[]> {
  const { responses } = await api.raw.call(JobServiceService.submitJobs, [{ jobs: [...jobs], idempotencyKey: '' }], {
    token,
  })
  return responses[0]?.jobIds ?? []
}

async function specOf(jobId: number) {
  const { responses, error } = await api.raw.call(JobServiceService.getJobSpec, [{ jobId }], { token })
  return { spec: responses[0]?.spec, error }
}

it('is what was submitted, and can be submitted again as it is', async () => {
  const [first = 0] = await submit(given)
  const { spec = JobSpec.fromPartial({}) } = await specOf(first)
  expect(spec).toMatchObject({
    name: 'render',
    executable: given.executable,
    arguments: given.arguments,
    environment: given.environment,
    priority: 3,
    maxAttempts: 3,
    requirements: {
      ...given.requirements,
      diskBytes: 2 * 1024 ** 3,
      wallMs: 24 * 60 * 60 * 1000,
      clouds: { allowed: [], banned: [] },
    },
  })
  const [again = 0] = await submit(spec)
  expect(again).toBe(first + 1)
  expect((await specOf(again)).spec).toEqual(spec)
})

it('is refused by name for a job that there is not, and for a wrong id', async () => {
  expect((await specOf(999)).error).toMatchObject({ code: 'not-found', text: 'no job 999' })
  expect((await specOf(0)).error).toMatchObject({ code: 'invalid-argument', violations: [{ path: 'job_id' }] })
})
