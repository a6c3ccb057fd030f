/**
 * Following what the service streams: the changes of jobs, and what a payload wrote.
 *
 * All go on after a loss of the service as if nothing had happened: a watch asks again for the jobs that have not ended,
 * an output skips what it has already given. A job may be yielded twice; a byte never is.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import { jobOfWire } from '../proto/codec/jobs.ts'
import type { GetOutputRequest, JobServiceClient, PeekOutputRequest } from '../proto/gen/pilotage/v1/job.ts'
import { type Caller, credential, messages, newPauses } from './calls.ts'
import type { Job } from './jobs.ts'

/** What one watch may name: the service's own bound. */
export const watchedAtOnce = 10_000

export function hasEnded({ state }: Pick<Job, 'state'>): boolean {
  return state === 'Done' || state === 'Failed' || state === 'Killed'
}

/** Throws `not-found` when all else has ended, if one of the jobs is not there. */
export async function* watchedJobs(
  caller: Caller,
  client: () => JobServiceClient,
  jobIds: readonly number[],
): AsyncGenerator<Job, void, undefined> {
  if (jobIds.length > watchedAtOnce) {
    const [rule, accepted] = ['at most 10 000 jobs a watch', `1 to ${watchedAtOnce} job ids`]
    const violations = [{ path: 'job_ids', value: `${jobIds.length} ids`, rule, accepted }]
    throw new PilotageError('too-large', 'too many jobs for one watch', { violations })
  }
  const open = new Set(jobIds)
  const missing: number[] = []
  const pauses = newPauses(caller, 'watching jobs')
  while (open.size > 0) {
    const endpoint = caller.turns.current()
    try {
      const stream = client().watchJobs({ jobIds: [...open] }, credential(caller))
      for await (const { jobs, notFound = [] } of messages(caller, stream)) {
        pauses.reset(endpoint)
        for (const id of notFound) if (open.delete(id)) missing.push(id)
        for (const job of jobs.map(jobOfWire)) {
          if (hasEnded(job)) open.delete(job.jobId)
          yield job
        }
        if (open.size === 0) break
      }
      // Also where the service closed the stream by itself: it has no more changes of these jobs.
      break
    } catch (thrown) {
      await pauses.after(thrown, endpoint)
    }
  }
  if (missing.length > 0) throw new PilotageError('not-found', `no job ${missing.slice(0, maxNamed).join(', ')}`)
}

/** Ids that an error names. */
const maxNamed = 10

export async function* outputPieces(
  caller: Caller,
  client: () => JobServiceClient,
  request: GetOutputRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pauses = newPauses(caller, 'reading the output')
  let given = 0
  for (;;) {
    const endpoint = caller.turns.current()
    let seen = 0
    try {
      for await (const { data } of messages(caller, client().getOutput(request, credential(caller)))) {
        pauses.reset(endpoint)
        const fresh = data.subarray(Math.max(0, given - seen))
        seen += data.length
        given = Math.max(given, seen)
        if (fresh.length > 0) yield fresh
      }
      return
    } catch (thrown) {
      await pauses.after(thrown, endpoint)
    }
  }
}

/** A piece of what an attempt wrote; one without data says that an attempt has begun. */
export type PeekedPiece = { readonly attempt: number; readonly offset: number; readonly data: Uint8Array }

export async function* peekedPieces(
  caller: Caller,
  client: () => JobServiceClient,
  request: PeekOutputRequest,
): AsyncGenerator<PeekedPiece, void, undefined> {
  const pauses = newPauses(caller, 'peeking at the output')
  let [attempt, offset] = [request.attempt, request.offset]
  for (;;) {
    const endpoint = caller.turns.current()
    try {
      const stream = client().peekOutput({ ...request, attempt, offset }, credential(caller))
      for await (const piece of messages(caller, stream)) {
        pauses.reset(endpoint)
        const isAgain = piece.data.length === 0 && piece.attempt === attempt && piece.offset === offset && offset > 0
        ;[attempt, offset] = [piece.attempt, piece.offset + piece.data.length]
        if (!isAgain) yield piece
      }
      return
    } catch (thrown) {
      await pauses.after(thrown, endpoint)
    }
  }
}
