/** Places for embedded stores, each a file of its own, opened as a store or as an archive. */

import { join } from 'node:path'
import { systemClock } from '../../core/kernel/clock.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { openSqliteArchive } from '../../services/adapters/store/sqlite/sqlite-archive.ts'
import { openSqliteStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import type { ArchivePlaceHarness } from '../contract/archive.ts'

export function sqlitePlace(directory: string): () => Promise<ArchivePlaceHarness> {
  return async () => {
    const path = join(directory, `${systemRandom().letters(12)}.db`)
    return {
      openStore: () => openSqliteStore(path, systemClock()),
      openArchive: () => openSqliteArchive(path, systemClock()),
    }
  }
}
