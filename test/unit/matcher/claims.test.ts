/** A pilot gets no more work than the record of its VM has room for, whatever it offers and however often. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { overclaimPauseMs } from '../../../core/kernel/limits.ts'
import { openPilotStream } from '../../../services/matcher/pilot-stream.ts'
import { activeVm, sampleRequirements, sampleResult } from '../../../sim/samples.ts'
import { offerOf, openPilot, openQueue, submitSome, type TestQueue } from './open-queue.ts'

/** A VM of 4 cores, and a pilot that counts whatever it is given as received and its machine as free. */
async function hostilePilot({ matching, store, clock }: TestQueue) {
  const vm = activeVm('bad', { cores: 4, endByMs: 10 ** 12 })
  await store.intend(vm, clock.nowMs())
  const open = async () => {
    let received = 0
    const session = await openPilotStream(matching, vm.id, {
      send: ({ assignments }) => {
        received += assignments.length
      },
      end: () => {},
    })
    await session.receive({ hello: { version: 'bad', held: [] }, reports: [], renew: [] })
    return {
      async offer() {
        await session.receive({ reports: [], renew: [], offer: offerOf(4, received) })
        await clock.settle()
        await clock.settle()
      },
      close: () => session.close(),
    }
  }
  return { vmId: vm.id, open }
}

describe('a pilot that hides what it holds', () => {
  it('gets no more than the cores of its VM, over many offers and streams, and operators hear of it', async () => {
    const test = await openQueue()
    const { vmId, open } = await hostilePilot(test)
    await submitSome(test, 1493)
    for (let stream = 0; stream < 3; stream += 1) {
      const pilot = await open()
      for (let offers = 0; offers < 50; offers += 1) {
        await pilot.offer()
        await test.clock.advance(200)
      }
      pilot.close()
    }
    expect(await test.store.vm(vmId)).toMatchObject({ leases: 4, used: { cores: 4 } })
    expect((await test.store.history(`vm:${vmId}`, 100)).filter(({ kind }) => kind === 'claim refused')).toHaveLength(1)
    expect((await test.store.counts()).find(({ state }) => state === 'Waiting')?.count).toBe(1489)
  })

  it('takes nothing from an honest pilot', async () => {
    const test = await openQueue()
    const bad = await (await hostilePilot(test)).open()
    const good = await openPilot(test, 'good')
    await submitSome(test, 20)
    for (let offers = 0; offers < 5; offers += 1) await bad.offer()
    await good.offer(8)
    expect(good.assigned()).toHaveLength(8)
  })
})

it('claims of an unknown outcome that exceed the record are taken back before a pilot hears of them', async () => {
  const test = await openQueue()
  const ids = await submitSome(test, 6)
  // As a store leaves them that wrote the claims and could not confirm them: the record has shrunk under them here.
  const roomy = activeVm('roomy', { endByMs: 10 ** 12 })
  await test.store.intend(roomy, test.clock.nowMs())
  const real = { ...test.store }
  const claims = ids.map((jobId) => ({ kind: 'claim', jobId, vmId: roomy.id, cores: 1, untilMs: 10 ** 12 }) as const)
  await real.change(claims, test.clock.nowMs())
  Object.assign(test.queue.store, {
    vm: async () => ({ ...(await real.vm(roomy.id)), vm: { ...roomy, cores: 4 } }),
    leasesOn: () => real.leasesOn(roomy.id),
  })
  const heard: number[] = []
  const session = await openPilotStream(test.matching, roomy.id, {
    send: ({ assignments }) => heard.push(...assignments.map(({ jobId }) => jobId)),
    end: () => {},
  })
  await session.receive({ hello: { version: 'test', held: [] }, reports: [], renew: [] })
  await test.clock.settle()
  expect(heard).toEqual(ids.slice(0, 4))
  expect((await real.jobs(ids.slice(4))).map(({ phase, maxAttempts }) => [phase.state, maxAttempts])).toEqual([
    ['Waiting', 4],
    ['Waiting', 4],
  ])
})

describe('an honest pilot', () => {
  it('fills its VM again and again, with the ends that make room in the message of the offer', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 40)
    await pilot.offer(8)
    for (let round = 1; round < 5; round += 1) {
      const ids = pilot
        .assigned()
        .slice(-8)
        .map((name) => Number(name.split('.')[0]) as JobId)
      const reports = ids.map((jobId, at) => {
        return { jobId, attempt: 1, reportId: 8 * round + at, startedMs: 5, phase: 'ended' as const, result: sampleResult() }
      })
      await pilot.say({ reports, offer: offerOf(8, pilot.assigned().length) })
      expect(pilot.assigned()).toHaveLength(8 * (round + 1))
    }
    expect((await test.store.history(`vm:${pilot.vmId}`, 100)).map(({ kind }) => kind)).toEqual(['Active'])
  })

  it('whose record is smaller than its machine is served again when a lease of its has ended', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const ids = await submitSome(test, 3, { requirements: sampleRequirements({ memoryBytes: 4 * 2 ** 30 }) })
    // It has memory for all three; its record has it for two.
    await pilot.offer(3)
    await pilot.offer(1)
    expect(pilot.assigned()).toHaveLength(2)
    const result = sampleResult()
    await pilot.say({ reports: [{ jobId: ids[0] as JobId, attempt: 1, reportId: 1, startedMs: 5, phase: 'ended', result }] })
    await test.clock.advance(2 * overclaimPauseMs)
    await test.clock.settle()
    expect(pilot.assigned()).toHaveLength(3)
  })
})
