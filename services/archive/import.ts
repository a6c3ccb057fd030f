/**
 * Reading an archive into a store. A file is read twice: once to see that it is whole, and only then to write. A pipe cannot
 * be read twice: there the store stays closed to services until the last line was right.
 *
 * Cut short, it goes on where it was: what was written is skipped, after a look that it was the same. At the end the store
 * is asked what it has, and only a right answer opens it.
 */

import { type ArchiveBatch, archiveSections, type ArchivePlace, type ArchiveSection } from '../../core/model/archive.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Archive } from '../../core/ports/archive.ts'
import { type ArchiveSummary, readArchive } from './read-archive.ts'

export type ArchiveSource = {
  /** From its beginning. */
  readonly open: () => AsyncIterable<Buffer>
  readonly isRepeatable: boolean
}

export type ImportOptions = {
  readonly archive: Archive
  readonly source: ArchiveSource
  /** Called now and then with how many records of a section are read, or written. */
  readonly onProgress?: (doing: 'checking' | 'writing', section: ArchiveSection, records: number) => void
  /** Called where a part was written before. */
  readonly onResume?: (place: ArchivePlace) => void
}

/**
 * Throws `invalid-argument` (damaged), `conflict` (the store holds something else), `store-newer`, and what the store
 * throws.
 */
export async function importArchive(options: ImportOptions): Promise<ArchiveSummary> {
  const { archive, source } = options
  const checked = source.isRepeatable ? await check(options) : undefined
  const summary = await copy(options)
  if (checked && checked.sha256 !== summary.sha256) {
    throw new PilotageError('conflict', 'the file was changed while it was read')
  }
  const counts = await archive.counts()
  const wrong = archiveSections.filter((section) => counts[section] !== summary.counts[section])
  if (wrong.length > 0) {
    const differences = wrong.map(
      (section) => `${section}: ${summary.counts[section]} in the archive, ${counts[section]} in the store`,
    )
    throw new PilotageError('internal', `the import is not whole: ${differences.join('; ')}`)
  }
  await archive.finish()
  return summary
}

/** Nothing is written before this has ended. */
async function check({ source, onProgress }: ImportOptions): Promise<ArchiveSummary> {
  const progress = counting((section, records) => onProgress?.('checking', section, records))
  return readArchive(source.open(), {
    header: async () => ({ cutAt: 0 }),
    batch: async (batch) => progress(batch),
  })
}

async function copy({ archive, source, onProgress, onResume }: ImportOptions): Promise<ArchiveSummary> {
  const progress = counting((section, records) => onProgress?.('writing', section, records))
  let there: ArchivePlace = { records: 0, digest: '' }
  const summary = await readArchive(source.open(), {
    async header(_header, digest) {
      there = await archive.begin(digest)
      if (there.records > 0) onResume?.(there)
      return { cutAt: there.records }
    },
    async batch(batch, place) {
      if (place.records > there.records) await archive.write(batch, place)
      else if (place.records === there.records && place.digest !== there.digest) throw notTheSame()
      progress(batch)
    },
  })
  // A place beyond the end of the archive is not one of it either.
  const total = archiveSections.reduce((sum, section) => sum + summary.counts[section], 0)
  if (there.records > total) throw notTheSame()
  return summary
}

function notTheSame(): PilotageError {
  const begin = 'begin again with an empty store'
  return new PilotageError('conflict', `what is in the store already is not the beginning of this archive: ${begin}`)
}

function counting(report: (section: ArchiveSection, records: number) => void): (batch: ArchiveBatch) => void {
  let [name, count]: [ArchiveSection | undefined, number] = [undefined, 0]
  return ({ section, records }) => {
    count = (section === name ? count : 0) + records.length
    name = section
    report(section, count)
  }
}
