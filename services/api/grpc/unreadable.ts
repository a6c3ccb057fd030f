/**
 * The refusal of bytes that are no message. gRPC's own answer would be INTERNAL, which says that the mistake is ours.
 */

import { PilotageError } from '../../../core/kernel/errors.ts'

/** `invalid-argument`, unless the cause is a refusal of ours already. */
export function unreadable(cause: unknown): PilotageError {
  if (cause instanceof PilotageError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PilotageError('invalid-argument', `the message cannot be read: ${reason.slice(0, 200)}`, { cause })
}
