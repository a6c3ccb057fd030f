/** What an owner's queues remember of searches saves time, and never hides a queue whose job would fit. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasRoom } from '../../../core/language/rules.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { noAmounts, type Room } from '../../../core/model/resources.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from '../../../services/matcher/owner-queues.ts'
import { isBefore } from '../../../services/matcher/window.ts'
import { sampleRequirements } from '../../../sim/samples.ts'

const alone = { rank: 0, of: 1 }
const job = (id: number, priority = 0): WaitingJob => ({ id: id as JobId, priority, submittedMs: id })
const roomOf = (cores: number, gibs: number): Room => {
  return { cores, ...noAmounts, memoryBytes: gibs * 2 ** 30, diskBytes: 2 ** 40, remainingMs: Infinity }
}

type Entry = Ordered & { readonly window: { jobs: WaitingJob[] } }

function queueOf(cores: number, gibs: number, ...jobs: WaitingJob[]): Entry {
  const requirements = sampleRequirements({ cores: { min: cores, max: cores }, memoryBytes: gibs * 2 ** 30 })
  return { window: { jobs }, minDemand: { vo: 'v', requirements } }
}

function placed(...entries: readonly Entry[]): OwnerQueues<Entry> {
  const queues = ownerQueues<Entry>()
  for (const entry of entries) queues.place(entry, alone, true)
  return queues
}

const heads = ({ list }: OwnerQueues<Entry>): readonly (number | undefined)[] => list.map((one) => one.placed?.id)

describe('an owner has', () => {
  it('the best head first, wherever it came from', () => {
    const [a, b, c] = [queueOf(1, 1, job(3)), queueOf(1, 1, job(1)), queueOf(1, 1, job(2, 5))]
    const queues = placed(a, b, c)
    expect(heads(queues)).toEqual([2, 1, 3])
    // The first ones go, and with the last of a queue the queue.
    c.window.jobs = [job(9)]
    queues.place(c, alone, false)
    expect(heads(queues)).toEqual([1, 3, 9])
    a.window.jobs = []
    queues.place(a, alone, false)
    expect(heads(queues)).toEqual([1, 9])
    a.window.jobs = [job(4)]
    queues.place(a, alone, true)
    expect(heads(queues)).toEqual([1, 4, 9])
    // The next one of a queue may stand where the former one stood.
    c.window.jobs = [job(12)]
    queues.place(c, alone, false)
    a.window.jobs = [job(5)]
    queues.place(a, alone, false)
    expect(heads(queues)).toEqual([1, 5, 12])
  })

  it('all of them in the order of another part, where the part changes', () => {
    const queues = placed(...[130, 64, 1, 65, 2].map((id) => queueOf(1, 1, job(id))))
    queues.searched('here', roomOf(1, 1), undefined, alone)
    queues.reorder({ rank: 1, of: 2 })
    expect(heads(queues)).toEqual([64, 65, 1, 2, 130])
    expect(queues.beginning('here', roomOf(1, 1), { rank: 1, of: 2 })).toBe(0)
  })
})

describe('a search begins', () => {
  const rows = Array.from({ length: 6 }, (_, at) => queueOf(4, at + 1, job(10 * (at + 1))))

  it.each([
    ['at the queue that fitted', roomOf(2, 3), 'here', 3],
    ['there as well where less is free', roomOf(1, 3), 'here', 3],
    ['at the first where more is free', roomOf(3, 3), 'here', 0],
    ['at the first of another kind of place', roomOf(2, 3), 'there', 0],
  ])('%s', (_, room, place, at) => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    queues.searched('here', roomOf(2, 3), job(40), alone)
    expect(queues.beginning(place, room, alone)).toBe(at)
  })

  it('behind all where none fitted', () => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    queues.searched('here', roomOf(2, 3), undefined, alone)
    expect(queues.beginning('here', roomOf(2, 3), alone)).toBe(rows.length)
  })

  it.each([
    ['no further than a job that came before it', queueOf(1, 1, job(15)), 1],
    ['no further where a job came behind it', queueOf(1, 1, job(45)), 3],
    ['further where what came before it asks for too much', queueOf(8, 1, job(15)), 4],
  ])('%s', (_, came, at) => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    queues.searched('here', roomOf(2, 3), job(40), alone)
    queues.place(came, alone, true)
    expect(queues.beginning('here', roomOf(2, 3), alone)).toBe(at)
  })

  it('at what came, where none fitted before', () => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    queues.searched('here', roomOf(2, 3), undefined, alone)
    queues.place(queueOf(8, 1, job(25)), alone, true)
    expect(queues.beginning('here', roomOf(2, 3), alone)).toBe(7)
    queues.place(queueOf(2, 1, job(55)), alone, true)
    expect(queues.beginning('here', roomOf(2, 3), alone)).toBe(6)
  })

  it('where the latest of 8 searches say; a search that says less than another takes no place', () => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    const narrow = (at: number): Room => roomOf(1 + at, 10 - at)
    queues.searched('here', narrow(0), undefined, alone)
    for (let at = 0; at < 20; at += 1) queues.searched('here', narrow(1), job(20), alone)
    expect(queues.beginning('here', narrow(0), alone)).toBe(6)
    expect(queues.beginning('here', narrow(1), alone)).toBe(1)
    for (let at = 2; at < 8; at += 1) queues.searched('here', narrow(at), undefined, alone)
    expect(queues.beginning('here', narrow(0), alone)).toBe(6)
    queues.searched('here', narrow(8), undefined, alone)
    expect(queues.beginning('here', narrow(0), alone)).toBe(0)
    expect(queues.beginning('here', narrow(1), alone)).toBe(1)
  })

  it.each([
    ['a search that came further takes the place of one that came less far', job(40), 3],
    ['and one of the whole list that of any', undefined, 6],
    ['one that came less far does not', job(20), 3],
  ])('%s', (_, upTo, at) => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    queues.searched('here', roomOf(2, 3), job(upTo?.id === 20 ? 40 : 20), alone)
    queues.searched('here', roomOf(2, 3), upTo, alone)
    expect(queues.beginning('here', roomOf(2, 3), alone)).toBe(at)
  })

  it('where the latest searches at 64 kinds of places say', () => {
    const queues = placed(...rows.map((one) => ({ ...one, placed: undefined })))
    for (let at = 0; at < 64; at += 1) queues.searched(`p${at}`, roomOf(2, 3), undefined, alone)
    expect(queues.beginning('p0', roomOf(2, 3), alone)).toBe(6)
    queues.searched('p0', roomOf(2, 3), undefined, alone)
    queues.searched('p64', roomOf(2, 3), undefined, alone)
    expect(['p0', 'p1', 'p2', 'p64'].map((key) => queues.beginning(key, roomOf(2, 3), alone))).toEqual([6, 0, 6, 6])
  })
})

it('no search begins behind a queue that fits, whatever came and went before it', () => {
  const size = fc.integer({ min: 1, max: 4 })
  const act = fc.oneof(
    fc.record({ kind: fc.constant('comes' as const), cores: size, gibs: size, priority: fc.nat(3) }),
    fc.record({ kind: fc.constant('goes' as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('more' as const), at: fc.nat(20), priority: fc.nat(3) }),
    fc.record({ kind: fc.constant('searched' as const), cores: size, gibs: size, place: fc.constantFrom('a', 'b') }),
  )
  fc.assert(
    fc.property(fc.array(act, { minLength: 10, maxLength: 80 }), (acts) => {
      const queues = ownerQueues<Entry>()
      for (const [id, one] of acts.entries()) {
        const entry = 'at' in one ? queues.list[one.at % Math.max(1, queues.list.length)] : undefined
        if (one.kind === 'comes') queues.place(queueOf(one.cores, one.gibs, job(id, one.priority)), alone, true)
        else if (one.kind === 'goes' && entry) {
          entry.window.jobs.shift()
          queues.place(entry, alone, false)
        } else if (one.kind === 'more' && entry) {
          entry.window.jobs.push(job(id, one.priority))
          entry.window.jobs.sort((a, b) => (isBefore(a, b, alone) ? -1 : 1))
          queues.place(entry, alone, true)
        } else if (one.kind === 'searched') {
          const room = roomOf(one.cores, one.gibs)
          const from = queues.beginning(one.place, room, alone)
          const first = queues.list.findIndex(({ minDemand }) => hasRoom(minDemand, room))
          expect(from).toBeLessThanOrEqual(first < 0 ? queues.list.length : first)
          queues.searched(one.place, room, queues.list[first]?.placed, alone)
          expect(queues.beginning(one.place, room, alone)).toBe(first < 0 ? queues.list.length : first)
        }
        const sorted = queues.list.toSorted((a, b) => (isBefore(a.placed, b.placed, alone) ? -1 : 1))
        expect(queues.list).toEqual(sorted)
      }
    }),
    { numRuns: 300 },
  )
})
