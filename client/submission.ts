/**
 * A submission in parts: any number of jobs, cut into calls that the service takes, each with a key of its own.
 *
 * The cut and the keys depend on nothing but the jobs and the caller's key: the same submission again is the same calls
 * again, and the service answers each as it did the first time. The first part carries the caller's key itself, so that the
 * same key with other jobs is refused at once.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import { idempotencyKeyLength, jobsPerCall, requestBytes } from '../core/kernel/limits.ts'
import { JobSpec, type SubmitJobsRequest } from '../proto/gen/pilotage/v1/job.ts'

export type PartLimits = { readonly jobs: number; readonly bytes: number }

/** Room for the key and the message's own framing. */
const framingBytes = 1024
/** A job's tag and length on the wire, at most. */
const jobFramingBytes = 6

export const callLimits: PartLimits = { jobs: jobsPerCall, bytes: requestBytes - framingBytes }

export function partKey(key: string, part: number): string {
  const text = part === 0 ? key : `${key}.${part}`
  if (key !== '' && text.length <= idempotencyKeyLength) return text
  throw new PilotageError('invalid-argument', 'the idempotency key does not fit', {
    violations: [
      {
        path: 'idempotency_key',
        value: key.slice(0, 100),
        rule: `1 to ${idempotencyKeyLength} characters, the number of the part included`,
        accepted: `a text of 1 to ${idempotencyKeyLength - (text.length - key.length)} characters`,
      },
    ],
  })
}

/**
 * Never keeps more than one part: the jobs may be endless. Throws `too-large` for a job that fits in no part, and
 * where jobs that name each other in `after` do not fit in the first.
 */
export async function* parts(
  jobs: Iterable<JobSpec> | AsyncIterable<JobSpec>,
  key: string,
  limits: PartLimits,
): AsyncGenerator<SubmitJobsRequest, void, undefined> {
  let batch: JobSpec[] = []
  let bytes = 0
  let part = 0
  let index = 0
  let namesOthers = false
  for await (const job of jobs) {
    const jobBytes = JobSpec.encode(job).finish().length + jobFramingBytes
    if (jobBytes > limits.bytes) throw tooLarge(index, jobBytes, limits)
    const isFull = batch.length === limits.jobs || bytes + jobBytes > limits.bytes
    namesOthers ||= job.after.some(({ jobId }) => jobId === undefined)
    if (namesOthers && (isFull || part > 0)) throw notInOneCall(limits)
    if (isFull) {
      yield { jobs: batch, idempotencyKey: partKey(key, part) }
      part += 1
      batch = []
      bytes = 0
    }
    batch.push(job)
    bytes += jobBytes
    index += 1
  }
  if (batch.length > 0) yield { jobs: batch, idempotencyKey: partKey(key, part) }
}

/** Names and positions mean jobs of the same call. */
function notInOneCall({ jobs, bytes }: PartLimits): PilotageError {
  return new PilotageError('too-large', 'jobs that wait for each other do not fit in one call', {
    violations: [
      {
        path: 'jobs',
        value: `more than ${jobs} jobs or ${bytes} bytes`,
        rule: 'too many for names and positions in after',
        accepted: `at most ${jobs} jobs and ${bytes} bytes; or several submissions, with job ids in after`,
      },
    ],
  })
}

function tooLarge(index: number, bytes: number, limits: PartLimits): PilotageError {
  return new PilotageError('too-large', `job ${index + 1} is too large for any call`, {
    violations: [
      {
        path: `jobs[${index}]`,
        value: `${bytes} bytes`,
        rule: 'a job fits in one call',
        accepted: `at most ${limits.bytes} bytes`,
      },
    ],
  })
}
