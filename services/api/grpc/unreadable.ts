/**
 * The refusal of bytes that are no message, or one with numbers that are too large. gRPC's own answer would be INTERNAL,
 * which says that the mistake is ours.
 */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { wrongFields } from '../../../core/kernel/violations.ts'
import { unsafeNumbers } from './unsafe-numbers.ts'

export type Encoded = {
  /** The full name of its type. */
  readonly message: string
  readonly bytes: Uint8Array
  /** How many elements of its repeated fields came in pieces before these bytes. */
  readonly before?: Readonly<Record<string, number>>
}

/** `invalid-argument`, unless the cause is a refusal of ours already. */
export function unreadable(cause: unknown, { message, bytes, before }: Encoded): PilotageError {
  if (cause instanceof PilotageError) return cause
  const violations = unsafeNumbers(message, bytes, before)
  if (violations.length > 0) return new PilotageError('invalid-argument', wrongFields(violations), { violations, cause })
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new PilotageError('invalid-argument', `the message cannot be read: ${reason.slice(0, 200)}`, { cause })
}
