import { openLedger } from '../../../core/share/ledger.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { FactStore } from '../../../core/ports/store.ts'
import type { ProcessSeat } from '../../../services/coordination/seat.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { exchangeUsage, publishInTurns, readUsage } from '../../../services/accounting/exchange-usage.ts'
import { alice, bob } from '../../../sim/samples.ts'

const minute = 60_000
const nowMs = 1000 * minute

let store: FactStore

beforeEach(() => {
  store = memoryStore()
})

const seat = (number: number, fence = 1): ProcessSeat => ({ role: `api:0${number}`, fence, rank: number, of: 2 })

/** A process as it starts: with what all have used. */
async function start() {
  const ledger = openLedger(nowMs)
  ledger.hear(await readUsage(store, nowMs), nowMs)
  const uses = exchangeUsage(store, ledger, systemClock())
  return {
    charge: (owner: Owner, minutes: number) =>
      ledger.charge(owner, { attempt: '', cores: 1, ranMs: minutes * minute }, nowMs),
    used: (owner: Owner) => Math.round(ledger.usageOf(owner, nowMs) / minute),
    exchange: (at: ProcessSeat | undefined, atMs = nowMs) => uses.exchange(at, atMs),
    isNew: (at: ProcessSeat) => uses.isNew(at),
  }
}

describe('what owners used', () => {
  it('is known to every process after each has published it, and counted once', async () => {
    const [one, two] = [await start(), await start()]
    one.charge(alice, 30)
    two.charge(alice, 12)
    two.charge(bob, 5)
    for (const round of [1, 2, 3]) {
      await one.exchange(seat(0))
      await two.exchange(seat(1))
      if (round === 1) continue
      expect([one.used(alice), one.used(bob)]).toEqual([42, 5])
      expect([two.used(alice), two.used(bob)]).toEqual([42, 5])
    }
  })

  it('is as it was after a restart, from the first moment and once on the seat again', async () => {
    const before = await start()
    before.charge(alice, 30)
    await before.exchange(seat(0))
    const after = await start()
    expect(after.used(alice)).toBe(30)
    await after.exchange(seat(0))
    expect(after.used(alice)).toBe(30)
    after.charge(alice, 10)
    await after.exchange(seat(0))
    expect(after.used(alice)).toBe(40)
    expect((await start()).used(alice)).toBe(40)
  })

  it('goes on with the next process in the seat, and the process before it does not count it', async () => {
    const [one, two] = [await start(), await start()]
    one.charge(alice, 30)
    await one.exchange(seat(0))
    // It lost its seat; another one takes it over, and it gets a new one.
    await two.exchange(seat(0, 2))
    await one.exchange(seat(1))
    await two.exchange(seat(0, 2))
    expect([one.used(alice), two.used(alice)]).toEqual([30, 30])
    expect(one.isNew(seat(1))).toBe(false)
    expect(one.isNew(seat(1, 3))).toBe(true)
  })

  it('of a process that is gone stays', async () => {
    const [one, two] = [await start(), await start()]
    two.charge(bob, 7)
    await one.exchange(seat(0))
    await two.exchange(seat(1))
    for (let count = 0; count < 3; count += 1) await one.exchange(seat(0))
    expect(one.used(bob)).toBe(7)
    expect((await start()).used(bob)).toBe(7)
  })

  it.each([
    ['of pilots', 'api'],
    ['without pilots', 'charger'],
  ])('is that of all processes %s, however many they are', async (_, prefix) => {
    for (let at = 0; at < 19; at += 1) {
      const one = await start()
      one.charge(at % 2 === 0 ? alice : bob, 1)
      await one.exchange({ ...seat(0), role: `${prefix}:${String(at).padStart(2, '0')}` })
    }
    const seen = await start()
    expect([seen.used(alice), seen.used(bob)]).toEqual([10, 9])
  })

  it('is counted also from a process without a seat, and then not kept', async () => {
    const [one, two] = [await start(), await start()]
    one.charge(alice, 30)
    two.charge(alice, 1)
    await one.exchange(seat(0))
    await two.exchange(undefined)
    expect(two.used(alice)).toBe(31)
    expect((await start()).used(alice)).toBe(30)
  })
})

it('moves the turns of many owners some at a time, and those of all', async () => {
  const ledger = openLedger(nowMs)
  const heard: string[] = []
  ledger.onChange(({ ownerKey: key }) => heard.push(key))
  const owners = Array.from({ length: 1000 }, (_, at) => [`v\u0000g\u0000${at}`, minute] as const)
  const changes = ledger.hear({ epochMs: nowMs, owners }, nowMs)
  expect([changes.length, heard.length]).toEqual([1000, 0])
  const published = publishInTurns(systemClock(), ledger, changes)
  expect(heard.length).toBeGreaterThan(0)
  expect(heard.length).toBeLessThan(200)
  await published
  expect(heard).toEqual(owners.map(([key]) => key))
})
