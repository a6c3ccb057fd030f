/**
 * What an endorser signs of an image: its name with us, what it is, and how each cloud calls it. Checked here whole, and
 * brought to the one form of bytes that a signature is over.
 *
 * An entry never changes: another content is another image, under another name. Knows nothing of keys and signatures.
 */

import { isName, isPlainText } from '../kernel/text.ts'
import { imageLimits } from '../kernel/limits.ts'
import { parseReference, referenceForm } from './reference.ts'
import type { Violations } from '../kernel/violations.ts'

export type ImageEntry = {
  /** As `clouds[].images[].name` in the configuration. */
  readonly name: string
  readonly os: string
  readonly architecture: string
  /** `sha256:` and 64 hex digits: of the file that the clouds were given. */
  readonly digest: string
  /** By the names of clouds: how each calls it. */
  readonly references: Readonly<Record<string, string>>
  /** From then on no VM is made from it. */
  readonly validUntilMs: number
  /** The name of the key that signed it. */
  readonly endorsedBy: string
}

/** As documents call the fields. */
type Field = 'name' | 'os' | 'architecture' | 'digest' | 'references' | 'validUntil' | 'endorsedBy'

/** How a way in names a field. */
export type EntryPaths = (field: Field) => string

const wireNames: Partial<Record<Field, string>> = { validUntil: 'expire_time', endorsedBy: 'endorsed_by' }

export const wireEntryPaths: EntryPaths = (field) => `entry.${wireNames[field] ?? field}`
const documentPaths: EntryPaths = (field) => field

/** What was given, of any shape. `violations` gets all that is wrong with it; undefined where anything is. */
export function checkImageEntry(
  raw: unknown,
  violations: Violations,
  pathOf: EntryPaths = documentPaths,
): ImageEntry | undefined {
  const given = (typeof raw === 'object' && raw !== null ? raw : {}) as Readonly<Record<string, unknown>>
  const before = violations.count()
  const { name, os, architecture, digest, references, validUntilMs, endorsedBy } = given
  const names = { name, os, architecture, endorsedBy }
  for (const field of ['name', 'os', 'architecture', 'endorsedBy'] as const) {
    const value = names[field]
    if (typeof value !== 'string' || !isName(value))
      violations.add(pathOf(field), value, 'not a name', 'letters, digits and . _ : / + -')
  }
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    violations.add(pathOf('digest'), digest, 'not a digest', 'sha256: and 64 hex digits, as sha256sum writes them')
  }
  const isTime = typeof validUntilMs === 'number' && Number.isInteger(validUntilMs)
  if (!isTime || validUntilMs <= 0 || validUntilMs > lastMs) {
    violations.add(pathOf('validUntil'), validUntilMs, 'not a time', 'a day or a time, as 2027-06-30')
  }
  checkReferences(references, violations, pathOf('references'))
  for (const key of Object.keys(given)) {
    if (!fields.includes(key)) violations.add(key, key, 'unknown field', fields.join(', '))
  }
  return violations.count() === before ? (given as ImageEntry) : undefined
}

/** The end of the year 9999: what every clock and calendar can write. */
const lastMs = 253_402_300_799_999
const fields = ['name', 'os', 'architecture', 'digest', 'references', 'validUntilMs', 'endorsedBy']

function checkReferences(references: unknown, violations: Violations, path: string): void {
  const isMapping = typeof references === 'object' && references !== null && !Array.isArray(references)
  const named = isMapping ? Object.entries(references) : []
  if (named.length === 0 || named.length > imageLimits.references) {
    const accepted = `1 to ${imageLimits.references} clouds by name, each with ${referenceForm}`
    violations.add(path, references, 'not what the clouds call it', accepted)
    return
  }
  for (const [cloud, text] of named) {
    if (!isName(cloud)) violations.add(`${path}.${cloud}`, cloud, 'not the name of a cloud', 'as in the configuration')
    const isWritten = typeof text === 'string' && text.length <= imageLimits.referenceLength && isPlainText(text)
    if (!isWritten || !parseReference(text)) violations.add(`${path}.${cloud}`, text, 'not a reference', referenceForm)
  }
}

/**
 * What is signed, as UTF-8: a line that says what it is, then the entry as JSON without any white space, its keys and those
 * of `references` in the order of their characters.
 */
export function signedText({ references, ...others }: ImageEntry): string {
  const fields = Object.entries(others).map(([key, value]) => [key, JSON.stringify(value)] as const)
  const named = Object.entries(references).map(([cloud, text]) => [cloud, JSON.stringify(text)] as const)
  return `pilotage image 1\n${objectText([...fields, ['references', objectText(named)]])}`
}

/** Whether both say the same, in whatever order. */
export function isSameEntry(entry: ImageEntry, other: ImageEntry): boolean {
  return signedText(entry) === signedText(other)
}

/** Spelled out: an object of JavaScript puts names that are numbers first. */
function objectText(members: readonly (readonly [key: string, json: string])[]): string {
  const inOrder = members.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${inOrder.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
}
