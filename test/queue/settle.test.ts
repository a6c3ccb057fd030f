import { expect, it } from 'vitest'
import { leaseOf } from '../../core/job.ts'
import { openSession } from '../../services/queue/session.ts'
import { leaseMs, offerOf, openPilot, openQueue, submitSome } from './open-queue.ts'

/** A VM that holds job 1, and whose pilot never got it. */
async function lostAssignment() {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one')
  await submitSome(test, 1)
  await pilot.offer(2)
  pilot.close()
  const heard: string[] = []
  const session = await openSession(test.queue, pilot.vmId, {
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
