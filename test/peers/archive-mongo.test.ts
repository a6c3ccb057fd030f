/** Archives between the embedded store and a real MongoDB, and what keeps services away during it. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { openKeptMongoArchive } from '../../services/run/mongo-upkeep.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { archiveContract, type ArchivePlaceHarness } from '../contract/archive.ts'
import { sqlitePlace } from '../support/sqlite-place.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-archive-'))
let mongo: MongoServers

beforeAll(async () => {
  mongo = await startMongo({ members: 1 })
})
afterAll(async () => {
  await mongo?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const shared = { clock: systemClock(), log: silentLog() }

async function mongoPlace(): Promise<ArchivePlaceHarness> {
  const { url } = mongo
  const database = mongo.newDatabase()
  return {
    async openStore() {
      return (await openKeptMongoStore({ ...shared, url, database, holder: systemRandom().letters(8) })).store
    },
    openArchive: () => openKeptMongoArchive({ ...shared, url, database }),
  }
}

archiveContract('mongo, from and to sqlite', { here: mongoPlace, there: sqlitePlace(directory) })
archiveContract('mongo, from and to mongo', { here: mongoPlace, there: mongoPlace })

it('exports no store that is in use, nor one that a process used during the export, nor one that is not there', async () => {
  const place = await mongoPlace()
  const nothing = await place.openArchive()
  await expect(nothing.settle()).rejects.toMatchObject({ code: 'not-found' })
  await nothing.close()
  const store = await place.openStore()
  await store.hold('sweeper', 'one', 60_000, 0)
  const archive = await place.openArchive()
  await expect(archive.settle()).rejects.toMatchObject({ code: 'store-locked', message: expect.stringMatching(/sweeper/) })
  await expect(archive.begin('x')).rejects.toMatchObject({ code: 'store-locked' })
  await store.letGo('sweeper', 'one')
  await store.close()
  await archive.settle()
  await archive.assertUntouched()
  const second = await place.openStore()
  await second.hold('sweeper', 'two', 60_000, 0)
  await expect(archive.assertUntouched()).rejects.toMatchObject({ code: 'store-locked' })
  await second.letGo('sweeper', 'two')
  await second.close()
  await expect(archive.assertUntouched()).rejects.toMatchObject({ code: 'store-locked' })
  await archive.close()
})
