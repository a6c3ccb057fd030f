/** Elements of a message, counted on its bytes as the decoder would find them. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jobsPerCall, submissionElements } from '../../../core/kernel/limits.ts'
import { JobServiceService, JobSpec, SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { checkSubmission, countElements, submissionShape } from '../../../services/api/grpc/message-elements.ts'
import { readable } from '../../../services/api/grpc/readable.ts'

const jobs = (specs: readonly JobSpec[]): Uint8Array =>
  SubmitJobsRequest.encode({ jobs: [...specs], idempotencyKey: 'key' }).finish()
const emptyJobs = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, () => Buffer.from([0x0a, 0])))
const refused = (bytes: Uint8Array): string => {
  try {
    checkSubmission(bytes)
    return ''
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('elements', () => {
  it('are as many as what was encoded', () => {
    const text = fc.string({ maxLength: 5 })
    const spec = fc.record({
      arguments: fc.array(text, { maxLength: 5 }),
      environment: fc.dictionary(fc.stringMatching(/^[A-Z]{1,4}$/), fc.string({ minLength: 1, maxLength: 5 }), {
        maxKeys: 5,
      }),
      tags: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 5 }),
    })
    fc.assert(
      fc.property(fc.array(spec, { maxLength: 5 }), (specs) => {
        const made = specs.map((one) =>
          JobSpec.fromPartial({
            executable: 'x',
            arguments: one.arguments,
            environment: one.environment,
            requirements: { cores: { min: 1, max: 2 }, tags: one.tags },
          }),
        )
        // A job, its executable, its requirements, its cores with both numbers; an entry of the environment has two fields.
        const expected = specs.reduce(
          (total, one) => total + 6 + one.arguments.length + 3 * Object.keys(one.environment).length + one.tags.length,
          1,
        )
        expect(countElements(jobs(made), submissionShape, 10_000)).toBe(expected)
      }),
    )
  })

  it('of any bytes end the count, at the bound at the latest', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const counted = countElements(bytes, submissionShape, 20)
        expect(counted).toBeGreaterThanOrEqual(0)
        expect(counted).toBeLessThanOrEqual(21)
      }),
    )
  })
})

describe('a submission', () => {
  it('of as many jobs as one call may have is decoded, and one of a job more is not', () => {
    expect(refused(emptyJobs(jobsPerCall))).toBe('')
    expect(refused(emptyJobs(jobsPerCall + 2))).toBe('too-large')
  })

  it('of one job with millions of empty arguments is not decoded', () => {
    const args = Buffer.alloc(2 * (submissionElements + 1), Buffer.from([0x1a, 0]))
    const length = Buffer.from([0x0a, 0, 0, 0, 0])
    // Its length as a varint of four bytes.
    for (let at = 0, rest = args.length; at < 4; at += 1, rest = Math.floor(rest / 128)) {
      length[at + 1] = (rest % 128) | (at < 3 ? 0x80 : 0)
    }
    expect(refused(Buffer.concat([length, args]))).toBe('too-large')
  })

  it('hides nothing behind a group, which the decoder skips', () => {
    const group = Buffer.from([0x1b, 0x1c])
    expect(refused(Buffer.concat([group, emptyJobs(jobsPerCall + 2)]))).toBe('too-large')
  })

  it('that is refused reaches the handler as a message whose every field says so', () => {
    const { requestDeserialize } = readable(JobServiceService).submitJobs
    const request = requestDeserialize(emptyJobs(jobsPerCall + 2)) as SubmitJobsRequest
    expect(() => request.jobs).toThrow(/of more than 10000 jobs/)
    const other = readable(JobServiceService).listJobs.requestDeserialize(Buffer.alloc(0))
    expect(other).toMatchObject({ jobIds: [] })
  })
})
