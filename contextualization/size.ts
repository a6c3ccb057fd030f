/**
 * Whether a document fits what a cloud takes as user data, counted as that cloud counts. The limits themselves are a trait
 * of each driver; how a driver sends a document is its own, and the same by which it is counted here.
 */

import { gzipSync } from 'node:zlib'
import { PilotageError } from '../core/kernel/errors.ts'
import type { UserDataLimit } from '../core/model/cloud.ts'

/** `bytes` of `maxBytes`, in the form in which they are sent. */
export type ContextSize = { readonly bytes: number; readonly maxBytes: number; readonly form: string }

export function sizeAt({ maxBytes, counted }: UserDataLimit, text: string): ContextSize {
  const plainBytes = Buffer.byteLength(text)
  if (counted === 'base64') return { bytes: Math.ceil(plainBytes / 3) * 4, maxBytes, form: 'in base64' }
  if (counted === 'plain' || plainBytes <= maxBytes) return { bytes: plainBytes, maxBytes, form: 'as it is' }
  return { bytes: gzipSync(text, { level: 9 }).length, maxBytes, form: 'compressed' }
}

export function sizeText({ bytes, maxBytes, form }: ContextSize): string {
  return `${bytes} bytes ${form}, of ${maxBytes} that it takes`
}

/** The text itself. `carrier`: what takes it, for the error. Throws `invalid-argument`. */
export function fitting(carrier: string, limit: UserDataLimit, text: string): string {
  const size = sizeAt(limit, text)
  if (size.bytes <= size.maxBytes) return text
  throw new PilotageError('invalid-argument', `rendering a context: too large for ${carrier}: ${sizeText(size)}`)
}
