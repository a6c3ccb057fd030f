/**
 * How a refusal travels over gRPC: the status of its code, and in the trailing metadata a google.rpc.Status with its
 * details.
 */

import { Metadata, status } from '@grpc/grpc-js'
import { asPilotageError, type ErrorCode, type PilotageError } from '../../../core/kernel/errors.ts'
import type { Log } from '../../../core/ports/log.ts'
import { refusalBytes, refusalKey } from '../../../proto/codec/refusals.ts'

const statusOf: Readonly<Record<ErrorCode, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  conflict: status.ALREADY_EXISTS,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  'too-large': status.RESOURCE_EXHAUSTED,
  overloaded: status.RESOURCE_EXHAUSTED,
  'quota-exceeded': status.RESOURCE_EXHAUSTED,
  unsupported: status.UNIMPLEMENTED,
  unavailable: status.UNAVAILABLE,
  cancelled: status.CANCELLED,
  'cloud-auth': status.FAILED_PRECONDITION,
  'cloud-quota': status.FAILED_PRECONDITION,
  'cloud-capacity': status.FAILED_PRECONDITION,
  'cloud-refused': status.FAILED_PRECONDITION,
  'cloud-gone': status.NOT_FOUND,
  'cloud-transient': status.UNAVAILABLE,
  'store-locked': status.UNAVAILABLE,
  'store-newer': status.FAILED_PRECONDITION,
  'store-failed': status.UNAVAILABLE,
  internal: status.INTERNAL,
}

export type Refusal = { readonly code: status; readonly details: string; readonly metadata: Metadata }

/** The refusal for what was thrown while `doing`; our own mistakes are logged. */
export function refusalOf(log: Log, doing: string, thrown: unknown): Refusal {
  const error = asPilotageError(thrown, doing)
  const fields = { method: doing, code: error.code, err: error }
  if (error.code === 'internal') log.error(fields, 'a call failed')
  else log.debug(fields, 'a call was refused')
  return { code: statusOf[error.code], details: detailsOf(error), metadata: trailer(error) }
}

/** What is said of an error of ours: an `internal` one stays inside, the log has it. */
function detailsOf(error: PilotageError): string {
  return error.code === 'internal' ? 'an error of the service; its log has the reason' : error.message
}

function trailer(error: PilotageError): Metadata {
  const { code, violations, retryAfterMs, notes } = error
  const detail = { code, text: detailsOf(error), violations, violationCount: violations.length, retryAfterMs, notes }
  const metadata = new Metadata()
  metadata.set(refusalKey, Buffer.from(refusalBytes(statusOf[code], detail)))
  return metadata
}
