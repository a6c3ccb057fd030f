/**
 * The text of an archive: JSON lines. The first says what it is, each further one is a record with the name of its section, and
 * the last counts them and bears two digests: of the first line, and of all records. Two archives of equal content differ in
 * their first line only, and have the same digest of records.
 *
 * Pure: lines to values and back. A newer format is refused, an unknown field of this one is a mistake.
 */

import { createHash } from 'node:crypto'
import {
  type ArchiveBatch,
  type ArchiveCounts,
  type ArchivePlace,
  type ArchiveSection,
  archiveSections,
  plainRecords,
} from '../../core/archive.ts'
import { PilotageError } from '../../core/errors.ts'

export type ArchiveHeader = {
  /** Of this one writing. */
  readonly id: string
  /** The kind of store that it was written from, and its schema. For people: the records are the same from all of them. */
  readonly store: string
  readonly schema: number
  readonly at: string
}

const formatVersion = 1

export function headerLine({ id, store, schema, at }: ArchiveHeader): string {
  return JSON.stringify({ pilotage: 'archive', format: formatVersion, id, store, schema, at, sections: archiveSections })
}

/** Throws `invalid-argument` for what is no archive, `store-newer` for one of a newer program. */
export function readHeader(line: string): ArchiveHeader {
  const raw = objectOf(line)
  if (raw?.pilotage !== 'archive') throw new PilotageError('invalid-argument', 'this is no archive of a Pilotage store')
  if (typeof raw.format === 'number' && raw.format > formatVersion) {
    const known = `this program knows up to ${formatVersion}`
    throw new PilotageError('store-newer', `the archive has format ${raw.format}, ${known}`)
  }
  const header = { id: String(raw.id), store: String(raw.store), schema: Number(raw.schema), at: String(raw.at) }
  if (headerLine(header) !== line) throw damaged(1, 'its first line is not as it was written')
  return header
}

/** Each with its line end. */
export function recordLines(batch: ArchiveBatch): string {
  const { section } = batch
  return plainRecords(batch)
    .map((record) => `${JSON.stringify({ section, ...record })}\n`)
    .join('')
}

export type ArchiveLine = { readonly section: ArchiveSection | 'end'; readonly record: object }

/** What a line after the first says; undefined where it says nothing that we write. */
export function readLine(line: string): ArchiveLine | undefined {
  const raw = objectOf(line)
  if (!raw) return undefined
  const { section, ...record } = raw
  return isSection(section) || section === 'end' ? { section, record } : undefined
}

export function trailerLine(counts: ArchiveCounts, headerDigest: string, recordsDigest: string): string {
  const inOrder = Object.fromEntries(archiveSections.map((section) => [section, counts[section]]))
  return JSON.stringify({ section: 'end', counts: inOrder, header: headerDigest, sha256: recordsDigest })
}

export function damaged(line: number, what: string): PilotageError {
  return new PilotageError('invalid-argument', `the archive is damaged at line ${line}: ${what}`)
}

export function noCounts(): Record<ArchiveSection, number> {
  return { queues: 0, submissions: 0, vms: 0, jobs: 0, facts: 0, notes: 0, counters: 0 }
}

export function digestOf(line: string | Buffer): string {
  return createHash('sha256').update(line).digest('hex')
}

/** Of records as they go by. */
export function runningDigest(): {
  add(lines: string | Buffer, records: number): void
  /** Where we are: the digest of what went by so far. */
  place(): ArchivePlace
} {
  const hash = createHash('sha256')
  let count = 0
  return {
    add(lines, records) {
      hash.update(lines)
      count += records
    },
    place: () => ({ records: count, digest: hash.copy().digest('hex') }),
  }
}

function isSection(name: unknown): name is ArchiveSection {
  return archiveSections.some((section) => section === name)
}

function objectOf(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
