/** What failed on the way to the service, as one of our errors without a secret in it. */

import { type ServiceError, status } from '@grpc/grpc-js'
import { type ErrorCode, PilotageError } from '../../core/kernel/errors.ts'
import { refusalKey, refusalOfBytes } from '../../proto/codec/refusals.ts'

/** Any other status means that the service is unreachable. A service that stops ends its calls as CANCELLED. */
const codes: ReadonlyMap<status, ErrorCode> = new Map([
  [status.INVALID_ARGUMENT, 'invalid-argument'],
  [status.NOT_FOUND, 'not-found'],
  [status.ALREADY_EXISTS, 'conflict'],
  [status.ABORTED, 'conflict'],
  [status.FAILED_PRECONDITION, 'conflict'],
  [status.UNAUTHENTICATED, 'unauthenticated'],
  [status.PERMISSION_DENIED, 'forbidden'],
  [status.RESOURCE_EXHAUSTED, 'overloaded'],
  [status.INTERNAL, 'internal'],
])

export function asUplinkError(error: ServiceError, doing: string): PilotageError {
  const code = limitOf(error) ?? codes.get(error.code) ?? 'unavailable'
  return new PilotageError(code, `${doing}: ${error.details || error.message}`, { cause: error })
}

/**
 * A limit that repeating does not move has the status of a service that is busy: the refusal's own code says which it is.
 */
function limitOf({ code, metadata }: ServiceError): ErrorCode | undefined {
  if (code !== status.RESOURCE_EXHAUSTED) return undefined
  const bytes = metadata?.get(refusalKey)[0]
  const said = Buffer.isBuffer(bytes) ? refusalOfBytes(bytes)?.code : undefined
  return said === 'too-large' || said === 'quota-exceeded' ? said : undefined
}
