/**
 * No hot question without an index: what the store really asks is taken from the wire, and the server is asked how it would
 * answer. And the schema: made once, and never run by a program that is older than it.
 */

import { type Binary, type CommandStartedEvent, type Document, MongoClient } from 'mongodb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { silentLog } from '../../core/ports/log.ts'
import { accountBatch } from '../../services/accounting/account-facts.ts'
import { guarded, openDatabase } from '../../services/adapters/store/mongo/database.ts'
import { packed, unpacked } from '../../services/adapters/store/mongo/job-text.ts'
import { openKeptMongoStore } from '../../services/run/mongo-upkeep.ts'
import { indexes, migrate } from '../../services/adapters/store/mongo/schema.ts'
import { sampleEntry } from '../../sim/sample-images.ts'
import {
  activeVm,
  alice,
  sampleQueue,
  sampleRequirements,
  sampleResult,
  sampleSpec,
  sampleSubmission,
} from '../../sim/samples.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo } from './servers.ts'

const clock = systemClock()
let mongo: MongoServers

beforeAll(async () => {
  mongo = await startMongo({ members: 1 })
})
afterAll(async () => {
  await mongo?.stop()
})

const open = (database: string) => openKeptMongoStore({ url: mongo.url, database, clock, log: silentLog(), holder: 'one' })

/** Commands that the driver sends while the store lives through a day. */
async function commandsOfADay(database: string): Promise<readonly Document[]> {
  const commands: Document[] = []
  const connect = MongoClient.prototype.connect
  MongoClient.prototype.connect = function listening(this: MongoClient) {
    this.on('commandStarted', ({ command }: CommandStartedEvent) => void commands.push(command))
    return connect.call(this)
  }
  const { store } = await open(database).finally(() => {
    MongoClient.prototype.connect = connect
  })
  const vm = activeVm('one')
  await store.intend(vm, 1000)
  const specs = Array.from({ length: 300 }, (_, at) => sampleSpec({ priority: at % 3 }))
  const answer = await store.submit(sampleSubmission(specs, alice, 'key'), 1000)
  const first = answer.ok ? answer.firstId : 0
  const next = await store.next(sampleQueue().id, 100)
  const claims = next.map(({ id }) => ({ kind: 'claim', jobId: id, vmId: vm.id, cores: 1, untilMs: 9000 }) as const)
  const outcomes = await store.change(claims, 2000)
  const ended = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.job] : [])).slice(0, 50)
  await store.change(
    ended.map(({ id, attempt }) => ({ kind: 'ended', jobId: id, attempt, vmId: vm.id, result: sampleResult() })),
    3000,
  )
  await store.changeVms([{ kind: 'drain', vmId: vm.id, why: '' }], 3000)
  await store.emit([{ subject: 'cloud:here', kind: 'plan', data: {} }], 3000)
  await store.changeImage({ kind: 'add', entry: sampleEntry(), signature: 's', by: 'ada' }, 3000)
  await store.changeImage({ kind: 'revoke', name: 'plain', by: 'ada', why: '' }, 3000)
  await store.images()
  await store.images(['plain'])
  await store.jobs([first as JobId, (first + 200) as JobId])
  await store.list({ vo: 'lhcb', owner: 'alice', limit: 10 })
  await store.list({ limit: 10 })
  await store.queues()
  await store.expired(10_000, 10)
  await store.counts()
  await store.leasesOn(vm.id)
  await store.vm(vm.id)
  await store.liveVms()
  await store.endedVms(10)
  await store.history('cloud:here', 10)
  await store.history(`submission:${first}`, 10)
  await store.facts(0, 10)
  await store.hold('sweeper', 'one', 1000, 0)
  await store.queues({ after: '', limit: 10 })
  const waits = sampleSpec({ after: [{ job: first as JobId, when: 'ok' }] })
  await store.submit(sampleSubmission([waits]), 3000)
  await store.dependants(first as JobId, 10)
  await store.awaitedEnds(9000, 10)
  await store.queues({ ids: [sampleQueue().id] })
  const quota = { owner: { jobs: 1, taskQueues: 1 }, vo: { jobs: 1, taskQueues: 1 } }
  await store.submit({ ...sampleSubmission([sampleSpec()]), quota }, 3000)
  await accountBatch({ store })
  await store.usage({ by: ['vo', 'month'], fromDay: '1970-01-01', toDay: '1970-02-01', filter: { vo: 'lhcb' }, limit: 10 })
  await store.usageRecords({ fromMs: 0, toMs: 9000, kind: 'attempt', after: { endedMs: 10, key: 'a' }, limit: 10 })
  await store.forgetUsageRecords(9000, 10)
  await store.forget(5000, 10)
  await store.close()
  return commands
}

const asked = new Set(['find', 'aggregate', 'update', 'delete', 'findAndModify'])

it('asks nothing that has no index', async () => {
  const database = mongo.newDatabase()
  const commands = (await commandsOfADay(database)).filter((command) => asked.has(Object.keys(command)[0] ?? ''))
  const client = await new MongoClient(mongo.url).connect()
  const scans = new Map<string, string>()
  let looked = 0
  for (const command of commands) {
    const name = Object.keys(command)[0] ?? ''
    if (command.pipeline?.[0]?.$changeStream) continue
    const plain = Object.entries(command).filter(
      ([key]) => !/^(\$|lsid|txnNumber|startTransaction|autocommit|readConcern|writeConcern|maxTimeMS)/.test(key),
    )
    // The server explains one statement at a time.
    for (const one of statementsOf(name, Object.fromEntries(plain))) {
      const plan = JSON.stringify(await client.db(database).command({ explain: one, verbosity: 'queryPlanner' }))
      looked += 1
      if (plan.includes('"COLLSCAN"')) scans.set(`${name} ${command[name]}`, JSON.stringify(one).slice(0, 300))
    }
  }
  await client.close()
  expect(looked).toBeGreaterThan(40)
  // Small collections that are read whole on purpose have no place here.
  expect([...scans]).toEqual([])
})

function statementsOf(name: string, command: Document): readonly Document[] {
  const field = name === 'update' ? 'updates' : name === 'delete' ? 'deletes' : ''
  if (field === '') return [command]
  return (command[field] as Document[]).slice(0, 3).map((statement) => ({ ...command, [field]: [statement] }))
}

it('makes its indexes once, under the names that it declares', async () => {
  const name = mongo.newDatabase()
  for (let start = 0; start < 2; start += 1) await (await open(name)).store.close()
  const database = openDatabase(mongo.url, name)
  for (const on of new Set(indexes.map((index) => index.on))) {
    const names = (await database[on].indexes()).map((index) => index.name)
    const declared = indexes.filter((index) => index.on === on).map(({ options }) => options.name)
    expect(names.sort()).toEqual(['_id_', ...declared].sort())
  }
  await database.client.close()
})

it('refuses to run on a schema that is newer than itself', async () => {
  const database = openDatabase(mongo.url, mongo.newDatabase())
  await database.meta.updateOne({ _id: 'schema' }, { $set: { version: 1000 } }, { upsert: true })
  await expect(guarded('test', () => migrate(database))).rejects.toMatchObject({ code: 'store-newer' })
  await expect(open(database.db.databaseName)).rejects.toMatchObject({ code: 'store-newer' })
  await database.client.close()
})

it('says that it is unavailable where no server answers, without the account in the message', async () => {
  const url = mongo.url.replace('mongodb://', 'mongodb://alice:secret-word@').replace(/:\d+/, ':1')
  const quick = `${url}${url.includes('?') ? '&' : '?'}directConnection=true`.replace(/replicaSet=[^&]*&?/, '')
  const error = await openAt(quick).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'unavailable' })
  expect(String(error)).not.toContain('secret-word')
})

const openAt = (url: string) => openKeptMongoStore({ url, database: 'none', clock, log: silentLog(), holder: 'one' })

it('takes over a database from before task queues were counted, and forgets those that no job names', async () => {
  const name = mongo.newDatabase()
  const first = (await open(name)).store
  const other = sampleRequirements({ tags: ['other'] })
  await first.submit(sampleSubmission([sampleSpec(), sampleSpec(), sampleSpec({ requirements: other })]), 1000)
  await first.change([{ kind: 'hold', jobId: 1 as JobId, by: 'a', why: '' }], 2000)
  await first.close()
  const database = openDatabase(mongo.url, name)
  await database.pages.updateMany({}, { $unset: { o: '' } })
  await database.queues.updateMany({}, { $unset: { at: '' } })
  await database.meta.updateOne({ _id: 'schema' }, { $set: { version: 2 } })
  const { store } = await open(name)
  const quota = { owner: { jobs: 3, taskQueues: 9 }, vo: { jobs: 9, taskQueues: 9 } }
  expect(await store.submit({ ...sampleSubmission([sampleSpec()]), quota }, 3000)).toMatchObject({ refusal: { used: 3 } })
  expect(await database.queues.countDocuments({ at: { $gt: 0 } })).toBe(2)
  await store.change([{ kind: 'kill', jobId: 3 as JobId, by: 'a', why: '' }], 2000)
  await store.forget(5000, 10)
  expect(await database.queues.countDocuments()).toBe(2)
  await database.queues.updateMany({}, { $set: { at: 1 } })
  await store.forget(5000, 10)
  expect((await database.queues.find().toArray()).map(({ _id }) => _id)).toEqual([sampleQueue().id])
  await store.submit(sampleSubmission([sampleSpec({ requirements: other })]), 4000)
  expect((await store.queues()).map(({ queue }) => queue.requirements.tags.length).sort()).toEqual([0, 1])
  await store.close()
  await database.client.close()
})

it('takes over a database with stories among the jobs, against a process that still writes them so', async () => {
  const name = mongo.newDatabase()
  const first = (await open(name)).store
  await first.submit(sampleSubmission([sampleSpec(), sampleSpec()]), 1000)
  await first.change([{ kind: 'hold', jobId: 1 as JobId, by: 'a', why: 'later' }], 2000)
  const [job] = await first.jobs([1 as JobId])
  const history = await first.history('job:1', 10)
  await first.close()
  const database = openDatabase(mongo.url, name)
  const page = await database.pages.findOne({})
  if (!page?.y) throw new Error('the page has no stories of its own')
  const stories = new Map(unpacked(page.y) as [number, unknown][])
  const texts = (unpacked(page.z) as unknown[][]).map((text) => text.with(8, stories.get(text[0] as number) ?? []))
  await database.pages.updateOne({}, { $set: { z: packed(JSON.stringify(texts)) }, $unset: { y: '' } })
  await database.meta.updateOne({ _id: 'schema' }, { $set: { version: 5 } })
  const { store } = await open(name)
  const moved = await database.pages.findOne({})
  expect(unpacked(moved?.z as Binary)).toEqual(unpacked(page.z))
  expect(unpacked(moved?.y as Binary)).toEqual(unpacked(page.y))
  // It would write over what it read before.
  expect(await database.pages.countDocuments({ _id: page._id, cv: page.cv })).toBe(0)
  expect(await store.jobs([1 as JobId])).toEqual([job])
  expect(await store.history('job:1', 10)).toEqual(history)
  expect(history.map(({ kind }) => kind)).toEqual(['Held'])
  await store.change([{ kind: 'release', jobId: 1 as JobId, by: 'a', why: '' }], 3000)
  expect((await store.history('job:1', 10)).map(({ kind }) => kind)).toEqual(['Held', 'Waiting'])
  await store.close()
  await database.client.close()
})
