/** What one caller may ask of a process: its rate, what it has under way, and that nothing of it stays. */

import { describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../../core/kernel/clock.ts'
import type { Identity } from '../../../core/model/owner.ts'
import { loadLimits, unfinishedBytes } from '../../../core/kernel/limits.ts'
import { newLoads } from '../../../services/api/grpc/load.ts'
import { alice, bob } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const user = (owner = alice): Identity => ({ kind: 'user', owner, roles: ['user'] })
const rate = 10

function loads() {
  const clock = virtualClock()
  const all = newLoads(clock, rate)
  return { clock, all, alice: all.of(user(), '127.0.0.1'), bob: all.of(user(bob), '127.0.0.1') }
}

/** What became of a promise by now. */
async function state(promise: Promise<unknown>): Promise<string> {
  const settled = promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: string }).code ?? 'thrown',
  )
  return Promise.race([settled, new Promise<string>((resolve) => systemClock().soon(() => resolve('pending')))])
}

describe('calls', () => {
  it('are let in up to the burst, wait then, and are refused when too many wait', async () => {
    const { clock, alice: load, bob: other } = loads()
    for (let at = 0; at < rate * loadLimits.burstSeconds; at += 1) (await load.enter(1))()
    const late = load.enter(1)
    expect(await state(late)).toBe('pending')
    // Another user sees nothing of it.
    expect(await state(other.enter(1))).toBe('resolved')
    await clock.advance(101)
    expect(await state(late)).toBe('resolved')
    load.charge(rate * 100)
    expect(await state(load.enter(1))).toBe('overloaded')
    await expect(load.enter(1)).rejects.toMatchObject({ retryAfterMs: expect.any(Number) })
  })

  it('of a caller that disconnected do not wait', async () => {
    const { alice: load } = loads()
    load.charge(rate * loadLimits.burstSeconds + 5)
    const gone = new AbortController()
    const waiting = load.enter(1, gone.signal)
    gone.abort()
    expect(await state(waiting)).toBe('cancelled')
  })

  it('under way are bounded, and leave nothing when they end', async () => {
    const { clock, all } = loads()
    const load = all.of(undefined, '10.0.0.1')
    const leaves: (() => void)[] = []
    for (let at = 0; at < loadLimits.anonymousCalls; at += 1) leaves.push(await load.enter(0))
    expect(await state(load.enter(0))).toBe('overloaded')
    leaves[0]?.()
    leaves[0]?.()
    leaves.push(await load.enter(0))
    expect(await state(load.enter(0))).toBe('overloaded')
    for (const leave of leaves) leave()
    await clock.advance(60_000)
    expect([...leaves].length).toBe(loadLimits.anonymousCalls + 1)
    expect(all.size()).toBeLessThanOrEqual(2)
  })
})

describe('reads', () => {
  it('of one caller run one at a time, in their order, with a pause as long as each', async () => {
    const { clock, alice: load, bob: other } = loads()
    const begun: number[] = []
    const all = Array.from({ length: 4 }, (_, at) =>
      load.read(async () => {
        begun.push(at)
        await sleep(clock, 30)
      }),
    )
    await state(Promise.all(all))
    expect(begun).toEqual([0])
    expect(await state(other.read(async () => 'at once'))).toBe('resolved')
    await clock.advance(31)
    expect(await state(all[0] as Promise<void>)).toBe('resolved')
    expect(begun).toEqual([0])
    await clock.advance(30)
    expect(begun).toEqual([0, 1])
    await clock.advance(3 * 60 + 1)
    expect(await state(Promise.all(all))).toBe('resolved')
  })

  it('that fail make room as well', async () => {
    const { clock, alice: load } = loads()
    const fail = (): Promise<never> => Promise.reject(new Error('as wanted'))
    for (let at = 0; at < 10; at += 1) {
      const failing = load.read(fail)
      failing.catch(() => {})
      await clock.advance(1)
      await expect(failing).rejects.toThrow('as wanted')
    }
    const last = load.read(async () => 'room')
    await clock.advance(1)
    expect(await last).toBe('room')
  })
})

describe('watches and large messages', () => {
  it('of one caller are bounded in number and in jobs', () => {
    const { alice: load, bob: other } = loads()
    const half = loadLimits.watchedJobs / 2
    const end = load.watch(half)
    load.watch(half)
    expect(() => load.watch(1)).toThrow('watches')
    expect(() => other.watch(1)).not.toThrow()
    end()
    end()
    load.watch(half)
    expect(() => load.watch(1)).toThrow('watches')
    const { alice: many } = loads()
    for (let at = 0; at < loadLimits.watches; at += 1) many.watch(1)
    expect(() => many.watch(1)).toThrow('watches')
  })

  it('are bounded per caller and in all', () => {
    const { all, alice: load } = loads()
    const largest = unfinishedBytes.perCaller / 2
    expect([load.meter.take(largest), load.meter.take(largest), load.meter.take(1)]).toEqual([true, true, false])
    load.meter.give(largest)
    expect(load.meter.take(largest)).toBe(true)
    let taken = 2
    for (let at = 0; at < 20; at += 1) if (all.of(user({ ...bob, owner: `${at}` }), '').meter.take(largest)) taken += 1
    expect(taken).toBe(unfinishedBytes.inAll / largest)
  })
})
