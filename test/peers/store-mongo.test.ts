import { afterAll, beforeAll } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import type { Store } from '../../core/ports/store.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { storeContract } from '../contract/store.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const clock = systemClock()
let mongo: MongoServers

beforeAll(async () => {
  mongo = await startMongo({ members: 3 })
})
afterAll(() => mongo?.stop())

storeContract('MongoDB, a replica set of three', async () => {
  const database = mongo.newDatabase()
  let lives = 0
  const open = async (): Promise<Store> => {
    lives += 1
    return (await openKeptMongoStore({ url: mongo.url, database, clock, log: silentLog(), holder: `life-${lives}` })).store
  }
  const store = await open()
  return {
    store,
    async reopen() {
      await store.close()
      return open()
    },
  }
})
