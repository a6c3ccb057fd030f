/** Which queues the plan serves first, and how many jobs of one a room takes. */

import { describe, expect, it } from 'vitest'
import type { ClassId } from '../../../core/kernel/ids.ts'
import { takenFrom } from '../../../core/language/packing.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import { noAmounts, type Room, roomLess } from '../../../core/model/resources.ts'
import type { QueueCount } from '../../../core/model/task-queue.ts'
import { fill, fits, openQueues } from '../../../core/plan/placement.ts'
import { alice, sampleQueue, sampleRequirements } from '../../../sim/samples.ts'

const mib = 2 ** 20
const room: Room = { cores: 4, ...noAmounts, memoryBytes: 256 * mib, diskBytes: 2 ** 40, remainingMs: 3_600_000 }
const queueOf = (changes: Partial<Requirements> = {}) => sampleQueue(alice, sampleRequirements(changes))
const headOf = (changes: Partial<Requirements>) => ({ vo: alice.vo, requirements: sampleRequirements(changes) })

it('queues come by priority, then by age, then by name; those without jobs do not come', () => {
  const count = (id: string, topPriority: number, oldestMs: number, waiting = 1): QueueCount => {
    return { queue: { ...queueOf(), id: id as ClassId }, waiting, topPriority, oldestMs }
  }
  const counts = [count('d', 0, 5), count('c', 0, 5), count('b', 0, 3), count('a', 0, 9), count('e', 2, 9), count('f', 1, 1)]
  for (const some of [counts, counts.toReversed()]) {
    const open = openQueues([...some, count('z', 9, 0, 0)])
    expect(open.map(({ queue }) => queue.id)).toEqual(['e', 'f', 'b', 'c', 'd', 'a'])
    expect(open[0]).toMatchObject({ left: 1, oldestMs: 9, free: 0, coming: 0, soon: 0, head: undefined })
  }
})

it('a queue has the needs of its first job, where its class asks for more', () => {
  const needs = { memoryBytes: 60 * mib, diskBytes: 1, wallMs: 5 }
  const [open] = openQueues([{ queue: queueOf(), waiting: 3, topPriority: 0, oldestMs: 1, needs }])
  expect(open).toMatchObject({ left: 3, head: { vo: alice.vo, requirements: needs } })
})

describe('a room takes', () => {
  it.each<[string, Partial<Requirements>, number, number]>([
    ['as many as there are', {}, 2, 2],
    ['as many as it has cores for', {}, 9, 4],
    ['as many as it has memory for', { memoryBytes: 100 * mib }, 9, 2],
    ['one that takes all cores that it can use', { cores: { min: 1, max: 8 } }, 9, 1],
    ['none that wants more cores', { cores: { min: 5, max: 5 } }, 9, 0],
    ['none that is longer', { wallMs: 3_600_001 }, 9, 0],
    ['none of none', {}, 0, 0],
  ])('%s', (_, changes, max, jobs) => {
    const queue = queueOf(changes)
    const filled = fill({ queue }, room, max)
    let rest = room
    for (let at = 0; at < jobs; at += 1) rest = roomLess(rest, takenFrom(rest, queue.requirements))
    expect(filled).toEqual({ jobs, room: rest })
    expect(fits({ queue }, room)).toBe(jobs > 0 || max === 0)
  })

  it.each<[string, Partial<Requirements>, number, number]>([
    ['the first job, which needs less than its class', { memoryBytes: 200 * mib }, 9, 1],
    ['not the first job where none is asked for', { memoryBytes: 200 * mib }, 0, 0],
    ['not a first job that needs too much itself', { memoryBytes: 300 * mib }, 9, 0],
  ])('%s', (_, changes, max, jobs) => {
    const open = { queue: queueOf({ memoryBytes: 400 * mib }), head: headOf(changes) }
    const filled = fill(open, room, max)
    const rest = jobs === 0 ? room : roomLess(room, takenFrom(room, open.head.requirements))
    expect(filled).toEqual({ jobs, room: rest })
    expect(fits(open, room)).toBe(changes.memoryBytes === 200 * mib)
  })
})
