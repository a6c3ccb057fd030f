/**
 * Refusals: what came back from a call that did not succeed, as one of our errors.
 *
 * The service puts a google.rpc.Status in the trailing metadata of every refusal; where it is missing (the connection
 * failed, a proxy answered) the gRPC status decides the code. The cause stays attached. Nothing here decides what to do
 * next, except to say whether asking again can help.
 */

import { type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { asPilotageError, type ErrorCode, errorCodes, PilotageError } from '../core/kernel/errors.ts'
import { type RefusalDetail, refusalKey, refusalOfBytes } from '../proto/codec/refusals.ts'

/** `signal`: by which the caller itself hangs up. */
export function refusal(thrown: unknown, doing: string, signal?: AbortSignal): PilotageError {
  if (thrown instanceof PilotageError || !isServiceError(thrown)) return asPilotageError(thrown, doing)
  const detail = detailOf(thrown.metadata)
  if (!detail) {
    const code = codeOfStatus(thrown)
    // A service that stops ends its calls, and gRPC reports that by the same status as a cancellation of our own.
    const isCut = code === 'cancelled' && signal?.aborted !== true
    const text = isCut ? 'the service ended the call' : thrown.details || thrown.message
    return new PilotageError(isCut ? 'unavailable' : code, `${doing}: ${text}`, { cause: thrown })
  }
  const { violations, violationCount, retryAfterMs, notes } = detail
  const left = violationCount - violations.length
  const text = left > 0 ? `${detail.text} (${left} more not shown)` : detail.text
  return new PilotageError(knownCode(detail.code) ?? codeOfStatus(thrown), `${doing}: ${text}`, {
    violations,
    retryAfterMs,
    notes,
    cause: thrown,
  })
}

/** The service was not there or had no room for now. Only for calls that may be repeated. */
export function worthRepeating(error: PilotageError): boolean {
  return error.code === 'unavailable' || (error.code === 'overloaded' && error.retryAfterMs > 0)
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown
}

function detailOf(metadata: Metadata | undefined): RefusalDetail | undefined {
  const bytes = metadata?.get(refusalKey)[0]
  return Buffer.isBuffer(bytes) ? refusalOfBytes(bytes) : undefined
}

function knownCode(code: string): ErrorCode | undefined {
  return errorCodes.find((known) => known === code)
}

function codeOfStatus({ code, details }: ServiceError): ErrorCode {
  switch (code) {
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
      return 'invalid-argument'
    case status.NOT_FOUND:
      return 'not-found'
    case status.ALREADY_EXISTS:
    case status.ABORTED:
    case status.FAILED_PRECONDITION:
      return 'conflict'
    case status.UNAUTHENTICATED:
      return 'unauthenticated'
    case status.PERMISSION_DENIED:
      return 'forbidden'
    case status.RESOURCE_EXHAUSTED:
      // gRPC itself refuses messages beyond the limit with this status.
      return /larger than/i.test(details) ? 'too-large' : 'overloaded'
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return 'unavailable'
    case status.CANCELLED:
      return 'cancelled'
    default:
      return 'internal'
  }
}
