/** Jobs that wait for others, over one MongoDB store and several processes: no end is missed, and none counts twice. */

import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { sleep, systemClock } from '../../core/kernel/clock.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { silentLog } from '../../core/ports/log.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Dependency } from '../../core/model/dependency.ts'
import type { JobOutcome, Store } from '../../core/ports/store.ts'
import { openDatabase } from '../../services/adapters/store/mongo/database.ts'
import { releaseDependants } from '../../services/outcomes/dependants.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const clock = systemClock()
let mongo: MongoServers
const opened: Store[] = []

beforeAll(async () => {
  mongo = await startMongo({ members: 3 })
})
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close()
})
afterAll(() => mongo?.stop())

async function openStores(count: number) {
  const database = mongo.newDatabase()
  for (let at = 0; at < count; at += 1) {
    const options = { url: mongo.url, database, clock, log: silentLog(), holder: `holder-${at}` }
    opened.push((await openKeptMongoStore(options)).store)
  }
  return { database, stores: opened }
}

async function put(store: Store, ...after: readonly Dependency[]): Promise<JobId> {
  // Now: the keeper completes what looks old, and would count the jobs that it waits for once more.
  const answer = await store.submit(sampleSubmission([sampleSpec(after.length > 0 ? { after } : {})]), clock.nowMs())
  if (!answer.ok) throw new Error(answer.why)
  return answer.firstId
}

const kill = (store: Store, jobId: JobId) => store.change([{ kind: 'kill', jobId, by: 'alice', why: '' }], clock.nowMs())

it('hands every end on to dependants that another process submits at the same moment', async () => {
  const [one, two] = (await openStores(2)).stores as [Store, Store]
  const random = seededRandom(5)
  const released: JobId[] = []
  const outcomes = {
    changed: async (changes: readonly JobOutcome[]) => {
      for (const change of changes) if (change.ok) released.push(change.job.id)
    },
  }
  const dependants: JobId[] = []
  for (let round = 0; round < 50; round += 1) {
    const target = await put(one)
    const ended = async (): Promise<void> => {
      await sleep(clock, random.next() * 15)
      await kill(two, target)
      await releaseDependants({ store: two, outcomes, clock }, await two.jobs([target]))
    }
    const submitted = async (): Promise<JobId> => {
      const dependant = await put(one, { job: target, when: 'ended' })
      // What the use case does after a submission: the other process may have seen nothing to do.
      const [now] = await one.jobs([target])
      if (now?.phase.state === 'Killed') await releaseDependants({ store: one, outcomes, clock }, [now])
      return dependant
    }
    const [dependant] = await Promise.all([submitted(), ended()])
    dependants.push(dependant)
  }
  expect(released.toSorted((a, b) => a - b)).toEqual(dependants)
  expect((await two.jobs(dependants)).map(({ phase }) => phase.state)).toEqual(dependants.map(() => 'Waiting'))
  expect(await two.awaitedEnds(Number.MAX_SAFE_INTEGER, 10)).toEqual([])
})

it('makes what a process left of a submission, with the marks of the jobs that it waits for', async () => {
  const { database: name, stores } = await openStores(1)
  const [store] = stores as [Store]
  const target = await put(store)
  const answer = await store.submit(
    sampleSubmission([
      sampleSpec({ after: [{ job: target, when: 'ended' }] }),
      sampleSpec({ priority: 1, after: [{ offset: -1, when: 'ok' }] }),
    ]),
    1000,
  )
  const first = (answer.ok ? answer.firstId : 0) as JobId
  // That it is whole is noted a moment later.
  await sleep(clock, 1000)
  // As if the process had died behind the submission's own document.
  const database = openDatabase(mongo.url, name)
  await database.pages.deleteOne({ _id: first })
  await database.submissions.updateOne({ first }, { $set: { open: true, at: 0 } })
  await database.client.close()
  const again = (await openKeptMongoStore({ url: mongo.url, database: name, clock, log: silentLog(), holder: 'the next' }))
    .store
  opened.push(again)
  for (let tries = 0; tries < 300 && (await again.jobs([first])).length === 0; tries += 1) await sleep(clock, 100)
  const [job, second] = await again.jobs([first, (first + 1) as JobId])
  expect(job).toMatchObject({ awaited: 1, phase: { state: 'Blocked', open: [{ job: target, when: 'ended' }] } })
  expect(second?.phase).toEqual({ state: 'Blocked', open: [{ job: first, when: 'ok' }] })
  for (let tries = 0; tries < 100 && (await again.jobs([target]))[0]?.awaited !== 2; tries += 1) await sleep(clock, 100)
  expect((await again.jobs([target]))[0]?.awaited).toBe(2)
})
