/**
 * An image's entry as people write it, in YAML or JSON, and as it travels: signed. Reads the one, makes the other, and reads
 * that again; an entry that it refuses gets every reason at once. Knows nothing of files, keys and calls.
 */

import { stringify } from 'yaml'
import { PilotageError } from '../core/kernel/errors.ts'
import { checkImageEntry, type ImageEntry } from '../core/model/image-entry.ts'
import { gatherViolations, nearest, type Violations } from '../core/kernel/violations.ts'
import { readYaml } from './yaml-text.ts'

export type SignedEntry = { readonly entry: ImageEntry; readonly signature: string }

const maxBytes = 256 * 1024
const maxAliases = 10
const entryFields = ['name', 'os', 'architecture', 'digest', 'references', 'validUntil', 'endorsedBy']

/** `endorser`: who signs it; what the document says must be the same. Throws `invalid-argument` with every violation. */
export function readImageEntry(text: string, endorser?: string): ImageEntry {
  const raw = mappingIn(text)
  const violations = gatherViolations()
  refuseUnknown(raw, entryFields, violations)
  if (endorser !== undefined && raw.endorsedBy !== undefined && raw.endorsedBy !== endorser) {
    violations.add('endorsedBy', raw.endorsedBy, `not ${endorser}, who signs`, 'the same name, or nothing')
  }
  const entry = entryOf({ ...raw, endorsedBy: endorser ?? raw.endorsedBy }, violations)
  violations.settle('reading the entry of an image')
  return entry
}

/** Throws `invalid-argument` with every violation. Whether the signature holds is for the service to say. */
export function readSignedEntry(text: string): SignedEntry {
  const raw = mappingIn(text)
  const violations = gatherViolations()
  const { signature } = raw
  refuseUnknown(raw, [...entryFields, 'signature'], violations)
  if (typeof signature !== 'string' || signature === '') {
    violations.add('signature', signature, 'missing', 'a file that pilotage image endorse has written')
  }
  const entry = entryOf(raw, violations)
  violations.settle('reading a signed entry')
  return { entry, signature: String(signature) }
}

export function signedDocument({ entry, signature }: SignedEntry): string {
  const { name, os, architecture, digest, references, validUntilMs, endorsedBy } = entry
  const validUntil = new Date(validUntilMs).toISOString()
  return stringify({ name, os, architecture, digest, references, validUntil, endorsedBy, signature }, { lineWidth: 0 })
}

function entryOf(raw: Readonly<Record<string, unknown>>, violations: Violations): ImageEntry {
  const { name, os, architecture, digest, references, validUntil, endorsedBy } = raw
  const validUntilMs = millisecondsOf(validUntil)
  const entry = checkImageEntry({ name, os, architecture, digest, references, validUntilMs, endorsedBy }, violations)
  // Not used where there is none: the violations are settled first.
  return entry ?? ({} as ImageEntry)
}

/** A day begins at midnight UTC; a time says its zone. */
function millisecondsOf(text: unknown): unknown {
  const isDay = typeof text === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(text)
  const isTime = typeof text === 'string' && /^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(text)
  const ms = isDay || isTime ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? text : ms
}

function refuseUnknown(raw: object, known: readonly string[], violations: Violations): void {
  for (const key of Object.keys(raw)) {
    if (known.includes(key)) continue
    const meant = nearest(key, known)
    violations.add(key, key, 'unknown field', meant === undefined ? known.join(', ') : `${meant}?`)
  }
}

function mappingIn(text: string): Readonly<Record<string, unknown>> {
  if (Buffer.byteLength(text) > maxBytes) {
    throw new PilotageError('too-large', `the entry of an image has at most ${maxBytes} bytes`)
  }
  const read = readYaml(text, maxAliases)
  if (!read.ok) throw notAnEntry(`it is not YAML or JSON: ${read.why}`)
  const { value } = read
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw notAnEntry('it is not a mapping')
}

function notAnEntry(why: string): PilotageError {
  return new PilotageError('invalid-argument', `reading the entry of an image: ${why}`)
}
