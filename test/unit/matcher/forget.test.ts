import { expect, it } from 'vitest'
import { accountBatch } from '../../../services/accounting/account-facts.ts'
import { steer } from '../../../services/jobs/steer.ts'
import { asAlice, openQueue, submitSome } from './open-queue.ts'

async function accountAll({ store }: Awaited<ReturnType<typeof openQueue>>): Promise<void> {
  while ((await accountBatch({ store })) > 0) {
    // All that there is.
  }
}

it('forgets as fast as jobs can come, not a thousand a minute', async () => {
  const test = await openQueue()
  const ids = await submitSome(test, 5000)
  await steer(test.queue, asAlice, ids, { kind: 'kill', why: '' })
  await accountAll(test)
  await test.clock.advance(test.queue.policy.keepEndedMs + 60_000)
  await test.sweep.step()
  expect(await test.store.counts()).toEqual([])
})

it('informs the sandbox of everything that is forgotten', async () => {
  const test = await openQueue()
  const dropped: number[] = []
  const forget = async (some: readonly number[]): Promise<void> => {
    dropped.push(...some)
  }
  Object.assign(test.queue.sandbox, { forget })
  const ids = await submitSome(test, 2500)
  await steer(test.queue, asAlice, ids, { kind: 'kill', why: '' })
  await accountAll(test)
  await test.clock.advance(test.queue.policy.keepEndedMs + 60_000)
  await test.sweep.step()
  expect(dropped).toEqual(ids)
})

it('forgets no job whose facts are not accounted yet', async () => {
  const test = await openQueue()
  const ids = await submitSome(test, 3)
  await steer(test.queue, asAlice, ids, { kind: 'kill', why: '' })
  await test.clock.advance(test.queue.policy.keepEndedMs + 60_000)
  await test.sweep.step()
  expect(await test.store.counts()).toMatchObject([{ state: 'Killed', count: 3 }])
  await accountAll(test)
  await test.clock.advance(60_000)
  await test.sweep.step()
  expect(await test.store.counts()).toEqual([])
})
