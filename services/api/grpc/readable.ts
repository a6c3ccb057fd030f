/**
 * What to do with bytes that are no message, or one that is not worth decoding: gRPC's own answer would be INTERNAL, which says
 * that the mistake is ours.
 *
 * Decoding happens before anybody knows who calls. So a message that cannot be decoded is handed on as one that refuses to be
 * looked at: the caller is identified and authorized as ever, and the first look at a field throws `invalid-argument`, which
 * the edge maps as every other refusal.
 */

import { cutSubmission } from './encoded-submission.ts'
import { unreadable } from './unreadable.ts'

/** They may be large: their handlers decode them piece by piece. */
const submissions: ReadonlySet<string> = new Set(['submitJobs', 'submitJobStream'])

type Methods = Readonly<Record<string, { readonly requestDeserialize: (bytes: Buffer) => unknown }>>

/** The same service, whose requests can always be decoded. */
export function readable<Definition extends Methods>(definition: Definition): Definition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return submissions.has(name) ? cutSubmission(bytes) : method.requestDeserialize(bytes)
      } catch (cause) {
        return refusing(unreadable(cause))
      }
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods) as Definition
}

function refusing(error: Error): object {
  const refuse = (): never => {
    throw error
  }
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse })
}
