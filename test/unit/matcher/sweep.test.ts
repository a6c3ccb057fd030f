import { sweeperRole } from '../../../core/model/roles.ts'
import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { leaseOf } from '../../../core/model/job.ts'
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

it('notices a dead VM in time after the clock was put back', async () => {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one')
  const sweeper = sweep(test.queue)
  const steps = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 2000) {
      await test.clock.advance(2000)
      await sweeper.step(under(1))
    }
  }
  await steps(2 * leaseMs)
  const [id] = (await submitSome(test, 1)) as [JobId]
  await pilot.offer(1)
  await sweeper.step(under(1))
  test.clock.putBack(180_000)
  await steps(leaseMs)
  expect(await stateOf(test, id)).toBe('Matched')
  await steps(6000)
  expect(await stateOf(test, id)).toBe('Waiting')
})

it('cuts a lease that another process wrote with a clock that was ahead', async () => {
  const { test, id, sweeper } = await overdue()
  const untilMs = test.clock.nowMs() + 10 * leaseMs
  const vmId = leaseOf((await test.store.jobs([id]))[0]?.phase ?? { state: 'Waiting' })?.vmId as VmId
  await sweeper.step(under(1))
  await test.store.change([{ kind: 'renew', jobId: id, attempt: 1, vmId, untilMs }], test.clock.nowMs())
  for (let at = 0; at < 21; at += 1) {
    await test.clock.advance(leaseMs / 10)
    await sweeper.step(under(1))
  }
  expect(await stateOf(test, id)).toBe('Waiting')
})

it.each([6, 600])('ends no lease because the clock is put ahead by %i s in the middle of a step', async (aheadS) => {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one')
  const [id] = (await submitSome(test, 1)) as [JobId]
  let isPut = false
  const store = {
    ...test.store,
    async roles(prefix: string, nowMs: number) {
      const roles = await test.store.roles(prefix, nowMs)
      if (isPut) test.clock.putBack(-aheadS * 1000)
      isPut = false
      return roles
    },
  }
  const sweeper = sweep({ ...test.queue, store })
  const steps = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 1000) {
      await test.clock.advance(1000)
      await sweeper.step(under(1))
    }
  }
  await steps(leaseMs + 5000)
  await pilot.offer(1)
  await steps(leaseMs - 4000)
  isPut = true
  await sweeper.step(under(1))
  expect(await stateOf(test, id)).toBe('Matched')
  // The pilot could not renew what was over at once: as after a take-over.
  await steps(leaseMs - 5000)
  expect(await stateOf(test, id)).toBe('Matched')
  await steps(10_000)
  expect(await stateOf(test, id)).toBe('Waiting')
})
