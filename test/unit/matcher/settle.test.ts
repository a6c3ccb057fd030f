import { expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import { leaseOf } from '../../../core/model/job.ts'
import type { Store } from '../../../core/ports/store.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { openPilotStream } from '../../../services/matcher/pilot-stream.ts'
import { leaseMs, offerOf, openPilot, openQueue, submitSome } from './open-queue.ts'

/** A VM that holds job 1, and whose pilot never got it. */
async function lostAssignment() {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 1)
  await pilot.offer(2)
  pilot.close()
  const heard: string[] = []
  const session = await openPilotStream(test.matching, pilot.vmId, {
    send: ({ assignments }) => heard.push(...assignments.map(({ jobId, attempt }) => `${jobId}.${attempt}`)),
    end: () => {},
  })
  return { test, session, heard }
}

it('a lease that comes again holds as long as its pilot will count it', async () => {
  const { test, session, heard } = await lostAssignment()
  await test.clock.advance(leaseMs - 1000)
  await session.receive({ hello: { version: 'test', held: [] }, reports: [], renew: [] })
  await test.clock.settle()
  expect(heard).toEqual(['1.1'])
  const [job] = await test.store.list({ limit: 1 })
  expect(job && leaseOf(job.phase)?.untilMs).toBe(test.clock.nowMs() + leaseMs)
})

it('nothing is claimed for an offer that came before it is known what the VM holds', async () => {
  const { test, session, heard } = await lostAssignment()
  await submitSome(test, 2)
  const hello = session.receive({ hello: { version: 'test', held: [] }, reports: [], renew: [] })
  await session.receive({ reports: [], renew: [], offer: offerOf(2, 0) })
  await hello
  await test.clock.settle()
  await test.clock.settle()
  expect(heard).toEqual(['1.1', '2.1'])
})

/**
 * A store whose answers to claims are lost, before or after the commit; and that does not answer what a VM holds as long.
 */
function losing() {
  const kept = memoryStore()
  const lost = (): never => {
    throw new PilotageError('unavailable', 'as the test wished')
  }
  const faults = { claims: 0, afterCommit: true, leasesOn: 0, reads: 0 }
  const store: Store = {
    ...kept,
    async change(events: readonly JobEvent[], nowMs) {
      if (events[0]?.kind !== 'claim' || faults.claims === 0) return await kept.change(events, nowMs)
      faults.claims -= 1
      if (faults.afterCommit) await kept.change(events, nowMs)
      return lost()
    },
    async leasesOn(vmId) {
      faults.reads += 1
      if (faults.leasesOn === 0) return await kept.leasesOn(vmId)
      faults.leasesOn -= 1
      return lost()
    },
  }
  return { store, faults }
}

it.each([true, false])('a claim whose answer was lost is sent, or asked for anew (committed: %s)', async (afterCommit) => {
  const { store, faults } = losing()
  const test = await openQueue(store)
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 3)
  Object.assign(faults, { claims: 1, afterCommit })
  await pilot.offer(2)
  await test.clock.advance(100)
  expect([...pilot.assigned()].sort()).toEqual(['1.1', '2.1'])
  const held = await store.leasesOn(pilot.vmId)
  expect(held.map(({ id, attempt }) => `${id}.${attempt}`).sort()).toEqual(['1.1', '2.1'])
})

it('nothing more is claimed until it is known what was, however long the store is unreachable', async () => {
  const { store, faults } = losing()
  const test = await openQueue(store)
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 4)
  Object.assign(faults, { claims: 1, leasesOn: 4 })
  await pilot.offer(2)
  await pilot.offer(2)
  await test.clock.advance(3000)
  expect(pilot.assigned()).toEqual([])
  await test.clock.advance(60_000)
  expect([...pilot.assigned()].sort()).toEqual(['1.1', '2.1'])
  expect(await store.leasesOn(pilot.vmId)).toHaveLength(2)
  await pilot.offer(2)
  expect([...pilot.assigned()].sort()).toEqual(['1.1', '2.1', '3.1', '4.1'])
})

it('a session that is closed asks no more', async () => {
  const { store, faults } = losing()
  const test = await openQueue(store)
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 1)
  Object.assign(faults, { claims: 1, leasesOn: 1000 })
  await pilot.offer(1)
  pilot.close()
  const { reads } = faults
  await test.clock.advance(60_000)
  expect(faults.reads).toBeLessThanOrEqual(reads + 1)
})

it('a claim that came too late for its stream is sent on the next one', async () => {
  const kept = memoryStore()
  const gate = Promise.withResolvers<void>()
  let isSlow = false
  const change: Store['change'] = async (events, nowMs) => {
    if (isSlow && events[0]?.kind === 'claim') await gate.promise
    return await kept.change(events, nowMs)
  }
  const test = await openQueue({ ...kept, change })
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 1)
  isSlow = true
  await pilot.offer(1)
  isSlow = false
  const heard: string[] = []
  const session = await openPilotStream(test.matching, pilot.vmId, {
    send: ({ assignments }) => heard.push(...assignments.map(({ jobId, attempt }) => `${jobId}.${attempt}`)),
    end: () => {},
  })
  await session.receive({ hello: { version: 'test', held: [] }, reports: [], renew: [] })
  await test.clock.advance(100)
  expect(heard).toEqual([])
  gate.resolve()
  for (let turn = 0; turn < 10; turn += 1) await test.clock.advance(100)
  expect(heard).toEqual(['1.1'])
})
