/**
 * Messages that are not decoded where grpc-js would: before a handler is called, in the turn of the event loop that brought
 * them.
 *
 * A large request is handed on empty: one caller can send hundreds of them in one turn, so the edge decodes them one after
 * the other, in their caller's turn.
 *
 * For bytes that are no message gRPC's own answer would be INTERNAL, which says that the mistake is ours. They are handed on
 * as a message that refuses to be looked at: the caller is identified and authorized as ever, and the first look at a field
 * throws `invalid-argument`, which the edge maps as every other refusal.
 */

import { messageBytes } from '../../../core/kernel/limits.ts'
import { contractTypes } from './descriptors.ts'
import { cutSubmission } from './encoded-submission.ts'
import { unreadable } from './unreadable.ts'

/** They may be larger than all others: their handlers decode them piece by piece. */
const submissions: ReadonlySet<string> = new Set(['submitJobs', 'submitJobStream'])

type Method = {
  readonly path: string
  readonly requestStream: boolean
  readonly requestDeserialize: (bytes: Buffer) => unknown
}

/** What is to be done with requests that were handed on undecoded. */
const decoders = new WeakMap<object, () => unknown>()

/** How to decode a large request; undefined: it is decoded. Throws nothing: what is no message refuses to be looked at. */
export function decoderOf(request: unknown): (() => unknown) | undefined {
  return decoders.get(request as object)
}

/** The same service, whose requests can always be handed on. */
export function readable<Definition extends Readonly<Record<string, Method>>>(definition: Definition): Definition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const isSubmission = submissions.has(name)
    const decode = (bytes: Buffer): unknown => {
      try {
        return isSubmission ? cutSubmission(bytes) : method.requestDeserialize(bytes)
      } catch (cause) {
        return refusing(unreadable(cause, { message: requestOf(method.path), bytes }))
      }
    }
    // Messages of a stream are read one at a time, at the pace of their handler.
    const waits = (bytes: Buffer): boolean => !isSubmission && !method.requestStream && bytes.length > messageBytes.small
    const requestDeserialize = (bytes: Buffer): unknown => {
      if (!waits(bytes)) return decode(bytes)
      const request = {}
      decoders.set(request, () => decode(bytes))
      return request
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods) as Definition
}

/** The type of a method's requests; empty: it is not of the contract. */
function requestOf(path: string): string {
  const [, service = '', name] = path.split('/')
  return (
    contractTypes()
      .getService(service)
      ?.methods.find((method) => method.name === name)?.input.typeName ?? ''
  )
}

function refusing(error: Error): object {
  const refuse = (): never => {
    throw error
  }
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse })
}
