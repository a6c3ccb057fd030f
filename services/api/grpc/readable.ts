/**
 * What to do with bytes that are no message, or one that is not worth decoding: gRPC's own answer would be INTERNAL, which says
 * that the mistake is ours.
 *
 * Decoding happens before anybody knows who calls. So a message that cannot be decoded is handed on as one that refuses to be
 * looked at: the caller is identified and authorized as ever, and the first look at a field throws `invalid-argument`, which
 * the edge maps as every other refusal.
 */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { checkSubmission } from './message-elements.ts'

const submissions: ReadonlySet<string> = new Set(['submitJobs', 'submitJobStream'])

type Methods = Readonly<Record<string, { readonly requestDeserialize: (bytes: Buffer) => unknown }>>

/** The same service, whose requests can always be decoded. */
export function readable<Definition extends Methods>(definition: Definition): Definition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        if (submissions.has(name)) checkSubmission(bytes)
        return method.requestDeserialize(bytes)
      } catch (cause) {
        return unreadable(cause)
      }
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods) as Definition
}

function unreadable(cause: unknown): object {
  const refuse = (): never => {
    if (cause instanceof PilotageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('invalid-argument', `the message cannot be read: ${reason.slice(0, 200)}`, { cause })
  }
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse })
}
