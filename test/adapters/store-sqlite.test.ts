import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { memoryStore, openSqliteStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import { storeContract } from '../contract/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-store-'))
let files = 0

afterAll(() => rmSync(directory, { recursive: true, force: true }))

storeContract('sqlite in a thread', async () => {
  files += 1
  const path = join(directory, `${files}.db`)
  const store = await openSqliteStore(path, systemClock())
  return {
    store,
    async reopen() {
      await store.close()
      return openSqliteStore(path, systemClock())
    },
  }
})

storeContract('sqlite in memory', async () => ({ store: memoryStore() }))
