import fc from 'fast-check'
import { expect, it } from 'vitest'
import { partKey, parts } from '../../../client/submission.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'

const collect = async (sizes: readonly number[], limits: { jobs: number; bytes: number }) => {
  const jobs = sizes.map((size, index) => JobSpec.fromPartial({ name: String(index), executable: 'x'.repeat(size) }))
  const made = []
  for await (const part of parts(jobs, 'key', limits)) made.push(part)
  return made
}

it('keeps every job once and in order, and every part within its limits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 60 })), fc.integer({ min: 1, max: 7 }), async (sizes, maxJobs) => {
      const limits = { jobs: maxJobs, bytes: 100 }
      const made = await collect(sizes, limits)
      expect(made.flatMap(({ jobs }) => jobs.map(({ name }) => Number(name)))).toEqual(sizes.map((_, index) => index))
      for (const { jobs } of made) {
        expect(jobs.length).toBeGreaterThan(0)
        expect(jobs.length).toBeLessThanOrEqual(maxJobs)
        expect(jobs.reduce((sum, job) => sum + JobSpec.encode(job).finish().length + 6, 0)).toBeLessThanOrEqual(limits.bytes)
      }
      expect(new Set(made.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(made.length)
    }),
  )
})

it('gives the first part the key itself', () => {
  expect([0, 1, 2].map((part) => partKey('key', part))).toEqual(['key', 'key.1', 'key.2'])
})

it.each([
  ['', 0],
  ['k'.repeat(129), 0],
  ['k'.repeat(127), 1],
])('refuses the key %j for part %i', (key, part) => {
  expect(() => partKey(key, part)).toThrow(/idempotency key/)
})

it('refuses a job that no call could carry', async () => {
  await expect(collect([10, 200], { jobs: 10, bytes: 100 })).rejects.toMatchObject({ code: 'too-large' })
})
