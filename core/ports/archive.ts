/**
 * A store as something to be copied out of, or into. Only for a store on which no service works: what moves has no one
 * picture.
 *
 * A reader sees one unchanging content, or learns that it was none; a writer may be cut short at any moment and go
 * on where it was. Everything that resolves is durable. What is thrown is a PilotageError: `store-locked` (another process
 * works with the store), `store-failed` (an import into it was not finished), `conflict` (it holds something else),
 * `unavailable`.
 */

import type {
  ArchiveBatch,
  ArchiveCounts,
  ArchiveKey,
  ArchivePlace,
  ArchiveRecords,
  ArchiveSection,
} from '../model/archive.ts'

export interface Archive {
  /** What kind of store it is, and the version of how it lies there. */
  readonly kind: string
  readonly schema: number

  /** Before the first reading: what a crash left half done is completed. Throws `not-found` where there is no store. */
  settle(): Promise<void>

  /** The next records of a section behind a key (undefined: from the first); at most this number, none only at the end. */
  read<Section extends ArchiveSection>(
    section: Section,
    after: ArchiveKey | undefined,
    limit: number,
  ): Promise<readonly ArchiveRecords[Section][]>

  /** After the last reading: throws `store-locked` if anybody has worked with the store since `settle`. */
  assertUntouched(): Promise<void>

  /**
   * Makes the store one into which an import is under way: no service starts on it until `finish`. Takes an empty store, or
   * the one with an unfinished import of the same archive, whose place it answers. `header` identifies the archive.
   */
  begin(header: string): Promise<ArchivePlace>

  /**
   * The batch that comes after all that was written before; `place` is where the archive is when it is in. A batch whose
   * write was cut short is written again, with these or other boundaries.
   */
  write(batch: ArchiveBatch, place: ArchivePlace): Promise<void>

  /** What is there, counted anew. */
  counts(): Promise<ArchiveCounts>

  /** The import is over: services may start. */
  finish(): Promise<void>

  close(): Promise<void>
}
