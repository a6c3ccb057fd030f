/** What a pilot says that its VM is: jobs that ask for it go there only if it was promised and found. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import type { FoundTraits, Traits } from '../../../core/model/traits.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { explanationView } from '../../../services/views/explanation.ts'
import { sampleRequirements } from '../../../sim/samples.ts'
import { asAlice, offerOf, openPilot, openQueue, submitSome } from './open-queue.ts'

const alma: FoundTraits = { os: 'almalinux', osVersion: '9.4', architecture: 'x86-64', level: 3, glibc: '2.34' }
const promised: Traits = { os: 'almalinux', architecture: 'x86-64', level: { min: 3, max: 3 }, glibc: '2.34' }

async function afterHello(wanted: Partial<Requirements>, traits: Traits | undefined, found: FoundTraits | undefined) {
  const test = await openQueue()
  const pilot = await openPilot(test, 'one', [], { traits, found })
  const [id] = await submitSome(test, 1, { requirements: sampleRequirements(wanted) })
  await pilot.offer(8)
  const { summary } = explanationView(await explain(test.queue, asAlice, id as JobId))
  return { isAssigned: pilot.assigned().length === 1, summary, kept: await test.store.vm(pilot.vmId) }
}

describe('a job that asks for a newer glibc', () => {
  it.each<[string, Traits | undefined, FoundTraits | undefined, boolean]>([
    ['promised and found', promised, alma, true],
    ['promised and not found', promised, { ...alma, glibc: '2.28' }, false],
    ['promised, by a pilot that says nothing', promised, undefined, false],
    ['found and not promised', undefined, alma, false],
  ])('is assigned where it is %s: %o', async (_, traits, found, isAssigned) => {
    expect((await afterHello({ glibc: '2.34' }, traits, found)).isAssigned).toBe(isAssigned)
  })

  it('is said where it does not fit, with what was found', async () => {
    const { summary, kept } = await afterHello({ glibc: '2.34' }, promised, { ...alma, glibc: '2.28' })
    expect(summary).toContain('glibc: wanted from 2.34, offered 2.28')
    expect(kept?.vm.found).toEqual({ ...alma, glibc: '2.28' })
  })
})

it('a job fits by one of its alternatives', async () => {
  const alternatives = [{ sites: { allowed: ['away'], banned: [] } }, { os: { name: 'almalinux', min: '', max: '' } }]
  expect((await afterHello({ alternatives }, promised, alma)).isAssigned).toBe(true)
  expect((await afterHello({ alternatives }, {}, alma)).summary).toContain('1 fails at site')
})

it('jobs of many kinds wait, and those that fit are found among them', async () => {
  const test = await openQueue()
  for (const level of [4, 2, 3, 1]) {
    const architecture = { name: 'x86-64', minLevel: level, maxLevel: 0 } as const
    await submitSome(test, 1, { requirements: sampleRequirements({ architecture }) })
  }
  const pilot = await openPilot(test, 'one', [], { traits: promised, found: alma })
  await pilot.offer(8)
  expect(pilot.assigned()).toEqual(['2.1', '3.1', '4.1'])
})

describe('GPUs', () => {
  const wish = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }
  const gpus = (min: number, max = min) => sampleRequirements({ gpus: { min, max, ...wish } })

  it('are granted from min to max, counted in the store, and never more than there are', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one', [], { gpus: 4 })
    await submitSome(test, 1, { requirements: gpus(1) })
    await submitSome(test, 1, { requirements: gpus(2, 8) })
    await submitSome(test, 1, { requirements: gpus(1) })
    await pilot.say({ offer: { ...offerOf(8, 0), gpus: 16 } })
    const given = pilot.heard.flatMap(({ assignments }) => assignments)
    expect(given.map(({ jobId, gpus: granted }) => [jobId, granted])).toEqual([
      [1, 1],
      [2, 3],
    ])
    const kept = await test.store.vm(pilot.vmId)
    expect(kept?.used.gpus).toBe(4)
    const [job] = await test.store.jobs([2 as JobId])
    expect(job?.phase).toMatchObject({ state: 'Matched', lease: { gpus: 3, cores: 1 } })
  })

  it('are not taken by jobs that ask for none', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one', [], { gpus: 1 })
    await submitSome(test, 2)
    await submitSome(test, 1, { requirements: gpus(1) })
    await pilot.say({ offer: { ...offerOf(8, 0), gpus: 1 } })
    expect(pilot.assigned()).toHaveLength(3)
  })

  it('come again with what never arrived', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one', [], { gpus: 4 })
    await submitSome(test, 1, { requirements: gpus(2, 3) })
    await pilot.say({ offer: { ...offerOf(8, 0), gpus: 4 } })
    pilot.close()
    const again = await openPilot(test, 'one', [], { gpus: 4 })
    expect(again.heard.flatMap(({ assignments }) => assignments.map((one) => one.gpus))).toEqual([3])
  })
})

describe('a whole node', () => {
  const whole = { requirements: sampleRequirements({ wholeNode: true }) }

  it('goes to a VM on which nothing runs, with all of its cores', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1, whole)
    await submitSome(test, 1)
    await pilot.say({ offer: { ...offerOf(6, 0), isWhole: true } })
    // The older one first, and then nothing beside it.
    expect(pilot.heard.flatMap(({ assignments }) => assignments.map(({ jobId, cores }) => [jobId, cores]))).toEqual([[1, 6]])
  })

  it('does not go to a VM on which something runs', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1, whole)
    await pilot.offer(8)
    expect(pilot.assigned()).toEqual([])
  })

  it('does not go to a VM that something is on its way to', async () => {
    const test = await openQueue()
    const pilot = await openPilot(test, 'one')
    await submitSome(test, 1)
    await submitSome(test, 1, whole)
    await pilot.say({ offer: { ...offerOf(8, 0), isWhole: true } })
    await pilot.say({ offer: { ...offerOf(8, 0), isWhole: true } })
    expect(pilot.assigned()).toEqual(['1.1'])
  })
})

describe('CPU work', () => {
  const work = (cpuWorkMs: number, changes: Partial<Requirements> = {}) => ({
    requirements: { ...sampleRequirements({ cores: { min: 1, max: 4 }, ...changes }), cpuWorkMs, wallMs: 0 },
  })

  it('is limited by what it takes on the VM, and goes only to one whose power is known', async () => {
    const test = await openQueue()
    await submitSome(test, 1, work(1_200_000))
    const slow = await openPilot(test, 'none')
    await slow.offer(8)
    expect(slow.assigned()).toEqual([])
    const pilot = await openPilot(test, 'one', [], { traits: { power: 12 }, found: { power: 12 } })
    await pilot.offer(8)
    const [given] = pilot.heard.flatMap(({ assignments }) => assignments)
    expect([given?.cores, given?.wallMs]).toEqual([4, 25_000])
  })

  it('takes longer on a VM that was found to be slower', async () => {
    const test = await openQueue()
    await submitSome(test, 1, work(1_200_000))
    const pilot = await openPilot(test, 'one', [], { traits: { power: 12 }, found: { power: 6.2 } })
    await pilot.offer(4)
    expect(pilot.heard.flatMap(({ assignments }) => assignments.map(({ wallMs }) => wallMs))).toEqual([50_000])
  })
})

it('memory per core is taken for each core that is granted', async () => {
  const test = await openQueue()
  const memory = { memoryBytes: 2 ** 30, memoryPerCoreBytes: 2 ** 30 }
  await submitSome(test, 1, { requirements: sampleRequirements({ cores: { min: 1, max: 8 }, ...memory }) })
  const pilot = await openPilot(test, 'one')
  // Of the 8 GiB of its record one is the fixed part: 7 cores.
  await pilot.offer(8)
  expect(pilot.heard.flatMap(({ assignments }) => assignments.map(({ cores }) => cores))).toEqual([7])
  expect((await test.store.vm(pilot.vmId))?.used).toMatchObject({ cores: 7, memoryBytes: 8 * 2 ** 30 })
})
