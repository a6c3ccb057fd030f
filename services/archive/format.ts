/**
 * The text of an archive: JSON lines. The first says what it is, each further one is a record with the name of its section,
 * and the last counts them and bears two digests: of the first line, and of all records. Two archives of equal content
 * differ in their first line only, and have the same digest of records.
 *
 * Pure: lines to values and back. A newer format is refused, an older one is read as it was written, an unknown field is a
 * mistake. Format 2 has images; format 1 is of programs that knew none.
 */

import { createHash } from 'node:crypto'
import {
  type ArchiveBatch,
  type ArchiveCounts,
  type ArchivePlace,
  type ArchiveSection,
  archiveSections,
  plainRecords,
} from '../../core/model/archive.ts'
import { PilotageError } from '../../core/kernel/errors.ts'

export type ArchiveHeader = {
  readonly format: ArchiveFormat
  /** Of this one writing. */
  readonly id: string
  /** The kind of store that it was written from, and its schema. For people: the records are the same from all of them. */
  readonly store: string
  readonly schema: number
  readonly at: string
}

/**
 * What this program writes. 2: with images. 3: jobs may wait for others, which a program that does not know them would lose.
 * 4: with usage.
 */
export const formatVersion = 4
export type ArchiveFormat = 1 | 2 | 3 | 4

/** The first format that has the section. */
const since: Readonly<Partial<Record<ArchiveSection, ArchiveFormat>>> = { images: 2, usage: 4 }

function sectionsOf(format: ArchiveFormat): readonly ArchiveSection[] {
  return archiveSections.filter((section) => format >= (since[section] ?? 1))
}

export function headerLine({ format, id, store, schema, at }: ArchiveHeader): string {
  return JSON.stringify({ pilotage: 'archive', format, id, store, schema, at, sections: sectionsOf(format) })
}

/** Throws `invalid-argument` for what is no archive, `store-newer` for one of a newer program. */
export function readHeader(line: string): ArchiveHeader {
  const raw = objectOf(line)
  if (raw?.pilotage !== 'archive') throw new PilotageError('invalid-argument', 'this is no archive of a Pilotage store')
  if (typeof raw.format === 'number' && raw.format > formatVersion) {
    const known = `this program knows up to ${formatVersion}`
    throw new PilotageError('store-newer', `the archive has format ${raw.format}, ${known}`)
  }
  const format = raw.format === 1 || raw.format === 2 || raw.format === 3 ? raw.format : formatVersion
  const header = {
    format,
    id: String(raw.id),
    store: String(raw.store),
    schema: Number(raw.schema),
    at: String(raw.at),
  } as const
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

export function trailerLine(
  format: ArchiveFormat,
  counts: ArchiveCounts,
  headerDigest: string,
  recordsDigest: string,
): string {
  const inOrder = Object.fromEntries(sectionsOf(format).map((section) => [section, counts[section]]))
  return JSON.stringify({ section: 'end', counts: inOrder, header: headerDigest, sha256: recordsDigest })
}

export function damaged(line: number, what: string): PilotageError {
  return new PilotageError('invalid-argument', `the archive is damaged at line ${line}: ${what}`)
}

export function noCounts(): Record<ArchiveSection, number> {
  return { queues: 0, submissions: 0, images: 0, vms: 0, jobs: 0, facts: 0, notes: 0, counters: 0, usage: 0 }
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
