/** What an owner's queues remember of searches saves time, and never hides a queue whose job would fit. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leastRoom, roomNumbers } from '../../../core/language/least-room.ts'
import { hasRoom } from '../../../core/language/rules.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { noAmounts, type Room } from '../../../core/model/resources.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import { type Ordered, type OwnerQueues, ownerQueues } from '../../../services/matcher/owner-queues.ts'
import { everyKind, hasKind, withKind, withoutKind } from '../../../services/matcher/place-kinds.ts'
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
  return {
    window: { jobs },
    minDemand: { vo: 'v', requirements },
    asked: { least: leastRoom(requirements), kinds: everyKind },
  }
}

function placed(...entries: readonly Entry[]): OwnerQueues<Entry> {
  const queues = ownerQueues<Entry>()
  for (const entry of entries) queues.place(entry, true)
  return queues
}

const heads = (queues: OwnerQueues<Entry>): readonly (number | undefined)[] => queues.list().map((one) => one.placed?.id)

/** The first whose head fits, and how many were looked at. */
function found(
  queues: OwnerQueues<Entry>,
  room: Room,
  kind = 0,
): { readonly id: number | undefined; readonly looked: number } {
  let looked = 0
  const id = queues.first({ room: roomNumbers(room), kind }, ({ minDemand, placed: head }) => {
    looked += 1
    return hasRoom(minDemand, room) ? head?.id : undefined
  })
  return { id, looked }
}

describe('an owner has', () => {
  it('the best head first, wherever it came from', () => {
    const [a, b, c] = [queueOf(1, 1, job(3)), queueOf(1, 1, job(1)), queueOf(1, 1, job(2, 5))]
    const queues = placed(a, b, c)
    expect(heads(queues)).toEqual([2, 1, 3])
    // The first ones go, and with the last of a queue the queue.
    c.window.jobs = [job(9)]
    queues.place(c, false)
    expect(heads(queues)).toEqual([1, 3, 9])
    a.window.jobs = []
    queues.place(a, false)
    expect(heads(queues)).toEqual([1, 9])
    a.window.jobs = [job(4)]
    queues.place(a, true)
    expect(heads(queues)).toEqual([1, 4, 9])
    // The next one of a queue may stand where the former one stood.
    c.window.jobs = [job(12)]
    queues.place(c, false)
    a.window.jobs = [job(5)]
    queues.place(a, false)
    expect(heads(queues)).toEqual([1, 5, 12])
  })

  it('all of them in the order of another part, where the part changes, and nothing remembered', () => {
    const queues = placed(...[130, 64, 1, 65, 2].map((id) => queueOf(1, 1, job(id))))
    queues.foundNone(0, roomOf(1, 1))
    queues.reorder({ rank: 1, of: 2 })
    expect(heads(queues)).toEqual([64, 65, 1, 2, 130])
    expect(queues.isVain(0, roomOf(1, 1))).toBe(false)
  })

  it('together the least that any asks for, and nothing where there is none', () => {
    const [a, b] = [queueOf(2, 9, job(1)), queueOf(3, 1, job(2))]
    const queues = placed(a, b)
    expect(queues.asked()?.least.slice(0, 2)).toEqual([2, 2 ** 30])
    for (const entry of [a, b]) {
      entry.window.jobs = []
      queues.place(entry, false)
    }
    expect(queues.asked()).toBeUndefined()
  })
})

describe('a search', () => {
  it('looks at the one that fits, and at none that cannot', () => {
    const rows = Array.from({ length: 2000 }, (_, at) => queueOf(at === 1900 ? 1 : 4, 1, job(at + 1)))
    expect(found(placed(...rows), roomOf(2, 3))).toEqual({ id: 1901, looked: 1 })
  })

  it('looks at none of a kind of place that it does not suit', () => {
    const rows = [queueOf(1, 1, job(1)), queueOf(1, 1, job(2))]
    const [first] = rows
    const queues = placed(...rows)
    if (first) first.asked = { ...first.asked, kinds: withoutKind(first.asked.kinds, 7) }
    if (first) queues.changed(first)
    expect(found(queues, roomOf(1, 1), 7)).toEqual({ id: 2, looked: 1 })
    expect(found(queues, roomOf(1, 1), 39)).toEqual({ id: 1, looked: 1 })
  })

  it('is known to be in vain for as much room or less, at that kind of place', () => {
    const queues = placed(queueOf(4, 1, job(1)))
    queues.foundNone(0, roomOf(2, 3))
    expect(queues.isVain(0, roomOf(2, 3))).toBe(true)
    expect(queues.isVain(0, roomOf(1, 3))).toBe(true)
    expect(queues.isVain(0, roomOf(3, 3))).toBe(false)
    expect(queues.isVain(1, roomOf(2, 3))).toBe(false)
  })

  it('is no more in vain when what came might fit', () => {
    const queues = placed(queueOf(4, 1, job(1)))
    queues.foundNone(0, roomOf(2, 3))
    queues.place(queueOf(8, 1, job(2)), true)
    expect(queues.isVain(0, roomOf(2, 3))).toBe(true)
    queues.place(queueOf(2, 1, job(3)), true)
    expect(queues.isVain(0, roomOf(2, 3))).toBe(false)
  })

  it('is remembered for 8 rooms of which none covers another, and for 64 kinds of place', () => {
    const queues = placed(queueOf(64, 1, job(1)))
    const narrow = (at: number): Room => roomOf(1 + at, 20 - at)
    for (let at = 0; at < 9; at += 1) queues.foundNone(0, narrow(at))
    expect([0, 1, 8].map((at) => queues.isVain(0, narrow(at)))).toEqual([false, true, true])
    queues.foundNone(0, roomOf(30, 30))
    expect(queues.isVain(0, narrow(0))).toBe(true)
    for (let kind = 1; kind <= 64; kind += 1) queues.foundNone(kind, roomOf(1, 1))
    expect([0, 1, 64].map((kind) => queues.isVain(kind, roomOf(1, 1)))).toEqual([false, true, true])
  })
})

it('no search passes over a queue that fits, whatever came and went before it', () => {
  const size = fc.integer({ min: 1, max: 4 })
  const act = fc.oneof(
    fc.record({ kind: fc.constant('comes' as const), cores: size, gibs: size, priority: fc.nat(3) }),
    fc.record({ kind: fc.constant('goes' as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant('more' as const), at: fc.nat(20), priority: fc.nat(3) }),
    fc.record({ kind: fc.constant('searched' as const), cores: size, gibs: size, place: fc.constantFrom(3, 40) }),
  )
  fc.assert(
    fc.property(fc.array(act, { minLength: 10, maxLength: 80 }), (acts) => {
      const queues = ownerQueues<Entry>()
      for (const [id, one] of acts.entries()) {
        const list = queues.list()
        const entry = 'at' in one ? list[one.at % Math.max(1, list.length)] : undefined
        if (one.kind === 'comes') queues.place(queueOf(one.cores, one.gibs, job(id, one.priority)), true)
        else if (one.kind === 'goes' && entry) {
          entry.window.jobs.shift()
          queues.place(entry, false)
        } else if (one.kind === 'more' && entry) {
          entry.window.jobs.push(job(id, one.priority))
          entry.window.jobs.sort((a, b) => (isBefore(a, b, alone) ? -1 : 1))
          queues.place(entry, true)
        } else if (one.kind === 'searched') {
          const room = roomOf(one.cores, one.gibs)
          const first = list.find(({ minDemand }) => hasRoom(minDemand, room))
          expect(found(queues, room, one.place).id).toBe(first?.placed?.id)
          if (queues.isVain(one.place, room)) expect(first).toBeUndefined()
          if (!first) queues.foundNone(one.place, room)
        }
        const sorted = queues.list().toSorted((a, b) => (isBefore(a.placed, b.placed, alone) ? -1 : 1))
        expect(queues.list()).toEqual(sorted)
      }
    }),
    { numRuns: 300 },
  )
})

it('a kind is one bit, whichever word it is in', () => {
  for (const kind of [0, 31, 32, 63, 200]) {
    const none = everyKind.map(() => 0)
    expect(hasKind(withKind(none, kind), kind)).toBe(true)
    expect(hasKind(withoutKind(everyKind, kind), kind)).toBe(false)
    expect(Array.from({ length: 256 }, (_, at) => at).filter((at) => hasKind(withKind(none, kind), at))).toEqual([kind])
  }
})
