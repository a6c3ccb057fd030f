/** Jobs that ask for a whole node, or for GPUs, behind jobs that take each piece as it becomes free: they starve, too. */

import { describe, expect, it } from 'vitest'
import type { Requirements } from '../../../core/model/requirements.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { roomFreeMs, starvingQueues } from '../../../core/plan/starving.ts'
import { activeVm, alice, sampleQueue, sampleRequirements } from '../../../sim/samples.ts'

const mib = 2 ** 20
const nowMs = 5000
const vm = activeVm('one', { cores: 4, gpus: 2, memoryBytes: 4000 * mib, endByMs: nowMs + 1_000_000 })
const each = { cores: 1, memoryBytes: mib, diskBytes: mib }
const kept = (leases: number, gpus = 0): KeptVm => ({
  vm,
  leases,
  used: { cores: leases, memoryBytes: leases * mib, diskBytes: leases * mib, ...(gpus ? { gpus } : {}) },
})

function starving(changes: Partial<Requirements>, one: KeptVm) {
  const queue = sampleQueue(alice, sampleRequirements(changes))
  const count = { queue, waiting: 1, topPriority: 0, oldestMs: 0 }
  return starvingQueues([count], [one], { reserved: new Set(), max: 10, nowMs })
}

const gpus = (min: number) => {
  const any = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }
  return { gpus: { min, max: min, ...any } }
}

describe('a whole node', () => {
  it.each([
    ['where two jobs run: the end of one does not make the VM its own', kept(2), 1],
    ['not where one job runs: with its end the VM is its own', kept(1), 0],
    ['not where nothing runs', kept(0), 0],
  ] as const)('starves %s', (_, one, count) => {
    expect(starving({ wholeNode: true }, one)).toHaveLength(count)
  })

  it('has its VM when the last job on it has ended', () => {
    const [one] = starving({ wholeNode: true }, kept(2))
    const running = [9000, 7000].map((endMs) => ({ held: each, endMs }))
    const [reservable] = one?.vms ?? []
    if (!one || !reservable) throw new Error('nothing starves')
    expect(roomFreeMs(reservable, one.demand, running, nowMs)).toBe(9000)
    // As long as one runs beside it, never.
    expect(roomFreeMs(reservable, one.demand, running.slice(1), nowMs)).toBeUndefined()
  })
})

describe('GPUs', () => {
  it.each([
    ['where two of two are held by two jobs', gpus(2), kept(2, 2), 1],
    ['not where one more end is enough', gpus(1), kept(2, 2), 0],
    ['not where there are too few at all', gpus(3), kept(2, 2), 0],
  ] as const)('starve %s', (_, wanted, one, count) => {
    expect(starving(wanted, one)).toHaveLength(count)
  })
})

it('VMs of one kind that were found to differ are no kind together', () => {
  const promised = { ...vm, traits: { glibc: '2.34' } }
  const older = { ...kept(2), vm: { ...promised, found: { glibc: '2.28' } } }
  const asPromised = { ...kept(2), vm: { ...promised, id: activeVm('two').id, found: { glibc: '2.34' } } }
  const queue = sampleQueue(alice, sampleRequirements({ glibc: '2.34', wholeNode: true }))
  const [one] = starvingQueues([{ queue, waiting: 1, topPriority: 0, oldestMs: 0 }], [older, asPromised], {
    ...{ reserved: new Set<never>(), max: 10, nowMs },
  })
  expect(one?.vms.map(({ kept: { vm: chosen } }) => chosen.id)).toEqual([asPromised.vm.id])
})
