/**
 * The archive port over SQLite: the engine's operations for archives, in a thread of its own. The database is locked against
 * every other process for as long as it is open, so that no process can touch it during that time.
 */

import type { ArchiveRecords } from '../../../../core/model/archive.ts'
import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Archive } from '../../../../core/ports/archive.ts'
import { schemaVersion } from './schema.ts'
import { startThread } from './thread.ts'

export async function openSqliteArchive(path: string, clock: Clock): Promise<Archive> {
  const { ask, close } = await startThread({ file: './worker.ts', setup: { path, purpose: 'archive' } }, clock, () => {})
  return {
    kind: 'sqlite',
    schema: schemaVersion,
    settle: () => ask('archiveSettle'),
    async read<Section extends keyof ArchiveRecords>(section: Section, after: string | number | undefined, limit: number) {
      return (await ask('archiveRead', section, after, limit)) as readonly ArchiveRecords[Section][]
    },
    assertUntouched: async () => {},
    begin: (header) => ask('archiveBegin', header),
    write: (batch, place) => ask('archiveWrite', batch, place),
    counts: () => ask('archiveCounts'),
    finish: () => ask('archiveFinish'),
    close,
  }
}
