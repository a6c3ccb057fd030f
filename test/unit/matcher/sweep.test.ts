import { sweeperRole } from '../../../core/model/roles.ts'
import { expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { sweep } from '../../../services/jobs/sweep.ts'
import { leaseMs, openPilot, openQueue, submitSome, type TestQueue } from './open-queue.ts'

const under = (fence: number) => ({ role: sweeperRole, fence })

/** A job whose lease has ended long ago, and a sweeper that has just come. */
async function overdue() {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one')
  const [id] = (await submitSome(test, 1)) as [JobId]
  await pilot.offer(1)
  await test.clock.advance(10 * leaseMs)
  return { test, id, sweeper: sweep(test.queue) }
}

async function stateOf({ store }: TestQueue, id: JobId): Promise<string | undefined> {
  return (await store.jobs([id]))[0]?.phase.state
}

it('does nothing without the role', async () => {
  const { test, id, sweeper } = await overdue()
  for (let at = 0; at < 30; at += 1) {
    await test.clock.advance(leaseMs / 10)
    await sweeper.step(undefined)
  }
  expect(await stateOf(test, id)).toBe('Matched')
})

it('gives every lease its whole time again when it has taken the role over', async () => {
  const { test, id, sweeper } = await overdue()
  for (let at = 0; at < 20; at += 1) {
    await test.clock.advance(leaseMs / 10)
    // Another process had it for a moment.
    await sweeper.step(under(at < 5 ? 1 : 3))
    const expected = at < 15 ? 'Matched' : 'Waiting'
    expect(await stateOf(test, id), `step ${at}`).toBe(expected)
  }
})

it('ends no lease while no process serves pilots, nor soon after', async () => {
  const { test, id, sweeper } = await overdue()
  await test.store.letGo('api:00', 'only')
  for (let at = 0; at < 20; at += 1) {
    await test.clock.advance(leaseMs / 10)
    await sweeper.step(under(1))
  }
  expect(await stateOf(test, id)).toBe('Matched')
  await test.store.hold('api:00', 'again', 10 ** 12, test.clock.nowMs())
  for (let at = 0; at < 9; at += 1) {
    await test.clock.advance(leaseMs / 10)
    await sweeper.step(under(1))
  }
  expect(await stateOf(test, id)).toBe('Matched')
  await test.clock.advance(leaseMs / 10)
  await sweeper.step(under(1))
  expect(await stateOf(test, id)).toBe('Waiting')
})
