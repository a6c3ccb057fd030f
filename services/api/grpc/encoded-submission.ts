/**
 * A SubmitJobsRequest on its way in: cut into pieces of some hundred jobs where it comes in, decoded piece by piece where it
 * is handled, with a turn of the event loop in between. Ten thousand jobs take 30 ms to decode, which no other caller waits
 * for.
 *
 * Each piece is a message of its own: protobuf lays repeated fields one behind the other. What cannot be decoded is refused
 * as it would be whole.
 */

import { type Clock, nextTurn } from '../../../core/kernel/clock.ts'
import { jobsPerTurn } from '../../../core/kernel/limits.ts'
import { SubmitJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { checkSubmission, cutMessage } from './message-elements.ts'
import { unreadable } from './unreadable.ts'

const submission = 'pilotage.v1.SubmitJobsRequest'

export type EncodedSubmission = { readonly pieces: readonly Uint8Array[] }

/** Throws `too-large`. */
export function cutSubmission(bytes: Uint8Array): EncodedSubmission {
  checkSubmission(bytes)
  return { pieces: cutMessage(bytes, jobsPerTurn) }
}

/** Throws `invalid-argument`. */
export async function decodeSubmission(clock: Clock, { pieces }: EncodedSubmission): Promise<SubmitJobsRequest> {
  const jobs: SubmitJobsRequest['jobs'] = []
  let idempotencyKey = ''
  for (const [at, piece] of pieces.entries()) {
    if (at > 0) await nextTurn(clock)
    const part = decoded(piece, jobs.length)
    jobs.push(...part.jobs)
    // As in one message: the last one that is given holds.
    if (part.idempotencyKey !== '') idempotencyKey = part.idempotencyKey
  }
  return { jobs, idempotencyKey }
}

function decoded(piece: Uint8Array, jobsBefore: number): SubmitJobsRequest {
  try {
    return SubmitJobsRequest.decode(piece)
  } catch (cause) {
    throw unreadable(cause, { message: submission, bytes: piece, before: { jobs: jobsBefore } })
  }
}
