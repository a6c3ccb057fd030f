/** Meters that no fact ends: which are settled, when, and which are left alone; and how often the accountant looks. */

import { describe, expect, it } from 'vitest'
import { newMeter, type VmMeter } from '../../../core/accounting/vm-meter.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Vm } from '../../../core/model/vm.ts'
import type { Store } from '../../../core/ports/store.ts'
import { accountant } from '../../../services/accounting/account-facts.ts'
import { settleMeters } from '../../../services/accounting/settle-meters.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { activeVm, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const startMs = 1_000_000

/** A store that has accounted all of its facts and has these meters. */
async function withMeters(meters: readonly VmMeter[], vms: readonly Vm[] = []): Promise<Store> {
  const store = memoryStore()
  for (const vm of vms) await store.intend(vm, startMs)
  await accountAll(store, meters)
  return store
}

async function accountAll(store: Store, meters: readonly VmMeter[] = []): Promise<void> {
  const afterSeq = await store.accountedSeq()
  const nextSeq = (await store.facts(afterSeq, 10_000)).at(-1)?.seq ?? afterSeq
  const kept = meters.map((meter) => ({ vmId: meter.vmId, text: JSON.stringify(meter) }))
  await store.account({ afterSeq, nextSeq, records: [], meters: kept, ended: [] })
}

const meterOf = (vm: Vm): VmMeter => ({ ...newMeter(vm, startMs), hasMachine: true, phase: 'up', activeMs: startMs })
const ended = async (store: Store, { id }: Vm, atMs: number): Promise<void> => {
  await store.changeVms([{ kind: 'absent', vmId: id, why: 'gone' }], atMs)
  await accountAll(store)
}
const keys = async (store: Store): Promise<readonly string[]> =>
  (await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 1000 })).map(({ vmId }) => vmId)

describe('a meter that no fact ends', () => {
  const vm = activeVm('one', { intendedMs: startMs })

  async function ends(agoMs: number, clock: VirtualClock): Promise<Store> {
    const store = await withMeters([meterOf(vm)], [vm])
    await ended(store, vm, clock.nowMs() - agoMs)
    return store
  }

  it('is settled when its VM ended more than a day ago', async () => {
    const clock = virtualClock(startMs + 3 * dayMs)
    const store = await ends(dayMs + 1, clock)
    expect(await settleMeters({ store, clock })).toBe(1)
    expect(await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 9 })).toMatchObject([
      { state: 'Lost', endedMs: startMs + 2 * dayMs - 1, overheadCoreMs: { idle: 8 * (2 * dayMs - 1) } },
    ])
    expect(await store.metersAfter(undefined, 9)).toEqual([])
  })

  it('is left alone when its VM ended less than a day ago', async () => {
    const clock = virtualClock(startMs + 3 * dayMs)
    const store = await ends(dayMs - 1, clock)
    expect(await settleMeters({ store, clock })).toBe(0)
    expect(await store.metersAfter(undefined, 9)).toHaveLength(1)
  })

  it('is left alone while it heard something within a day', async () => {
    const clock = virtualClock(startMs + 3 * dayMs)
    const store = await withMeters([{ ...meterOf(vm), atMs: clock.nowMs() - dayMs + 1 }], [vm])
    await ended(store, vm, startMs)
    expect(await settleMeters({ store, clock })).toBe(0)
  })

  it('is settled at its own time when the store has forgotten its VM', async () => {
    const clock = virtualClock(startMs + 90 * dayMs)
    const store = await withMeters([{ ...meterOf(vm), atMs: startMs + 500 }])
    expect(await settleMeters({ store, clock })).toBe(1)
    expect(await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 9 })).toMatchObject([
      { vmId: vm.id, state: 'Lost', endedMs: startMs + 500 },
    ])
  })

  it.each([
    ['is settled while a fact waits that came within the hour', hourMs - 1, 1],
    ['is left alone while a fact waits for longer', hourMs + 1, 0],
  ])('%s', async (_, agoMs, settled) => {
    const clock = virtualClock(startMs + 3 * dayMs)
    const store = await ends(2 * dayMs, clock)
    await store.emit([{ subject: 'cloud:here', kind: 'plan', data: {} }], clock.nowMs() - agoMs)
    expect(await settleMeters({ store, clock })).toBe(settled)
  })

  it('is found among many', async () => {
    const clock = virtualClock(startMs + 90 * dayMs)
    const all = Array.from({ length: 450 }, (_, at) => {
      return { ...meterOf(vm), vmId: `vm-${String(at).padStart(10, '0')}` as VmId }
    })
    const store = await withMeters(all)
    expect(await settleMeters({ store, clock })).toBe(450)
    expect(new Set(await keys(store))).toEqual(new Set(all.map(({ vmId }) => vmId)))
    expect(await store.metersAfter(undefined, 9)).toEqual([])
  })
})

describe('the accountant', () => {
  const vm = activeVm('one', { intendedMs: startMs })
  const under = { role: 'accountant', fence: 1 }

  it('accounts more than one batch in a step', async () => {
    const store = memoryStore()
    await store.intend(vm, startMs)
    const answer = await store.submit(sampleSubmission(Array.from({ length: 800 }, () => sampleSpec())), startMs)
    const first = answer.ok ? answer.firstId : 0
    const kills = Array.from({ length: 800 }, (_, at) => {
      return { kind: 'kill', jobId: (first + at) as JobId, by: 'a', why: '' } as const
    })
    await store.change(kills, startMs)
    const last = (await store.facts(-1, 1))[0]?.seq ?? 0
    expect(last).toBeGreaterThan(500)
    const { step } = accountant({ store, clock: virtualClock(startMs), keepRecordsMs: dayMs })
    await step(under)
    expect(await store.accountedSeq()).toBe(last)
  })

  it('looks for meters to settle once an hour, and forgets records once a minute', async () => {
    const clock = virtualClock(startMs + 90 * dayMs)
    const store = await withMeters([meterOf(vm)])
    let looks = 0
    const seen: number[] = []
    const watched: Store = {
      ...store,
      metersAfter: (after, limit) => {
        looks += 1
        return store.metersAfter(after, limit)
      },
      forgetUsageRecords: (beforeMs, limit) => {
        seen.push(beforeMs)
        return store.forgetUsageRecords(beforeMs, limit)
      },
    }
    const { step } = accountant({ store: watched, clock, keepRecordsMs: dayMs })
    await step(under)
    expect([looks, seen]).toEqual([0, []])
    await clock.advance(60_000)
    await step(under)
    await step(under)
    expect([looks, seen]).toEqual([0, [clock.nowMs() - dayMs]])
    await clock.advance(hourMs)
    await step(under)
    await step(under)
    expect([looks, seen.length]).toEqual([1, 2])
    // Its record is older than records are kept: it was forgotten before, and its sum stays.
    expect(await store.metersAfter(undefined, 9)).toEqual([])
  })
})
