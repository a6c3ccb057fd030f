/**
 * Reading an archive: its lines in order, checked as they come, and handed on in batches. Nothing is believed before the
 * last line was right: a caller that can read twice reads once without writing.
 *
 * Memory stays flat: one batch at a time, and the next is read when this one was taken.
 */

import { completeArchivedJob } from '../../core/model/earlier-job.ts'
import {
  type ArchiveBatch,
  type ArchiveCounts,
  type ArchivedJob,
  type ArchiveKey,
  archiveKeys,
  type ArchivePlace,
  type ArchiveSection,
  archiveSections,
  isKeyAfter,
} from '../../core/model/archive.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import {
  type ArchiveHeader,
  damaged,
  digestOf,
  noCounts,
  readHeader,
  readLine,
  runningDigest,
  trailerLine,
} from './format.ts'
import { type Line, linesOf } from './lines.ts'

export type ArchiveReader = {
  /** `cutAt`: a batch ends when this number of records have been read. */
  header(header: ArchiveHeader, digest: string): Promise<{ readonly cutAt: number }>
  /** `place`: where the archive is after it. */
  batch(batch: ArchiveBatch, place: ArchivePlace): Promise<void>
}

export type ArchiveSummary = { readonly header: ArchiveHeader; readonly counts: ArchiveCounts; readonly sha256: string }

const maxRecords = 4096
const maxBytes = 4 * 1024 * 1024

/** Throws `invalid-argument` where the archive is damaged or not whole, `store-newer`, and what the reader throws. */
export async function readArchive(pieces: AsyncIterable<Buffer>, reader: ArchiveReader): Promise<ArchiveSummary> {
  const digest = runningDigest()
  const counts = noCounts()
  let header: ArchiveHeader | undefined
  let headerDigest = ''
  let cutAt = 0
  let gathered: Gathered | undefined
  let [lines, records] = [0, 0]
  let isOver = false

  async function hand(): Promise<void> {
    if (!gathered) return
    const { section, records: some } = gathered
    const batch = { section, records: some } as unknown as ArchiveBatch
    gathered.lastKey = checkOrder(batch, gathered.lastKey, lines)
    await reader.batch(batch, digest.place())
    gathered.records = []
    gathered.bytes = 0
  }

  async function take({ bytes, text }: Line): Promise<void> {
    lines += 1
    if (isOver) throw damaged(lines, 'there is something behind its end')
    if (!header) {
      header = readHeader(text)
      headerDigest = digestOf(bytes)
      cutAt = (await reader.header(header, headerDigest)).cutAt
      return
    }
    const line = readLine(text)
    if (!line) throw damaged(lines, 'it is no record')
    if (gathered && (line.section !== gathered.section || isFull(gathered) || records === cutAt)) await hand()
    if (line.section === 'end') {
      if (text !== trailerLine(header.format, counts, headerDigest, digest.place().digest)) {
        throw damaged(lines, 'the records are not those that were counted and summed up')
      }
      isOver = true
      return
    }
    gathered = joined(gathered, line.section, lines)
    gathered.records.push(line.section === 'jobs' ? completeArchivedJob(line.record as ArchivedJob) : line.record)
    gathered.bytes += bytes.length
    digest.add(bytes, 1)
    counts[line.section] += 1
    records += 1
  }

  for await (const some of linesOf(pieces)) for (const line of some) await take(line)
  if (!header || !isOver) throw new PilotageError('invalid-argument', 'the archive is not whole: its last line is missing')
  return { header, counts, sha256: digest.place().digest }
}

type Gathered = { readonly section: ArchiveSection; records: object[]; bytes: number; lastKey: ArchiveKey | undefined }

function isFull({ records, bytes }: Gathered): boolean {
  return records.length >= maxRecords || bytes >= maxBytes
}

/** The section that is being gathered, or the next. */
function joined(gathered: Gathered | undefined, section: ArchiveSection, line: number): Gathered {
  if (gathered?.section === section) return gathered
  if (gathered && archiveSections.indexOf(section) < archiveSections.indexOf(gathered.section)) {
    throw damaged(line, `${section} come before ${gathered.section}`)
  }
  return { section, records: [], bytes: 0, lastKey: undefined }
}

function checkOrder(batch: ArchiveBatch, last: ArchiveKey | undefined, line: number): ArchiveKey | undefined {
  let before = last
  for (const key of keysIn(batch)) {
    if (key === undefined || (before !== undefined && !isKeyAfter(key, before))) {
      throw damaged(line, `the ${batch.section} before it are not in their order`)
    }
    before = key
  }
  return before
}

/** Undefined for what is no key. */
function keysIn(batch: ArchiveBatch): readonly (ArchiveKey | undefined)[] {
  const isNumbered = batch.section === 'jobs' || batch.section === 'facts'
  const isKey = (key: unknown): boolean =>
    isNumbered ? Number.isSafeInteger(key) && Number(key) > 0 : typeof key === 'string' && key !== ''
  try {
    return archiveKeys(batch).map((key) => (isKey(key) ? key : undefined))
  } catch {
    return [undefined]
  }
}
