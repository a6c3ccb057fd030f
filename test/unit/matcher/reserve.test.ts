/** A job that needs much of a VM behind an endless stream of jobs that need little: it starts within a bounded time. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClassId, JobId, VmId } from '../../../core/kernel/ids.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { reserveEveryMs } from '../../../services/jobs/reserve.ts'
import { alice } from '../../../sim/samples.ts'
import { openPilot, openQueue, submitSome, type TestQueue } from './open-queue.ts'
import { streamOfSmallJobs, wide } from './stream-of-small-jobs.ts'

const minute = 60_000
const reserveAfterMs = 5 * minute
const bob = { ...alice, owner: 'bob' }

async function submitWide(test: TestQueue, size: number, owner = alice): Promise<JobId> {
  const [id] = await submitSome(test, 1, wide(size, 10 * minute), owner)
  if (id === undefined) throw new Error('not submitted')
  return id
}

async function reservedVms({ store }: TestQueue): Promise<readonly VmId[]> {
  return (await store.liveVms()).flatMap(({ vm }) => (vm.reserved ? [vm.id] : []))
}

/** With the stream under way, and the steps of the reserving process and of the stream in between. */
async function started({ vms = 1, seed = 1, wallMs = 10 * minute } = {}) {
  const test = await openQueue()
  const stream = await streamOfSmallJobs(test, { vms, wallMs, random: seededRandom(seed) })
  for (let ticks = 0; ticks < 60; ticks += 1) await stream.tick(false)
  return { test, stream }
}

describe('a job of 4 cores behind a stream of jobs of one', () => {
  it('waits for hours if no VM is reserved, and for the bound and the longest wall time if one is', async () => {
    const { test, stream } = await started()
    const id = await submitWide(test, 4)
    expect(await stream.until(id, 180 * minute, false)).toBe(Infinity)
    expect(await stream.until(id, 60 * minute)).toBeLessThanOrEqual(reserveAfterMs + 10 * minute + 2 * reserveEveryMs)
  })

  it('has a VM to itself until it is claimed there, and the others go on there at once', async () => {
    const { test, stream } = await started({ vms: 2 })
    const id = await submitWide(test, 8)
    while ((await reservedVms(test)).length === 0) await stream.tick(true)
    const [vmId] = await reservedVms(test)
    const [vm, other] = stream.pilots.map(({ vmId: one, assigned }) => ({ one, assigned }))
    const [kept, free] = vm?.one === vmId ? [vm, other] : [other, vm]
    const [before, beforeFree] = [kept?.assigned().length ?? 0, free?.assigned().length ?? 0]
    await stream.until(id, 60 * minute)
    expect(kept?.assigned().slice(before)).toEqual([`${id}.1`])
    expect(free?.assigned().length).toBeGreaterThan(beforeFree)
    expect(await reservedVms(test)).toEqual([])
    const facts = (await test.store.history(`vm:${vmId as VmId}`, 100)).filter(({ kind }) => kind.startsWith('room'))
    expect(facts.map(({ kind, data }) => [kind, data.why])).toEqual([
      ['room reserved', 'a job at the front of the task queue waits for more room than is free'],
      ['room released', `job ${id} was claimed there`],
    ])
  })

  it('loses its VM when it waits no more, and the room is given to others at the next step', async () => {
    const { test, stream } = await started()
    const id = await submitWide(test, 8)
    while ((await reservedVms(test)).length === 0) await stream.tick(true)
    for (let ticks = 0; ticks < 30; ticks += 1) await stream.tick(true)
    await test.store.change([{ kind: 'hold', jobId: id, by: 'alice', why: '' }], test.clock.nowMs())
    const before = stream.pilots[0]?.assigned().length ?? 0
    for (let ticks = 0; ticks < 4; ticks += 1) await stream.tick(true)
    expect(await reservedVms(test)).toEqual([])
    expect(stream.pilots[0]?.assigned().length).toBeGreaterThan(before)
  })

  it('keeps its VM in a process that hears of it by a hint, and until its time in one that hears of no end', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    const id = await submitWide(test, 8)
    const [job] = await test.store.jobs([id])
    const classId = job?.classId ?? ('' as ClassId)
    const nowMs = test.clock.nowMs()
    const reservation = { classId, jobId: id, sinceMs: nowMs, untilMs: nowMs + 1000 }
    await test.store.changeVms([{ kind: 'reserve', vmId: pilot.vmId, reservation }], nowMs)
    const reads = { liveVms: 0, queues: 0, vm: 0 }
    const real = { ...test.store }
    for (const name of ['liveVms', 'queues', 'vm'] as const) {
      Object.assign(test.queue.store, {
        [name]: (...given: readonly never[]) => {
          reads[name] += 1
          return (real[name] as (...all: readonly never[]) => unknown)(...given)
        },
      })
    }
    test.queue.bus.hint({ kind: 'vms', ids: [pilot.vmId] })
    await test.clock.settle()
    expect(reads).toEqual({ liveVms: 0, queues: 0, vm: 1 })
    await submitSome(test, 3, wide(1, minute))
    for (let offers = 0; offers < 20; offers += 1) await pilot.offer(6)
    expect(pilot.assigned()).toEqual([])
    // No match reads anything for it.
    expect(reads).toEqual({ liveVms: 0, queues: 0, vm: 1 })
    await test.clock.advance(1000)
    await pilot.offer(6)
    expect(pilot.assigned()).toHaveLength(3)
  })

  it('has to wait anew under a sweeper that took the role over', async () => {
    const { test, stream } = await started()
    await submitWide(test, 8, bob)
    for (let ticks = 0; ticks < 50; ticks += 1) await stream.tick(true)
    await test.reserve.step(2)
    await test.clock.advance(reserveAfterMs - reserveEveryMs)
    await test.reserve.step(2)
    expect(await reservedVms(test)).toEqual([])
    await test.clock.advance(reserveEveryMs)
    await test.reserve.step(2)
    expect(await reservedVms(test)).toHaveLength(1)
  })
})

describe('no VM is reserved', () => {
  it('for a job that has its turn as soon as one other ends', async () => {
    const { test, stream } = await started()
    for (let ticks = 0; ticks < 200; ticks += 1) await stream.tick(true)
    expect(await reservedVms(test)).toEqual([])
  })

  it('for a job that no VM would take', async () => {
    const { test, stream } = await started()
    await submitWide(test, 9)
    for (let ticks = 0; ticks < 100; ticks += 1) await stream.tick(true)
    expect(await reservedVms(test)).toEqual([])
  })

  it('for an owner who was served more than the others: the stream has its turn first', async () => {
    const { test, stream } = await started()
    test.ledger.charge(bob, { attempt: '', cores: 1, ranMs: 1e12 }, test.clock.nowMs())
    await submitWide(test, 4, bob)
    for (let ticks = 0; ticks < 120; ticks += 1) await stream.tick(true)
    expect(await reservedVms(test)).toEqual([])
  })

  it('beyond one in ten, however many wait', async () => {
    const { test, stream } = await started({ vms: 3 })
    for (let size = 4; size <= 8; size += 1) await submitWide(test, size, { ...bob, owner: `bob${size}` })
    let most = 0
    for (let ticks = 0; ticks < 240; ticks += 1) {
      await stream.tick(true)
      most = Math.max(most, (await reservedVms(test)).length)
    }
    expect(most).toBe(1)
  })
})

it('a job of another owner starts within the bound and the longest wall time, whatever the stream does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.integer({ min: 1, max: 1e6 }),
        vms: fc.integer({ min: 1, max: 3 }),
        size: fc.integer({ min: 2, max: 8 }),
        wallMinutes: fc.integer({ min: 2, max: 12 }),
      }),
      async ({ seed, vms, size, wallMinutes }) => {
        const { test, stream } = await started({ seed, vms, wallMs: wallMinutes * minute })
        const id = await submitWide(test, size, bob)
        const bound = reserveAfterMs + wallMinutes * minute + 3 * reserveEveryMs
        expect(await stream.until(id, 2 * bound)).toBeLessThanOrEqual(bound)
      },
    ),
    { numRuns: 12, seed: 11 },
  )
}, 120_000)
