/**
 * A refusal on the wire: google.rpc.Status with ErrorInfo, BadRequest and RetryInfo, as it stands in the trailing metadata
 * key `grpc-status-details-bin`.
 *
 * ErrorInfo's reason is a code of docs/errors.md. A FieldViolation has no fields for the value that was given and for what
 * is accepted: its description carries both, in a form that people read and that is read back exactly. Which status a code
 * has is not decided here.
 */

import type { Violation } from '../../core/kernel/errors.ts'
import type { Any } from '../gen/google/protobuf/any.ts'
import { BadRequest, ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.ts'
import { Status } from '../gen/google/rpc/status.ts'
import { durationMs, durationOf } from './times.ts'

export const refusalKey = 'grpc-status-details-bin'

export type RefusalDetail = {
  /** A line of docs/errors.md; of a newer service perhaps one that this version does not know. */
  readonly code: string
  readonly text: string
  readonly violations: readonly Violation[]
  /** All violations, with those that did not fit. */
  readonly violationCount: number
  /** 0: repeating does not help. */
  readonly retryAfterMs: number
  /** What else is to be known, by names; in ErrorInfo's metadata. Absent: nothing. */
  readonly notes?: Readonly<Record<string, string>>
}

/** HTTP/2 peers accept 8 KiB of metadata, and the key is written in base64. */
const maxBytes = 4500
const maxViolations = 100
const domain = 'pilotage'
const countKey = 'violations'

export function refusalBytes(status: number, detail: RefusalDetail): Uint8Array {
  let kept = detail.violations.slice(0, maxViolations)
  for (;;) {
    const bytes = Status.encode({ code: status, message: detail.text, details: detailsOf(detail, kept) }).finish()
    if (bytes.length <= maxBytes || kept.length <= 1) return bytes
    kept = kept.slice(0, Math.ceil(kept.length / 2))
  }
}

function detailsOf(detail: RefusalDetail, violations: readonly Violation[]): Any[] {
  const { code, violationCount, retryAfterMs, notes } = detail
  const metadata = { ...notes, ...(violationCount > 0 ? { [countKey]: String(violationCount) } : {}) }
  const details = [packed('ErrorInfo', ErrorInfo.encode({ reason: code, domain, metadata }).finish())]
  if (violations.length > 0) {
    const fieldViolations = violations.map((violation) => {
      return { field: violation.path, description: descriptionOf(violation), reason: '', localizedMessage: undefined }
    })
    details.push(packed('BadRequest', BadRequest.encode({ fieldViolations }).finish()))
  }
  if (retryAfterMs > 0) {
    details.push(packed('RetryInfo', RetryInfo.encode({ retryDelay: durationOf(retryAfterMs) }).finish()))
  }
  return details
}

/** Undefined for bytes that are no Status, and for a Status without an ErrorInfo of ours. */
export function refusalOfBytes(bytes: Uint8Array): RefusalDetail | undefined {
  try {
    const { message, details } = Status.decode(bytes)
    const info = unpacked(details, 'ErrorInfo', ErrorInfo.decode)
    if (info?.domain !== domain) return undefined
    const violations = unpacked(details, 'BadRequest', BadRequest.decode)?.fieldViolations.map(violationOf) ?? []
    const { [countKey]: count, ...notes } = info.metadata
    return {
      code: info.reason,
      text: message,
      violations,
      violationCount: Number(count ?? violations.length),
      retryAfterMs: durationMs(unpacked(details, 'RetryInfo', RetryInfo.decode)?.retryDelay),
      notes: Object.keys(notes).length > 0 ? notes : undefined,
    }
  } catch {
    // What cannot be read says nothing: the status of the call still does.
    return undefined
  }
}

type Name = 'ErrorInfo' | 'BadRequest' | 'RetryInfo'

const urlOf = (name: Name): string => `type.googleapis.com/google.rpc.${name}`

function packed(name: Name, bytes: Uint8Array): Any {
  return { typeUrl: urlOf(name), value: Buffer.from(bytes) }
}

function unpacked<Message>(
  details: readonly Any[],
  name: Name,
  decode: (bytes: Uint8Array) => Message,
): Message | undefined {
  const found = details.find(({ typeUrl }) => typeUrl === urlOf(name))
  return found && decode(found.value)
}

/** The value comes first and in quotes, so that nothing in it can be taken for the rest. */
const described = /^("(?:[^"\\]|\\.)*"): (.*?); accepted: (.*)$/s

function descriptionOf({ value, rule, accepted }: Violation): string {
  return `${JSON.stringify(value)}: ${rule}; accepted: ${accepted}`
}

function violationOf({ field: path, description }: { readonly field: string; readonly description: string }): Violation {
  const [, value, rule, accepted] = described.exec(description) ?? []
  if (value === undefined) return { path, value: '', rule: description, accepted: '' }
  return { path, value: String(JSON.parse(value)), rule: rule ?? '', accepted: accepted ?? '' }
}
