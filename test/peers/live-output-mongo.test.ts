import { MongoClient } from 'mongodb'
import { afterAll, beforeAll } from 'vitest'
import { mongoLiveOutput } from '../../services/adapters/store/mongo/live-output.ts'
import { liveOutputContract } from '../contract/live-output.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

let mongo: MongoServers
let client: MongoClient

beforeAll(async () => {
  mongo = await startMongo({ members: 1 })
  client = new MongoClient(mongo.url)
})
afterAll(async () => {
  await client?.close()
  await mongo?.stop()
})

liveOutputContract('MongoDB', async () => mongoLiveOutput(client.db(mongo.newDatabase())))
