/**
 * Writing an archive of a store: section by section, batch by batch, no faster than it is taken. What was written is an
 * archive only with its last line, and that is written only if no process has touched the store in between.
 */

import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  type ArchiveBatch,
  type ArchiveKey,
  archiveKeys,
  type ArchiveSection,
  archiveSections,
} from '../../core/model/archive.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Archive } from '../../core/ports/archive.ts'
import type { Random } from '../../core/kernel/random.ts'
import {
  type ArchiveHeader,
  digestOf,
  formatVersion,
  headerLine,
  noCounts,
  recordLines,
  runningDigest,
  trailerLine,
} from './format.ts'
import type { ArchiveSummary } from './read-archive.ts'

export type ExportOptions = {
  readonly archive: Archive
  readonly clock: Clock
  readonly random: Random
  /** Called now and then with how many records of a section are written. */
  readonly onProgress?: (section: ArchiveSection, records: number) => void
}

/** Some megabytes of jobs. */
const maxRecords = 2048

/** Through the streams in their order; the last one is where it goes. Throws what the store and the streams throw. */
export async function exportArchive(options: ExportOptions, through: readonly Writable[]): Promise<ArchiveSummary> {
  const { archive, clock, random } = options
  await archive.settle()
  const { kind: store, schema } = archive
  const at = new Date(clock.nowMs()).toISOString()
  const header: ArchiveHeader = { format: formatVersion, id: random.letters(16), store, schema, at }
  const digest = runningDigest()
  const counts = noCounts()

  async function* text(): AsyncGenerator<string> {
    const first = `${headerLine(header)}\n`
    yield first
    for (const section of archiveSections) {
      for await (const batch of batchesOf(archive, section)) {
        const lines = recordLines(batch)
        digest.add(lines, batch.records.length)
        counts[section] += batch.records.length
        yield lines
        options.onProgress?.(section, counts[section])
      }
    }
    await archive.assertUntouched()
    yield `${trailerLine(formatVersion, counts, digestOf(first), digest.place().digest)}\n`
  }

  await pipeline([Readable.from(text()), ...through])
  return { header, counts, sha256: digest.place().digest }
}

async function* batchesOf(archive: Archive, section: ArchiveSection): AsyncGenerator<ArchiveBatch> {
  let after: ArchiveKey | undefined
  for (;;) {
    const records = await archive.read(section, after, maxRecords)
    if (records.length === 0) return
    const batch = { section, records } as unknown as ArchiveBatch
    after = archiveKeys(batch).at(-1)
    yield batch
  }
}
