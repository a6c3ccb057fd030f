import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import { gridBlobs } from '../../services/adapters/store/mongo/grid-blobs.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { sampleSpec, sampleSubmission, alice } from '../../sim/samples.ts'
import { blobsContract, contentOf } from '../contract/blobs.ts'
import { sandboxStoreContract } from '../contract/sandbox-store.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const clock = systemClock()
const day = 24 * 60 * 60 * 1000
let mongo: MongoServers
let client: MongoClient

beforeAll(async () => {
  mongo = await startMongo({ members: 3 })
  // With the weakest of promises, so that whatever is promised is the home's own.
  client = new MongoClient(mongo.url, { writeConcern: { w: 1 }, readConcern: { level: 'local' } })
})
afterAll(async () => {
  await client?.close()
  await mongo?.stop()
})

const openStore = async (database = mongo.newDatabase()) =>
  openKeptMongoStore({ url: mongo.url, database, clock, log: silentLog(), holder: 'one' })

blobsContract('GridFS, a replica set of three', async () => gridBlobs(client.db(mongo.newDatabase())))
sandboxStoreContract('MongoDB, a replica set of three', openStore)

it('in GridFS has no chunk that no file and no arrival names, after puts that broke, met and were removed', async () => {
  const db = client.db(mongo.newDatabase())
  const blobs = gridBlobs(db)
  const data = Buffer.alloc(600_000, 3)
  const content = contentOf(data)
  async function* all(breaks: boolean): AsyncGenerator<Uint8Array> {
    yield data
    if (breaks) throw new Error('broke')
  }
  await Promise.allSettled([true, false, false, true].map((breaks) => blobs.put('lhcb', content, all(breaks))))
  await blobs.sweep(clock.nowMs() + 3_600_000)
  const count = (name: string) => db.collection(`sandboxFiles.${name}`).countDocuments()
  expect([await count('files'), await count('chunks'), await count('arriving')]).toEqual([1, 3, 0])
  await blobs.remove([{ vo: 'lhcb', digest: content.digest }])
  expect([await count('files'), await count('chunks'), await count('arriving')]).toEqual([0, 0, 0])
})

it('a page of descriptions without jobs holds no claim, and is removed', async () => {
  const database = mongo.newDatabase()
  const { store } = await openStore(database)
  const file = { path: 'a', digest: 'a'.repeat(64), bytes: 1, executable: false }
  await store.claim(alice, file, 10, 1000)
  await store.settleClaim(alice, file.digest, 1000)
  const submission = { ...sampleSubmission([sampleSpec({ inputFiles: [file] })]), idempotency: { key: 'k', digest: 'd' } }
  await store.submit(submission, 1000)
  // The same key again: its descriptions were written before the key was known.
  expect(await store.submit(submission, 1000)).toMatchObject({ ok: true, repeated: true })
  const specs = client.db(database).collection('specs')
  expect(await specs.countDocuments()).toBe(2)
  expect(await store.endClaims(2000, 10, 1000 + day)).toEqual([])
  await store.change([{ kind: 'kill', jobId: 1 as never, by: 'a', why: '' }], 2000)
  await store.forget(3000, 10)
  expect(await store.endClaims(2000 + day, 10, 2 * day)).toHaveLength(1)
  expect(await specs.countDocuments()).toBe(0)
  await store.close()
})
