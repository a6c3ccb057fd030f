/** When the index reads waiting jobs from the store, and what it gives until then: readings are counted. */

import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { noAmounts, type Place, type Room } from '../../../core/model/resources.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import { type WaitingIndex, waitingIndex } from '../../../services/matcher/waiting-index.ts'
import { alice, bob, sampleQueue, sampleRequirements } from '../../../sim/samples.ts'

const place: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [] }
const room: Room = { cores: 8, ...noAmounts, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: Infinity }
const queue = sampleQueue()
const waits = (id: number, priority = 0): WaitingJob => ({ id: id as JobId, priority, submittedMs: id })
const many = (count: number, from = 1) => Array.from({ length: count }, (_, at) => waits(from + at))
const counted = (waiting: number, topPriority = 0) => ({ queue, waiting, topPriority, oldestMs: 1 })

let stored: readonly WaitingJob[]
let reads: [string, number][]
let errors: unknown[]
let readies: number
let isStoreDown: boolean
let index: WaitingIndex

beforeEach(() => {
  ;[stored, reads, errors, readies, isStoreDown] = [[], [], [], 0, false]
  index = waitingIndex({
    readNext: async (id, limit) => {
      reads.push([id, limit])
      if (isStoreDown) throw new Error('the store is down')
      return id === queue.id ? stored.slice(0, limit) : []
    },
    onError: (error) => errors.push(error),
    ledger: openLedger(0),
  })
  index.onReady(() => {
    readies += 1
  })
})

const { soon } = systemClock()
const settled = (): Promise<void> => new Promise((resolve) => soon(resolve))
const take = (): number | undefined => index.take(place, room)?.job.id

describe('what the store counts', () => {
  it('is not read where the window has it all', async () => {
    index.arrived(queue, many(3))
    index.learn([counted(3)])
    index.learn([counted(2)])
    await settled()
    expect([reads, readies]).toEqual([[], 0])
    expect([take(), take(), take(), take()]).toEqual([1, 2, 3, undefined])
    expect(reads).toEqual([])
  })

  it('is read where the window lacks some of it, once, and a listener hears of it', async () => {
    index.arrived(queue, many(3))
    stored = many(4)
    index.learn([counted(4)])
    index.learn([counted(4)])
    await settled()
    expect([reads, readies]).toEqual([[[queue.id, 512]], 1])
    expect([take(), take(), take(), take(), take()]).toEqual([1, 2, 3, 4, undefined])
  })

  it('is not read while the window is long, but for something more urgent than its head', async () => {
    stored = [waits(1, 5), ...many(2000, 2)]
    index.learn([counted(2001, 5)])
    await settled()
    expect(reads).toHaveLength(1)
    index.learn([counted(2001, 5)])
    await settled()
    expect(reads).toHaveLength(1)
    stored = [waits(9000, 6), ...stored]
    index.learn([counted(2002, 6)])
    await settled()
    expect(reads).toHaveLength(2)
    expect([take(), take()]).toEqual([9000, 1])
  })

  it('makes no listener look where nothing is left of it', async () => {
    index.learn([counted(4)])
    await settled()
    expect([reads.length, readies, take()]).toEqual([1, 0, undefined])
  })
})

describe('a job that another process was faster with', () => {
  it('means that the rest of the window is read before it is used', async () => {
    index.arrived(queue, many(10))
    expect(take()).toBe(1)
    stored = many(3, 8)
    index.missed(queue)
    expect(take()).toBeUndefined()
    expect(index.takeOf(queue.id, place, room)).toBeUndefined()
    await settled()
    expect([reads.length, readies]).toEqual([1, 1])
    expect([take(), take(), take(), take()]).toEqual([8, 9, 10, undefined])
  })

  it('does not keep what was read then waiting for the next reading', async () => {
    index.arrived(queue, many(10))
    expect(take()).toBe(1)
    stored = many(3, 8)
    index.missed(queue)
    await settled()
    index.learn([counted(5)])
    expect([take(), take()]).toEqual([8, 9])
  })

  it('does not keep the other queues waiting', async () => {
    const other = sampleQueue(alice, sampleRequirements({ wallMs: 1000 }))
    index.arrived(queue, many(10))
    index.arrived(other, [waits(50)])
    expect(take()).toBe(1)
    index.missed(queue)
    expect([take(), take()]).toEqual([50, undefined])
  })

  it('is no reason to read where nothing is left, where it is being read, or for an unknown queue', async () => {
    index.missed(queue)
    index.arrived(queue, many(1))
    expect(take()).toBe(1)
    index.missed(queue)
    await settled()
    expect(reads).toEqual([])
    index.arrived(queue, many(5, 2))
    index.missed(queue)
    index.missed(queue)
    await settled()
    expect(reads).toHaveLength(1)
  })
})

describe('while a queue is being read', () => {
  it('what came then is not lost, and what was taken then does not come again', async () => {
    index.arrived(queue, many(3))
    stored = many(5)
    index.learn([counted(5)])
    expect(take()).toBe(1)
    index.arrived(queue, [waits(9)])
    await settled()
    expect([take(), take(), take(), take(), take(), take()]).toEqual([2, 3, 4, 5, 9, undefined])
  })

  it('what came or was taken then counts for that reading alone', async () => {
    stored = many(3)
    index.arrived(queue, many(2))
    index.learn([counted(3)])
    expect(take()).toBe(1)
    index.arrived(queue, [waits(9), waits(10)])
    await settled()
    expect([take(), take(), take()]).toEqual([2, 3, 9])
    // The first one lost its machine and waits again; the ninth has run.
    stored = [waits(1), waits(4), waits(10)]
    index.learn([counted(3)])
    await settled()
    expect([take(), take(), take(), take()]).toEqual([1, 4, 10, undefined])
  })

  it('a store that does not answer is reported, and asked again with the next count', async () => {
    isStoreDown = true
    stored = many(2)
    index.learn([counted(2)])
    await settled()
    expect([errors, readies, take()]).toEqual([[new Error('the store is down')], 0, undefined])
    isStoreDown = false
    index.learn([counted(2)])
    await settled()
    expect([reads.length, take(), take()]).toEqual([2, 1, 2])
  })
})

describe('of many queues of one owner', () => {
  const tooWide = (at: number) => sampleQueue(alice, sampleRequirements({ cores: { min: 9, max: 9 }, wallMs: at + 1 }))

  it.each([
    ['and none that fits', []],
    ['and one that fits behind all', [waits(999)]],
  ])('one that was passed over while it was read is found afterwards, if the store did not answer: %s', async (_, last) => {
    index.arrived(queue, many(3))
    for (let at = 0; at < 20; at += 1) index.arrived(tooWide(at), [waits(100 + at)])
    if (last.length > 0) index.arrived(sampleQueue(alice, sampleRequirements({ wallMs: 500 })), last)
    expect(take()).toBe(1)
    isStoreDown = true
    index.missed(queue)
    expect(take()).toBe(last[0]?.id)
    await settled()
    expect([take(), take(), take()]).toEqual([2, 3, undefined])
  })

  it.each([0, 3])('those that do not fit are looked at once, and not for each offer, with %i that fit', (fitting) => {
    let looks = 0
    for (let at = 0; at < 500; at += 1) {
      const { requirements, ...rest } = tooWide(at)
      const seen = {
        ...rest,
        get requirements() {
          looks += 1
          return requirements
        },
      }
      index.arrived(seen, [waits(100 + at)])
    }
    if (fitting > 0) index.arrived(queue, many(fitting, 1000))
    expect(take()).toBe(fitting > 0 ? 1000 : undefined)
    const first = looks
    const rest = fitting > 0 ? [1001, 1002] : [undefined, undefined]
    expect([take(), take(), take(), take()]).toEqual([...rest, undefined, undefined])
    expect(first).toBeGreaterThanOrEqual(500)
    expect(looks - first).toBeLessThan(50)
  })
})

describe('one task queue alone', () => {
  it('gives its own next job, whatever owner has its turn, and only what fits', () => {
    const wide = sampleQueue(bob, sampleRequirements({ cores: { min: 4, max: 4 } }))
    const elsewhere = sampleQueue(bob, sampleRequirements({ sites: { allowed: ['away'], banned: [] } }))
    index.arrived(queue, many(2))
    index.arrived(wide, [waits(3)])
    index.arrived(elsewhere, [waits(4)])
    expect(index.takeOf(wide.id, place, { ...room, cores: 3 })).toBeUndefined()
    expect(index.takeOf(elsewhere.id, place, room)).toBeUndefined()
    expect(index.takeOf(wide.id, place, room)?.job.id).toBe(3)
    expect(index.takeOf(wide.id, place, room)).toBeUndefined()
    expect(index.takeOf(sampleQueue(bob).id, place, room)).toBeUndefined()
    expect([take(), take(), take()]).toEqual([1, 2, undefined])
  })
})

it('kinds of places are distinguished by everything that a job may ask for', () => {
  const asks: readonly [Parameters<typeof sampleRequirements>[0], Partial<Place>][] = [
    [{ clouds: { allowed: ['there'], banned: [] } }, { cloud: 'there' }],
    [{ sites: { allowed: ['away'], banned: [] } }, { site: 'away' }],
    [{ platforms: ['other'] }, { platform: 'other' }],
    [{ tags: ['gpu'] }, { tags: ['gpu'] }],
    [{ tags: ['a', 'b'] }, { tags: ['a', 'b'] }],
    [{ tags: ['ab'] }, { tags: ['ab'] }],
    [{}, { vos: [alice.vo] }],
  ]
  for (const [at, [changes, kind]] of asks.entries()) {
    index.arrived(sampleQueue(alice, sampleRequirements({ ...changes, wallMs: at + 1 })), [waits(at + 1)])
    const other = { vos: ['other'], tags: kind.tags?.length === 1 ? ['a', 'b'] : ['ab'] }
    const wrong = 'vos' in kind ? { ...place, vos: other.vos } : 'tags' in kind ? { ...place, tags: other.tags } : place
    // Asked first where it does not suit: the answer is remembered for that kind alone.
    expect(index.take(wrong, room), `at a place without ${JSON.stringify(kind)}`).toBeUndefined()
    expect(index.take({ ...place, ...kind }, room)?.job.id).toBe(at + 1)
  }
})
