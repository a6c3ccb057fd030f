/** Several processes at one MongoDB store, with healthy servers and with servers that change their minds. */

import { MongoServerError } from 'mongodb'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { sleep, systemClock, until } from '../../core/kernel/clock.ts'
import { silentLog } from '../../core/ports/log.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Store } from '../../core/ports/store.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { openDatabase } from '../../services/adapters/store/mongo/database.ts'
import { beginAnew, isForgotten } from '../../services/adapters/store/mongo/forgotten-log.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { activeVm, sampleResult, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo, whyNotOurs } from './servers.ts'
import { audit, runStorm } from './store-storm.ts'

const clock = systemClock()
let mongo: MongoServers
const opened: Store[] = []
const databases: string[] = []

beforeAll(async () => {
  mongo = await startMongo({ members: 3 })
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})
afterAll(async () => {
  await mongo?.stop()
})

async function openStores(count: number): Promise<readonly Store[]> {
  const database = mongo.newDatabase()
  databases.push(database)
  for (let at = 0; at < count; at += 1) {
    opened.push(
      (await openKeptMongoStore({ url: mongo.url, database, clock, log: silentLog(), holder: `holder-${at}` })).store,
    )
  }
  return opened
}

it('agrees with the books of three processes that claim, end, kill and retire at once', async () => {
  const stores = await openStores(3)
  const books = await runStorm({ stores, clock, workers: 12, steps: 60, seed: 1 })
  expect(books.unavailable).toBe(0)
  expect(books.grants.size).toBeGreaterThan(300)
  for (const store of stores) await audit(store, books)
})

it('lets either a stop or a claim win, from two processes at the same moment', async () => {
  const [one, two] = (await openStores(2)) as [Store, Store]
  const random = seededRandom(3)
  const wins = { stop: 0, claim: 0 }
  for (let round = 0; round < 60; round += 1) {
    const vm = activeVm(`r${round}`)
    await one.intend(vm, 1000)
    const answer = await one.submit(sampleSubmission([sampleSpec()]), 1000)
    const jobId = (answer.ok ? answer.firstId : 0) as JobId
    // Known here, so that the claim goes straight to its write.
    await one.change([{ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: 5000 }], 2000)
    await one.change([{ kind: 'ended', jobId, attempt: 1, vmId: vm.id, result: sampleResult({ end: 'not-started' }) }], 2000)
    const claim = async () => {
      await sleep(clock, random.next() * 12)
      return one.change([{ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: 5000 }], 3000)
    }
    const [[claimed], [stopped]] = await Promise.all([
      claim(),
      two.changeVms([{ kind: 'retire', vmId: vm.id, why: 'idle' }], 3000),
    ])
    expect([claimed?.ok, stopped?.ok].filter(Boolean), `round ${round}`).toHaveLength(1)
    const [job] = await two.jobs([jobId])
    expect(job?.phase.state).toBe(claimed?.ok ? 'Matched' : 'Waiting')
    wins[claimed?.ok ? 'claim' : 'stop'] += 1
  }
  expect(wins.stop).toBeGreaterThan(0)
  expect(wins.claim).toBeGreaterThan(0)
})

it('counts anew and goes on where the server has forgotten what was not collected', async () => {
  const [store] = (await openStores(1)) as [Store]
  await store.submit(sampleSubmission([sampleSpec(), sampleSpec()]), 1000)
  expect(await store.counts()).toHaveLength(1)
  await store.close()
  const url = mongo.url
  const database = openDatabase(url, databases.at(-1) ?? '')
  await database.facts.deleteMany({})
  await database.meta.deleteOne({ _id: 'tallies' })
  // What the collector does when the server says so; a log that has rolled over is too large for a test.
  expect(isForgotten(new MongoServerError({ code: 286 }))).toBe(true)
  await beginAnew(database, clock.nowMs())
  await database.client.close()
  const again = (
    await openKeptMongoStore({ url, database: databases.at(-1) ?? '', clock, log: silentLog(), holder: 'again' })
  ).store
  opened.splice(0, opened.length, again)
  await again.submit(sampleSubmission([sampleSpec()]), 2000)
  const isRight = async (): Promise<boolean> => (await again.counts())[0]?.count === 3
  expect(await until(clock, isRight, { withinMs: 30_000, everyMs: 100 })).toBe(true)
  expect((await again.facts(-1, 10)).map(({ kind }) => kind)).toEqual(['Submitted'])
})

it('loses nothing while primaries step down and are killed', async (context) => {
  context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
  const stores = await openStores(3)
  const storm = runStorm({ stores, clock, workers: 12, steps: 80, seed: 2 })
  let isOver = false
  const ended = storm.finally(() => {
    isOver = true
  })
  for (let trouble = 0; trouble < 4 && !isOver; trouble += 1) {
    await sleep(clock, 1500)
    if (trouble % 2 === 0) await mongo.stepDown()
    else {
      const primary = await mongo.primary()
      await primary.kill()
      await sleep(clock, 500)
      await primary.start()
    }
  }
  const books = await ended
  expect(books.grants.size).toBeGreaterThan(300)
  await audit(stores[0] as Store, books)
})
