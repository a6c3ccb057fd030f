/**
 * A fact as it travels: itself as JSON, `{seq, atMs, subject, kind, data}`. What others have written on our subjects and is
 * no fact is distinguished from one, and never taken for one.
 */

import type { Fact, Subject } from '../../../../core/model/fact-shapes.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

export function factMessage({ seq, atMs, subject, kind, data }: Fact): string {
  return JSON.stringify({ seq, atMs, subject, kind, data })
}

/** Undefined for what is no fact. */
export function readFactMessage(bytes: Uint8Array): Fact | undefined {
  try {
    const { seq, atMs, subject, kind, data } = JSON.parse(decoder.decode(bytes)) as Partial<Record<keyof Fact, unknown>>
    if (!isWhole(seq) || !isWhole(atMs) || !isSubject(subject) || typeof kind !== 'string' || !isData(data)) return undefined
    return { seq, atMs, subject, kind, data }
  } catch {
    return undefined
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isSubject(value: unknown): value is Subject {
  return typeof value === 'string' && /^(?:job|vm|cloud|image|submission):./.test(value)
}

function isData(value: unknown): value is Fact['data'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((one) => ['string', 'number', 'boolean'].includes(typeof one))
}
