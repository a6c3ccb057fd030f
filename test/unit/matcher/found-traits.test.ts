/** What a pilot says that its VM is: jobs that ask for it go there only if it was promised and found. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import type { FoundTraits, Traits } from '../../../core/model/traits.ts'
import { explain } from '../../../services/jobs/explain.ts'
import { explanationView } from '../../../services/views/explanation.ts'
import { sampleRequirements } from '../../../sim/samples.ts'
import { asAlice, openPilot, openQueue, submitSome } from './open-queue.ts'

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
