/**
 * The faulty layer: nothing of it shows when it is calm, each fault does what its name says, and a seed is the same run
 * again.
 *
 * The contract suite runs through it twice: calm; and with the faults that the port allows a cloud to have (a call that
 * fails or is not answered, a token that expires, a list that breaks off, machines that are slow to come and to go), asked
 * as the director asks: looked up after an unknown outcome, then again. The others break the contract by their nature and
 * are the simulation's (`npm run sim -- --clouds`): two machines for one order, lists that are old or pretend to be whole, a
 * quota that others take.
 */

import { describe, expect, it } from 'vitest'
import { type Clock, sleep, systemClock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import { cloudCallMs } from '../../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { cloudContract } from '../contract/cloud.ts'
import { sampleOffering } from '../unit/director/world.ts'
import { fakeCloud } from '../../sim/fake-cloud.ts'
import { fakeHarness } from './fake-harness.ts'
import { type Fault, type FaultyCloud, faultsAt, faultyCloud, noFaults } from '../../sim/faulty-cloud.ts'
import { virtualClock } from './virtual-clock.ts'

cloudContract('fake, through the faulty layer when it is calm', async () => {
  let faulty: FaultyCloud | undefined
  const harness = fakeHarness((cloud) => {
    faulty = faultyCloud({ cloud, clock: systemClock(), random: seededRandom(1), callMs: 50 })
    return faulty
  })
  const silence = async (): Promise<void> => {
    if (faulty) faulty.rates = { ...noFaults, silent: 1 }
  }
  return { ...harness, skips: {}, provoke: { ...harness.provoke, silence } }
})

let seed = 0
cloudContract('fake, through what the port lets happen', async () => {
  seed += 1
  const random = seededRandom(seed)
  const harness = fakeHarness((cloud) =>
    patient(
      faultyCloud({
        ...{ cloud, clock: systemClock(), random, callMs: 20, expiredMs: 20, stuckMs: 100 },
        rates: { ...faultsAt(0.3), twice: 0, old: 0, part: 0, quotaTaken: 0 },
      }),
      systemClock(),
    ),
  )
  const skips = { 'throws rather than listing a part of its VMs': 'it is asked until it lists them' }
  return { ...harness, skips: { ...harness.skips, ...skips } }
})

/** Asks until there is an answer; a create of unknown outcome only when no list shows its machine. */
function patient(cloud: Cloud, clock: Clock): Cloud {
  async function ask<Value>(act: () => Promise<Value>): Promise<Value> {
    for (;;) {
      try {
        return await act()
      } catch (error) {
        const isPassing = error instanceof PilotageError && ['cloud-transient', 'cloud-auth'].includes(error.code)
        if (!isPassing) throw error
        await sleep(clock, 1)
      }
    }
  }
  return {
    name: cloud.name,
    list: () => ask(() => cloud.list()),
    destroy: (ref) => ask(() => cloud.destroy(ref)),
    consoleLog: (ref) => ask(() => cloud.consoleLog(ref)),
    quota: () => ask(() => cloud.quota()),
    create: (order) =>
      ask(async () => {
        const there = (await cloud.list()).find(({ vmId }) => vmId === order.vmId)
        return there ? { ref: there.ref } : await cloud.create(order)
      }),
  }
}

function opened(fault?: Fault, changes: Partial<Parameters<typeof faultyCloud>[0]> = {}) {
  const clock = virtualClock()
  const random = seededRandom(1)
  const beneath = fakeCloud({ name: 'fake', clock, random, bootMs: 1000 })
  const rates = fault ? { [fault]: 1 } : {}
  const cloud = faultyCloud({ cloud: beneath, clock, random, rates, ...changes })
  const order = (): VmOrder => ({ vmId: newVmId(random), shape: sampleOffering(), userData: '' })
  const refs = async (): Promise<readonly string[]> => (await cloud.list()).map(({ ref }) => ref)
  return { clock, beneath, cloud, order, refs }
}

describe('each fault', () => {
  it.each<[Fault, string, number]>([
    ['unwell', 'cloud-transient', 0],
    ['busy', 'cloud-transient', 0],
    ['expired', 'cloud-auth', 0],
    ['quotaTaken', 'cloud-quota', 0],
    ['lostReply', 'cloud-transient', 1],
  ])('%s fails a create with %s and leaves %i machines', async (fault, code, machines) => {
    const { cloud, order, beneath } = opened(fault)
    await expect(cloud.create(order())).rejects.toMatchObject({ code })
    expect(beneath.present()).toHaveLength(machines)
    expect(cloud.met[fault]).toBe(1)
  })

  it('silence lasts as long as a call may, and half of what was asked is done', async () => {
    const { clock, cloud, order, beneath } = opened('silent')
    const fromMs = clock.nowMs()
    const failures: string[] = []
    for (let at = 0; at < 20; at += 1) {
      cloud.create(order()).catch((error: unknown) => {
        failures.push(`${error instanceof PilotageError && error.code} ${clock.nowMs() - fromMs}`)
      })
    }
    await clock.advance(cloudCallMs - 1)
    expect(failures).toEqual([])
    await clock.advance(1)
    expect(failures).toEqual(Array.from({ length: 20 }, () => `cloud-transient ${cloudCallMs}`))
    expect(beneath.present().length).toBeGreaterThan(4)
    expect(beneath.present().length).toBeLessThan(16)
  })

  it('a token that has expired fails every call until it is renewed', async () => {
    const { clock, cloud } = opened('expired', { expiredMs: 60_000 })
    await expect(cloud.quota()).rejects.toMatchObject({ code: 'cloud-auth' })
    cloud.rates = noFaults
    for (let at = 0; at < 60; at += 1) {
      await cloud.list().catch(() => undefined)
      await clock.advance(1000)
    }
    expect(cloud.met.expired, 'for a while, and asking does not make it longer').toBeGreaterThan(1)
    expect(cloud.met.expired).toBeLessThan(60)
    expect(await cloud.list()).toEqual([])
  })

  it('twice makes two machines of one id, and asking again makes no third', async () => {
    const { cloud, order, beneath } = opened('twice')
    const wanted = order()
    await cloud.create(wanted)
    await cloud.create(wanted)
    expect((await cloud.list()).map(({ vmId }) => vmId)).toEqual([wanted.vmId, wanted.vmId])
    expect(beneath.present().map(({ order: { vmId } }) => cloud.ownerOf(vmId))).toEqual([wanted.vmId, wanted.vmId])
  })

  it('a quota that others used up is reported, and what is there already is given still', async () => {
    const { clock, cloud, order } = opened()
    const first = order()
    const { ref } = await cloud.create(first)
    cloud.rates = { ...noFaults, quotaTaken: 1 }
    await expect(cloud.create(order())).rejects.toMatchObject({ code: 'cloud-quota' })
    expect(await cloud.create(first)).toEqual({ ref })
    cloud.rates = noFaults
    expect((await cloud.quota()).vms).toBe(1)
    await clock.advance(120_000)
    expect((await cloud.quota()).vms).toBe(Infinity)
  })

  it('stuck in being built or in ending, until it comes loose', async () => {
    const { clock, cloud, order } = opened('stuckBuilding')
    const { ref } = await cloud.create(order())
    await clock.advance(2000)
    expect(await cloud.list()).toMatchObject([{ ref, power: 'building' }])
    cloud.rates = { ...noFaults, stuckEnding: 1 }
    expect(await cloud.destroy(ref)).toBe('going')
    cloud.rates = noFaults
    expect(await cloud.destroy(ref)).toBe('going')
    expect(await cloud.list()).toMatchObject([{ ref, power: 'ending' }])
    expect(cloud.isStuck(ref)).toBe(true)
    cloud.calm()
    expect(await cloud.destroy(ref)).toBe('gone')
    cloud.rates = { ...noFaults, stuckEnding: 1 }
    expect(await cloud.destroy(ref), 'what is gone is not stuck').toBe('gone')
  })
})

describe('a list', () => {
  it('is as old as it may be: new machines are not there yet, deleted ones still are', async () => {
    const { clock, cloud, order, refs } = opened()
    const { ref: early } = await cloud.create(order())
    await refs()
    await clock.advance(30_000)
    const { ref: late } = await cloud.create(order())
    await cloud.destroy(early)
    cloud.rates = { ...noFaults, old: 1 }
    const seen = new Set<string>()
    for (let at = 0; at < 40; at += 1) seen.add((await refs()).join())
    expect(seen).toEqual(new Set([early, late]))
    await clock.advance(120_001)
    for (let at = 0; at < 40; at += 1) expect(await refs(), 'never older').toEqual([late])
  })

  it('that breaks off is noticed, or is not: but no more than two in a row', async () => {
    const { cloud, order, refs } = opened()
    const all: string[] = []
    for (let at = 0; at < 20; at += 1) all.push((await cloud.create(order())).ref)
    cloud.rates = { ...noFaults, broken: 1 }
    await expect(cloud.list()).rejects.toMatchObject({ code: 'cloud-transient' })
    cloud.rates = { ...noFaults, part: 1 }
    const lengths: number[] = []
    for (let at = 0; at < 6; at += 1) lengths.push((await refs()).length)
    expect(lengths.map((length) => length === all.length)).toEqual([false, false, true, false, false, true])
  })
})

it('fails as often as the test asked, and in the same way from the same seed', async () => {
  const run = async () => {
    const { cloud, order, clock } = opened(undefined, { rates: faultsAt(0.3), expiredMs: 1 })
    for (let at = 0; at < 1000; at += 1) {
      const asked = cloud.create(order()).catch(() => undefined)
      await clock.advance(cloudCallMs + 1)
      await asked
    }
    return cloud.met
  }
  const met = await run()
  const total = Object.values(met).reduce((sum, more) => sum + more, 0)
  expect(total).toBeGreaterThan(250)
  expect(total).toBeLessThan(350)
  expect(await run()).toEqual(met)
})
