import { MongoClient } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { isRunning } from '../support/processes.ts'
import { startMongo, whyNotOurs } from './servers.ts'

const clock = systemClock()

describe('a replica set of three', () => {
  it('keeps what a majority has, over a kill of its primary, a step-down and a way back', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    const mongo = await startMongo({ members: 3 })
    const client = new MongoClient(mongo.url, { writeConcern: { w: 'majority' } })
    try {
      const rows = client.db(mongo.newDatabase()).collection<{ _id: number }>('rows')
      // The driver tries a write twice; a client that has not heard of the election yet needs more.
      const insert = async (id: number): Promise<void> => {
        const once = () => rows.updateOne({ _id: id }, { $setOnInsert: { _id: id } }, { upsert: true })
        const isThere = () =>
          once().then(
            () => true,
            () => false,
          )
        expect(await until(clock, isThere, { withinMs: 60_000, everyMs: 200 })).toBe(true)
      }
      await insert(1)
      const first = await mongo.primary()
      const firstPid = first.pid
      await first.kill()
      expect(isRunning(firstPid)).toBe(false)
      await insert(2)
      const second = await mongo.primary()
      expect(second.port).not.toBe(first.port)
      await first.start()
      expect(first.pid).not.toBe(firstPid)
      const third = await mongo.stepDown()
      expect(third.port).not.toBe(second.port)
      await insert(3)
      await second.stop()
      await second.start()
      expect(await rows.find().sort({ _id: 1 }).toArray()).toEqual([{ _id: 1 }, { _id: 2 }, { _id: 3 }])
    } finally {
      await client.close()
      await mongo.stop()
    }
    expect(mongo.pids.filter(isRunning)).toEqual([])
  })
})

describe('a replica set of one', () => {
  it('comes back after a kill and after a step-down, and leaves nothing', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    const mongo = await startMongo({ members: 1 })
    const client = new MongoClient(mongo.url, { writeConcern: { w: 'majority' } })
    try {
      const rows = client.db(mongo.newDatabase()).collection<{ _id: number }>('rows')
      await rows.insertOne({ _id: 1 })
      await mongo.members[0]?.kill()
      await mongo.members[0]?.start()
      await mongo.primary()
      await rows.insertOne({ _id: 2 })
      await mongo.stepDown()
      await rows.insertOne({ _id: 3 })
      expect(await rows.countDocuments()).toBe(3)
    } finally {
      await client.close()
      await mongo.stop()
    }
    expect(mongo.pids).toHaveLength(1)
    expect(mongo.pids.filter(isRunning)).toEqual([])
  })
})
