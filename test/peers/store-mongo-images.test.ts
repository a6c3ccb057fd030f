/**
 * Images in MongoDB, where several processes change them at one moment: no change is lost, and none comes without its fact.
 */

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import type { ImageEvent } from '../../core/model/image.ts'
import { imageLimits } from '../../core/kernel/limits.ts'
import { silentLog } from '../../core/ports/log.ts'
import { type KeptMongoStore, openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { sampleEntry, sampleImage } from '../../sim/sample-images.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const clock = systemClock()
let mongo: MongoServers
const opened: KeptMongoStore[] = []

beforeAll(async () => {
  mongo = await startMongo({ members: 3 })
})
afterEach(async () => {
  for (const { store } of opened.splice(0)) await store.close()
})
afterAll(() => mongo?.stop())

async function openStores(count: number): Promise<readonly KeptMongoStore[]> {
  const options = { url: mongo.url, database: mongo.newDatabase(), clock, log: silentLog() }
  for (let at = 0; at < count; at += 1) opened.push(await openKeptMongoStore({ ...options, holder: `holder-${at}` }))
  return opened
}

const added = (name: string): ImageEvent => ({ kind: 'add', entry: sampleEntry({ name }), signature: 's', by: 'ada' })

it('takes one of several that would be the last, from several processes', async () => {
  const stores = await openStores(3)
  const there = Array.from({ length: imageLimits.images - 1 }, (_, at) => sampleImage([added(`image-${at}`)]))
  const images = stores[0]?.db.collection<{ _id: string; doc: string }>('images')
  await images?.insertMany(there.map((image) => ({ _id: image.entry.name, doc: JSON.stringify(image) })))
  const answers = await Promise.all(
    stores.flatMap(({ store }, at) => [0, 1].map((more) => store.changeImage(added(`new-${at}-${more}`), 1000))),
  )
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
  expect(answers.filter((one) => !one.ok && one.why === 'too-many')).toHaveLength(5)
  expect(await stores[1]?.store.images()).toHaveLength(imageLimits.images)
})

it('keeps every approval of many at one moment, each with one fact', async () => {
  const stores = await openStores(3)
  const first = stores[0]?.store
  if (!first) throw new Error('a store is open')
  await first.changeImage(added('plain'), 1000)
  const sites = Array.from({ length: 12 }, (_, at) => `site-${String(at).padStart(2, '0')}`)
  const outcomes = await Promise.all(
    sites.map((site, at) => stores[at % 3]?.store.changeImage({ kind: 'approve', name: 'plain', site, by: 'ben' }, 2000)),
  )
  expect(outcomes.every((one) => one?.ok)).toBe(true)
  const [image] = await first.images()
  expect(image?.phase).toMatchObject({ approvals: sites.map((site) => ({ site })) })
  const approvedFacts = (await first.history('image:plain', 100)).filter(({ kind }) => kind === 'Approved')
  expect(approvedFacts.map(({ data }) => data.site).toSorted()).toEqual(sites)
})
