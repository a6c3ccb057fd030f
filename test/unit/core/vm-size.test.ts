/** What a VM has: its promise for claims, and what its pilot found for plans and explanations. */

import { describe, expect, it } from 'vitest'
import { applyToVm } from '../../../core/model/apply.ts'
import { offeredBy, offeredRoom } from '../../../core/model/cloud.ts'
import { roomLess } from '../../../core/model/resources.ts'
import type { Heartbeat, Vm } from '../../../core/model/vm.ts'
import { placeOf, promisedRoom, roomOf } from '../../../core/model/vm-place.ts'
import { ruleOutcomes } from '../../../core/language/rules.ts'
import { activeVm, alice, sampleRequirements } from '../../../sim/samples.ts'

const gib = 1024 ** 3
const promised = { cores: 8, memoryBytes: 24 * gib, diskBytes: 100 * gib }
const found = { cores: 8, memoryBytes: 23.5 * gib, diskBytes: 90 * gib }
const vm = activeVm('one', promised)
const beat = (size?: Heartbeat['size']): Heartbeat => {
  const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, idleMs: 0, payloads: 0 }
  return { ...load, atMs: 2000, pilotState: 'idle', unhealthy: '', ...(size ? { size } : {}) }
}

describe('the room of a whole VM', () => {
  it.each<[string, Partial<Vm>, object]>([
    ['is the promise while nothing else is known', {}, promised],
    ['is what its pilot found', { beat: beat(found) }, found],
    ['is what the latest VM like it had, while its own pilot has said nothing', { expected: found }, found],
    ['is what its own pilot found, whatever others had', { expected: found, beat: beat(promised) }, promised],
    ['is never more than was promised', { beat: beat({ ...found, cores: 16 }) }, found],
  ])('%s', (_, changes, room) => {
    expect(roomOf({ ...vm, ...changes }, 5)).toMatchObject({ ...room, remainingMs: 5 })
    // The pilot's own offer is narrowed by the promise alone: it may have found more since.
    expect(promisedRoom({ ...vm, ...changes }, 5)).toEqual({ ...promised, remainingMs: 5, isWhole: true })
  })

  it('is of an offering what the latest VM of it had', () => {
    const offered = offeredBy({ ...vm, expected: found }, { lifeMs: 10, bootMs: 4 })
    expect(offeredRoom(offered)).toEqual({ ...found, remainingMs: 6, isWhole: true, promised })
  })

  it('is explained with both numbers, and what is left of it with one', () => {
    const demand = { ...alice, requirements: sampleRequirements({ memoryBytes: 24 * gib }) }
    const room = roomOf({ ...vm, beat: beat(found) }, 5)
    const memory = (of: typeof room) => ruleOutcomes(demand, placeOf(vm), of).find(({ rule }) => rule === 'memory')
    expect(memory(room)).toMatchObject({ holds: false, offered: '23.5 GiB (measured; promised: 24 GiB)' })
    const idle = roomLess(room, { cores: 0, memoryBytes: 0, diskBytes: 0 })
    expect(memory(idle)?.offered).toBe('23.5 GiB (measured; promised: 24 GiB)')
    expect(memory(roomLess(room, { cores: 1, memoryBytes: gib, diskBytes: 0 }))?.offered).toBe('22.5 GiB')
  })
})

describe('the fact that a VM has less than was promised', () => {
  const factsOf = (before: Vm, size?: Heartbeat['size']): readonly unknown[] => {
    const event = { kind: 'heartbeat', vmId: before.id, heartbeat: beat(size) } as const
    return applyToVm(before, event, 0, 3000).facts.map(({ kind, data }) => [kind, data])
  }

  it('has both numbers of each resource', () => {
    const data = { cores: 8, promisedCores: 8, memoryBytes: 23.5 * gib, promisedMemoryBytes: 24 * gib }
    const disk = { diskBytes: 90 * gib, promisedDiskBytes: 100 * gib }
    expect(factsOf(vm, found)).toEqual([['less than promised', { ...data, ...disk }]])
  })

  it('is emitted once, and again only if the pilot finds something else', () => {
    const known = { ...vm, beat: beat(found) }
    expect(factsOf(known, found)).toEqual([])
    expect(factsOf(known)).toEqual([])
    expect(factsOf(known, { ...found, diskBytes: 80 * gib })).toHaveLength(1)
  })

  it('is not emitted where nothing is missing', () => {
    expect(factsOf(vm, promised)).toEqual([])
    expect(factsOf(vm)).toEqual([])
  })

  it('is not forgotten by a heartbeat without a pilot', () => {
    const event = { kind: 'heartbeat', vmId: vm.id, heartbeat: beat() } as const
    const { changed } = applyToVm({ ...vm, beat: beat(found) }, event, 0, 3000)
    expect(changed?.beat?.size).toEqual(found)
  })
})
