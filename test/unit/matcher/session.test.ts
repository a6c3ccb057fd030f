import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Report } from '../../../core/model/pilot.ts'
import { openPilotStream } from '../../../services/matcher/pilot-stream.ts'
import { steer } from '../../../services/jobs/steer.ts'
import { activeVm, sampleRequirements, sampleResult, sampleVm } from '../../../sim/samples.ts'
import { asAlice, leaseMs, offerOf, openPilot, openQueue, submitSome, type TestQueue } from './open-queue.ts'

const ended = (jobId: JobId, attempt = 1, reportId = 1): Report => ({
  jobId,
  attempt,
  reportId,
  startedMs: 5,
  phase: 'ended',
  result: sampleResult(),
})

async function stateOf({ store }: TestQueue, id: JobId | undefined): Promise<string | undefined> {
  return (await store.jobs([id as JobId]))[0]?.phase.state
}

describe('offers', () => {
  it('are filled with what waits, and with what comes', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1)
    await pilot.offer(2)
    expect(pilot.assigned()).toEqual(['1.1'])
    await submitSome(test, 3)
    expect(pilot.assigned()).toEqual(['1.1', '2.1'])
    expect(pilot.heard[0]?.welcome?.leaseMs).toBe(leaseMs)
  })

  it('never count an assignment under way as free', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 4)
    await pilot.offer(2)
    // Sent before the two arrived: the pilot believes that both cores are free.
    await pilot.offer(2, 0)
    expect(pilot.assigned()).toHaveLength(2)
    await pilot.offer(1, 2)
    expect(pilot.assigned()).toHaveLength(3)
  })

  it('only narrow what the record says that the VM is, in room and in time', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1, { requirements: sampleRequirements({ cores: { min: 9, max: 9 } }) })
    await submitSome(test, 1, { requirements: sampleRequirements({ memoryBytes: 9 * 2 ** 30 }) })
    await submitSome(test, 1, { requirements: sampleRequirements({ wallMs: 10 ** 9 }) })
    await test.clock.advance(10 ** 12 - 10 ** 8 - test.clock.nowMs())
    // Of 8 cores and 8 GiB, with a tenth of the time left, whatever the machine says.
    await pilot.offer(64)
    expect(pilot.assigned()).toEqual([])
  })

  it('take as many cores as the job can use', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1, { requirements: sampleRequirements({ cores: { min: 2, max: 6 } }) })
    await pilot.offer(4)
    expect(pilot.heard.flatMap(({ assignments }) => assignments.map(({ cores }) => cores))).toEqual([4])
    expect((await test.store.vm(pilot.vmId))?.used.cores).toBe(4)
  })

  it('of a VM that drained while it was away get the word again', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await test.store.changeVms([{ kind: 'drain', vmId: pilot.vmId, why: 'by hand' }], 1)
    const again = await openPilot(test, 'one')
    expect(again.heard.flatMap(({ commands }) => commands)).toEqual([{ kind: 'drain', reason: 'by hand' }])
  })

  it('of a draining VM get nothing but the word to drain', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await test.store.changeVms([{ kind: 'drain', vmId: pilot.vmId, why: 'by hand' }], 1)
    await submitSome(test, 1)
    await pilot.offer(2)
    expect(pilot.assigned()).toEqual([])
    expect(pilot.heard.flatMap(({ commands }) => commands.map(({ kind }) => kind))).toEqual(['drain'])
    expect(await stateOf(test, 1 as JobId)).toBe('Waiting')
    const second = await openPilot(test, 'two')
    await second.offer(1)
    expect(second.assigned()).toEqual(['1.1'])
  })
})

describe('reports', () => {
  it('are acknowledged after they are written, and again when they come again', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    await pilot.say({ reports: [ended(id)] })
    expect(await stateOf(test, id)).toBe('Done')
    await pilot.say({ reports: [ended(id)] })
    const acks = pilot.heard.flatMap(({ acks: some }) => some)
    // The second one finds the job ended: the pilot may forget it all the same.
    expect(acks.map(({ reportId, refusal }) => [reportId, refusal])).toEqual([
      [1, ''],
      [1, 'stale'],
    ])
    expect((await test.store.history(`job:${id}`, 10)).filter(({ kind }) => kind === 'Done')).toHaveLength(1)
  })

  it('of another VM are refused and change nothing', async () => {
    const test = await openQueue()
    const [owner, thief] = [await openPilot(test, 'one'), await openPilot(test, 'two')]
    const [id] = (await submitSome(test, 1)) as [JobId]
    await owner.offer(1)
    await thief.say({ reports: [ended(id)], renew: [{ jobId: id, attempt: 1 }] })
    expect(thief.heard.flatMap(({ acks }) => acks.map(({ refusal }) => refusal))).toEqual(['stale', 'stale'])
    expect(await stateOf(test, id)).toBe('Matched')
  })

  it('that come with an offer fill it at once', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [first] = (await submitSome(test, 2)) as [JobId]
    await pilot.offer(1)
    await pilot.say({ reports: [ended(first)], offer: offerOf(1, 1) })
    expect(pilot.assigned()).toEqual(['1.1', '2.1'])
  })
})

describe('leases', () => {
  it('that are not renewed end, the job runs elsewhere, and the old pilot hears it', async () => {
    const test = await openQueue()
    const old = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await old.offer(1)
    for (let at = 0; at < 12; at += 1) {
      await test.clock.advance(leaseMs / 10)
      await test.sweep.step()
    }
    expect(await stateOf(test, id)).toBe('Waiting')
    const young = await openPilot(test, 'two')
    await young.offer(1)
    expect(young.assigned()).toEqual([`${id}.2`])
    await old.say({ reports: [ended(id)] })
    expect(old.heard.at(-1)?.acks).toMatchObject([{ refusal: 'stale' }])
    expect(await stateOf(test, id)).toBe('Matched')
  })

  it('that are renewed go on', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    for (let at = 0; at < 30; at += 1) {
      await test.clock.advance(leaseMs / 10)
      await pilot.say({ renew: [{ jobId: id, attempt: 1 }] })
      await test.sweep.step()
    }
    expect(await stateOf(test, id)).toBe('Matched')
    expect(pilot.heard.at(-1)?.renewedMs).toBe(leaseMs)
  })

  it('are all given their whole time again after a restart of ours', async () => {
    const before = await openQueue()
    const pilot = await openPilot(before, 'one')
    const [id] = (await submitSome(before, 1)) as [JobId]
    await pilot.offer(1)
    await before.clock.advance(10 * leaseMs)
    const after = await openQueue(before.store, before.clock)
    await after.sweep.step()
    expect(await stateOf(after, id)).toBe('Matched')
    for (let at = 0; at < 11; at += 1) {
      await after.clock.advance(leaseMs / 10)
      await after.sweep.step()
    }
    expect(await stateOf(after, id)).toBe('Waiting')
  })

  it('that a pilot never received are sent again on its next stream', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 2)
    await pilot.offer(2)
    pilot.close()
    const again = await openPilot(test, 'one', [{ jobId: 1 as JobId, attempt: 1 }])
    expect(again.assigned()).toEqual(['2.1'])
    const stranger = await openPilot(test, 'one', [{ jobId: 1 as JobId, attempt: 7 }])
    expect(stranger.heard.flatMap(({ acks }) => acks)).toEqual([{ jobId: 1, attempt: 7, reportId: 0, refusal: 'stale' }])
  })
})

describe('a kill', () => {
  it('of a running job reaches its pilot at once, and ends the job when the pilot says so', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    const killed = await steer(test.queue, asAlice, [id], { kind: 'kill', why: '' })
    expect(killed).toMatchObject([{ changed: true, state: 'Matched' }])
    await test.clock.settle()
    await test.clock.settle()
    expect(pilot.heard.at(-1)?.commands).toMatchObject([{ kind: 'stop', jobId: id, attempt: 1, reason: 'kill by alice' }])
    await pilot.say({ reports: [{ ...ended(id), phase: 'ended', result: sampleResult({ end: 'stopped' }) }] })
    expect(await stateOf(test, id)).toBe('Killed')
  })

  it('whose hint was lost reaches it with the next renewal', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const [id] = (await submitSome(test, 1)) as [JobId]
    await pilot.offer(1)
    await test.store.change([{ kind: 'kill', jobId: id, by: 'alice', why: '' }], 1)
    await pilot.say({ renew: [{ jobId: id, attempt: 1 }] })
    expect(pilot.heard.at(-1)?.commands).toMatchObject([{ kind: 'stop', jobId: id }])
  })
})

it('gives no stream to a VM that is not up', async () => {
  const test = await openQueue()
  const vm = sampleVm('one')
  const wire = { send: () => {}, end: () => {} }
  await test.store.intend(vm, 1)
  await expect(openPilotStream(test.matching, vm.id, wire)).rejects.toMatchObject({ code: 'forbidden' })
  await expect(openPilotStream(test.matching, sampleVm('none').id, wire)).rejects.toMatchObject({ code: 'forbidden' })
})

it('gives no stream to a squid of a site', async () => {
  const test = await openQueue()
  const vm = activeVm('one', { service: 'squid' })
  await test.store.intend(vm, 1)
  await expect(openPilotStream(test.matching, vm.id, { send: () => {}, end: () => {} })).rejects.toMatchObject({
    code: 'forbidden',
  })
})
