/**
 * A stream of submissions of any length, in windows that can be repeated.
 *
 * If a stream breaks, it is unknown which parts were accepted, and the source cannot be read again. So the parts of one
 * window are kept until they are answered, and if the service was unreachable the whole window is sent again under its keys.
 * After a refusal the parts are sent one by one under the same keys: the answers show exactly which ones were accepted.
 */

import type { ServiceError } from '@grpc/grpc-js'
import { PilotageError } from '../core/kernel/errors.ts'
import { warningOfWire } from '../proto/codec/jobs.ts'
import type {
  JobServiceClient,
  JobSpec,
  SubmitJobsRequest,
  SubmitJobsResponse,
  SubmitJobStreamResponse,
} from '../proto/gen/pilotage/v1/job.ts'
import { type Caller, callUnary, credential, patiently, type Unary } from './calls.ts'
import type { Warning } from './jobs.ts'
import { refusal } from './refusals.ts'
import { type PartLimits, parts } from './submission.ts'

export type PartAnswer = {
  /** In the order of the jobs. */
  readonly jobIds: readonly number[]
  readonly warnings: readonly Warning[]
  /** The service knew the key: this is the first answer again. */
  readonly repeatedAnswer: boolean
  /** Position of its first job among all that were submitted. */
  readonly firstIndex: number
  readonly key: string
}

/** Small parts, so that a refusal names a small neighbourhood; one window is what memory holds. */
const partLimits: PartLimits = { jobs: 1000, bytes: 1024 * 1024 }
const windowParts = 8
const windowDeadlineMs = 120_000
const submitDeadlineMs = 60_000

/** Yields an answer a part, in order. Throws at the first refusal, with what was accepted before it already yielded. */
export async function* submitInWindows(
  caller: Caller,
  client: () => JobServiceClient,
  jobs: Iterable<JobSpec> | AsyncIterable<JobSpec>,
  key: string,
): AsyncGenerator<PartAnswer, void, undefined> {
  let window: SubmitJobsRequest[] = []
  let firstIndex = 0
  for await (const part of parts(jobs, key, partLimits)) {
    window.push(part)
    if (window.length < windowParts) continue
    for await (const answer of submitWindow(caller, client, window, firstIndex)) {
      yield answer
      firstIndex += answer.jobIds.length
    }
    window = []
  }
  if (window.length > 0) yield* submitWindow(caller, client, window, firstIndex)
}

/** One part as a call of its own. Its violations name each job by its position among all. */
export async function submitPart(
  caller: Caller,
  client: () => JobServiceClient,
  part: SubmitJobsRequest,
  firstIndex: number,
): Promise<PartAnswer> {
  const policy = { doing: 'submitting jobs', deadlineMs: submitDeadlineMs, repeatable: true }
  try {
    const answer = await callUnary(caller, () => submitJobs(client()), part, policy)
    return placed(answer, part, firstIndex)
  } catch (thrown) {
    throw atIndex(refusal(thrown, policy.doing, caller.signal), firstIndex)
  }
}

function submitJobs(client: JobServiceClient): Unary<SubmitJobsRequest, SubmitJobsResponse> {
  return client.submitJobs.bind(client)
}

async function* submitWindow(
  caller: Caller,
  client: () => JobServiceClient,
  window: readonly SubmitJobsRequest[],
  windowIndex: number,
): AsyncGenerator<PartAnswer, void, undefined> {
  let firstIndex = windowIndex
  const answers = await sendWindow(caller, client, window).catch((thrown: unknown) => {
    const error = refusal(thrown, 'submitting a stream of jobs', caller.signal)
    if (error.code === 'cancelled' || error.code === 'unauthenticated') throw error
    return undefined
  })
  for (const [index, part] of window.entries()) {
    const windowAnswer = answers?.[index]
    const answer = windowAnswer ? placed(windowAnswer, part, firstIndex) : await submitPart(caller, client, part, firstIndex)
    yield answer
    firstIndex += answer.jobIds.length
  }
}

function sendWindow(
  caller: Caller,
  client: () => JobServiceClient,
  window: readonly SubmitJobsRequest[],
): Promise<readonly SubmitJobsResponse[]> {
  return patiently(caller, 'submitting a stream of jobs', async () => {
    if (caller.signal?.aborted) throw new PilotageError('cancelled', 'submitting a stream of jobs: stopped')
    const deadline = caller.clock.nowMs() + windowDeadlineMs
    const answered = Promise.withResolvers<SubmitJobStreamResponse>()
    const stream = client().submitJobStream(
      credential(caller),
      { deadline },
      (error: ServiceError | null, response: SubmitJobStreamResponse) =>
        error ? answered.reject(error) : answered.resolve(response),
    )
    const abort = (): void => stream.cancel()
    caller.signal?.addEventListener('abort', abort, { once: true })
    try {
      for (const part of window) {
        // A call that is over takes no more: its answer ends the wait for room.
        await Promise.race([new Promise<void>((resolve) => stream.write(part, () => resolve())), answered.promise])
      }
      stream.end()
      return (await answered.promise).answers
    } finally {
      caller.signal?.removeEventListener('abort', abort)
    }
  })
}

function placed(answer: SubmitJobsResponse, part: SubmitJobsRequest, firstIndex: number): PartAnswer {
  const warnings = answer.warnings.map((warning) => ({
    ...warningOfWire(warning),
    indexes: warning.indexes.map((index) => index + firstIndex),
  }))
  return { ...answer, warnings, firstIndex, key: part.idempotencyKey }
}

/** The service counts within a part; the caller counts all jobs. */
function atIndex(error: PilotageError, firstIndex: number): PilotageError {
  if (firstIndex === 0) return error
  const shift = (path: string): string => path.replace(/^jobs\[(\d+)\]/, (_, index) => `jobs[${Number(index) + firstIndex}]`)
  const violations = error.violations.map((violation) => ({ ...violation, path: shift(violation.path) }))
  const message = `${error.message} (the ${firstIndex} jobs before were accepted)`
  return Object.assign(error, { violations, message })
}
