import { type UsageLedger, openLedger } from '../../../core/share/ledger.ts'
import { equalWeights } from '../../../core/share/weights.ts'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { windowJobs } from '../../../core/kernel/limits.ts'
import type { TaskQueue, WaitingJob } from '../../../core/model/task-queue.ts'
import { noAmounts, type Place, type Room } from '../../../core/model/resources.ts'
import { waitingIndex, type WaitingIndex } from '../../../services/matcher/waiting-index.ts'
import { alice, bob, sampleQueue, sampleRequirements } from '../../../sim/samples.ts'

const place: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: [], vos: [] }
const room: Room = { cores: 8, ...noAmounts, memoryBytes: 2 ** 40, diskBytes: 2 ** 40, remainingMs: Infinity }
const waits = (id: number, priority = 0): WaitingJob => ({ id: id as JobId, priority, submittedMs: id })

/** What the store has waiting in each queue; tests change it as claims would. */
let stored: Map<string, WaitingJob[]>
let index: WaitingIndex
let ledger: UsageLedger

beforeEach(() => {
  stored = new Map()
  ledger = openLedger(0)
  index = waitingIndex({
    readNext: async (id, limit) => (stored.get(id) ?? []).slice(0, limit),
    onError: (error) => {
      throw error
    },
    ledger,
  })
})

function take(count: number, free = room): (number | undefined)[] {
  return Array.from({ length: count }, () => index.take(place, free)?.job.id)
}

const { soon } = systemClock()
const settled = (): Promise<void> => new Promise((resolve) => soon(resolve))

describe('of one owner', () => {
  it('gives the highest priority first, then the oldest, across queues', () => {
    const wide = sampleQueue(alice, sampleRequirements({ cores: { min: 2, max: 2 } }))
    index.arrived(sampleQueue(), [waits(1), waits(4, 5), waits(6, 9)])
    index.arrived(wide, [waits(2, 5), waits(3), waits(5, 9)])
    expect(take(7)).toEqual([5, 6, 2, 4, 1, 3, undefined])
  })

  it('gives what fits, and leaves the rest', () => {
    const wide = sampleQueue(alice, sampleRequirements({ cores: { min: 4, max: 4 } }))
    const elsewhere = sampleQueue(alice, sampleRequirements({ sites: { allowed: ['away'], banned: [] } }))
    index.arrived(wide, [waits(1, 9)])
    index.arrived(elsewhere, [waits(2, 9)])
    index.arrived(sampleQueue(), [waits(3)])
    expect(take(2, { ...room, cores: 2 })).toEqual([3, undefined])
    expect(take(2)).toEqual([1, undefined])
  })

  it('takes a job that is reported twice as one', () => {
    index.arrived(sampleQueue(), [waits(1), waits(2)])
    index.arrived(sampleQueue(), [waits(1), waits(2)])
    expect(take(3)).toEqual([1, 2, undefined])
  })
})

it('knows which queues suit a place, also of more kinds than it has numbers for', () => {
  const sites = Array.from({ length: 600 }, (_, at) => `site-${at}`)
  for (const [at, site] of sites.entries()) {
    const asked = sampleRequirements({ sites: { allowed: [site], banned: [] } })
    index.arrived(sampleQueue(at % 2 === 0 ? alice : bob, asked), [waits(at + 1)])
  }
  const found = sites.map((site) => index.take({ ...place, site }, room)?.job.id)
  expect(found).toEqual(sites.map((_, at) => at + 1))
  expect(index.take(place, room)).toBeUndefined()
})

const used = (coreMs: number) => ({ attempt: '', cores: 1, ranMs: coreMs })

describe('between owners', () => {
  const theirs = sampleQueue(bob)

  /** Of 40 starts of a second each, once the weights are corrected by what was used before. */
  function startsOf(usage: UsageLedger, nowMs: number): { readonly mine: number; readonly others: number } {
    const both = waitingIndex({ readNext: async () => [], onError: () => {}, ledger: usage })
    const jobs = (from: number) => Array.from({ length: 40 }, (_, at) => waits(from + at))
    both.arrived(sampleQueue(), jobs(1))
    both.arrived(theirs, jobs(1001))
    both.tick(equalWeights, nowMs)
    const picked = Array.from({ length: 40 }, () => {
      const pick = both.take(place, room)
      if (pick) usage.charge(pick.queue, used(1000), nowMs)
      return pick?.queue.vo === alice.vo
    })
    const mine = picked.filter((isMine) => isMine).length
    return { mine, others: 40 - mine }
  }

  it('serves the one who used less, whatever the priorities', () => {
    index.arrived(sampleQueue(), [waits(1, 9), waits(2, 9)])
    index.arrived(theirs, [waits(3), waits(4)])
    ledger.charge(alice, used(1000), 0)
    expect(take(1)).toEqual([3])
    ledger.charge(bob, used(5000), 0)
    expect(take(1)).toEqual([1])
  })

  it('forgets use with time: what was used today weighs more than twice that of two days ago', () => {
    const day = 24 * 60 * 60 * 1000
    ledger.charge(alice, used(3_000_000), 0)
    ledger.charge(bob, used(1_000_000), 2 * day)
    expect(ledger.usageOf(alice, 2 * day)).toBeCloseTo(750_000)
    const { mine, others } = startsOf(ledger, 2 * day)
    expect(mine).toBeGreaterThan(others)
  })

  it('goes on after a restart as before it', () => {
    const day = 24 * 60 * 60 * 1000
    ledger.charge(alice, used(6_000_000), 5000)
    const kept = openLedger(day)
    kept.hear(ledger.own(5000), day)
    expect(kept.usageOf(alice, day)).toBeCloseTo(3_000_000, -3)
    const { mine, others } = startsOf(kept, day)
    expect(others).toBeGreaterThan(1.5 * mine)
  })

  it('gives a hungry owner its share: over any run of starts no owner is two starts behind', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), (starts) => {
        const shared = openLedger(0)
        const fair = waitingIndex({
          readNext: async () => [],
          onError: () => {},
          ledger: shared,
        })
        const jobs = (from: number) => Array.from({ length: 40 }, (_, at) => waits(from + at))
        fair.arrived(sampleQueue(), jobs(1))
        fair.arrived(theirs, jobs(1001))
        let mine = 0
        for (let at = 0; at < starts; at += 1) {
          const picked = fair.take(place, room)
          if (!picked) throw new Error('eighty jobs wait')
          shared.charge(picked.queue, used(1000), at)
          if (picked.queue.vo === alice.vo) mine += 1
        }
        expect(Math.abs(mine - (starts - mine))).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('of a queue longer than the window', () => {
  const many = Array.from({ length: windowJobs * 3 }, (_, at) => waits(at + 1))
  const queue: TaskQueue = sampleQueue()

  it('reads on before it runs empty, and gives every job once and in order', async () => {
    stored.set(queue.id, [...many])
    index.arrived(queue, many)
    const given: number[] = []
    for (let turn = 0; turn < 40; turn += 1) {
      for (const id of take(100)) {
        if (id === undefined) break
        given.push(id)
        stored.set(
          queue.id,
          (stored.get(queue.id) ?? []).filter((job) => job.id !== id),
        )
      }
      await settled()
    }
    expect(given).toEqual(many.map(({ id }) => id))
  })

  it('lets an urgent job in at once, and keeps a late one for its turn', async () => {
    stored.set(queue.id, [...many])
    index.arrived(queue, many)
    index.arrived(queue, [waits(9001, 9), waits(9002)])
    expect(take(2)).toEqual([9001, 1])
  })

  it('learns from the store what it never heard of', async () => {
    stored.set(queue.id, [waits(1), waits(2)])
    expect(take(1)).toEqual([undefined])
    index.learn([{ queue, waiting: 2, topPriority: 0, oldestMs: 1 }])
    await settled()
    expect(take(3)).toEqual([1, 2, undefined])
  })
})

describe('of several processes', () => {
  type Process = { readonly index: WaitingIndex; readonly part: { rank: number; of: number } }

  const serving = (rank: number, of: number): Process => {
    const part = { rank, of }
    const built = waitingIndex({
      readNext: async (id, limit) => (stored.get(id) ?? []).slice(0, limit),
      onError: (error) => {
        throw error
      },
      ledger: openLedger(0),
      part: () => part,
    })
    return { index: built, part }
  }
  const queue: TaskQueue = sampleQueue()
  const byStore = (jobs: readonly WaitingJob[]) => jobs.toSorted((a, b) => b.priority - a.priority || a.id - b.id)
  const learn = async ({ index: of }: Process): Promise<void> => {
    const waiting = stored.get(queue.id) ?? []
    if (waiting.length > 0)
      of.learn([{ queue, waiting: waiting.length, topPriority: waiting[0]?.priority ?? 0, oldestMs: 1 }])
    await settled()
  }
  /** The store's answer to a claim. */
  const claim = (id: number): boolean => {
    const waiting = stored.get(queue.id) ?? []
    stored.set(
      queue.id,
      waiting.filter((job) => job.id !== id),
    )
    return waiting.some((job) => job.id === id)
  }
  const take = ({ index: of }: Process): WaitingJob | undefined => of.take(place, room)?.job

  it('gives each its own part first, and no two the same while each has its own', async () => {
    const jobs = Array.from({ length: 1024 }, (_, at) => waits(at + 1))
    stored.set(queue.id, jobs)
    const all = [0, 1, 2, 3].map((rank) => serving(rank, 4))
    for (const one of all) await learn(one)
    const picks = all.map((one) => Array.from({ length: 200 }, () => take(one)?.id ?? 0))
    expect(new Set(picks.flat()).size).toBe(800)
    for (const [rank, ids] of picks.entries()) {
      expect(ids.every((id) => Math.floor(id / 64) % 4 === rank)).toBe(true)
      expect(ids).toEqual(ids.toSorted((a, b) => a - b))
    }
  })

  it('keeps priority above whose part it is', async () => {
    stored.set(queue.id, byStore([waits(1), waits(2), waits(70, 5), waits(71, 5), waits(3, 9), waits(130)]))
    const [zero, one] = [serving(0, 2), serving(1, 2)]
    for (const process of [zero, one]) await learn(process)
    expect(Array.from({ length: 7 }, () => take(zero)?.id)).toEqual([3, 70, 71, 1, 2, 130, undefined])
    expect(Array.from({ length: 3 }, () => take(one)?.id)).toEqual([3, 70, 71])
  })

  it('lets an urgent job of another process in before its own window is through', async () => {
    stored.set(
      queue.id,
      Array.from({ length: 3000 }, (_, at) => waits(at + 1)),
    )
    const zero = serving(0, 2)
    await learn(zero)
    expect(take(zero)?.id).toBe(1)
    claim(1)
    stored.set(queue.id, byStore([...(stored.get(queue.id) ?? []), waits(9000, 3)]))
    await learn(zero)
    expect(take(zero)?.id).toBe(9000)
  })

  it('turns to another part when processes come and go', async () => {
    stored.set(
      queue.id,
      Array.from({ length: 512 }, (_, at) => waits(at + 1)),
    )
    const zero = serving(0, 2)
    await learn(zero)
    expect(take(zero)?.id).toBe(1)
    Object.assign(zero.part, { rank: 1, of: 2 })
    expect(take(zero)?.id).toBe(64)
    Object.assign(zero.part, { rank: 0, of: 1 })
    expect(take(zero)?.id).toBe(2)
  })

  it('loses nothing: whichever stream takes, and whatever comes in between, every job is taken once', async () => {
    const job = fc.record({ priority: fc.nat(2), gap: fc.nat(40) })
    const turn = fc.record({
      by: fc.nat(3),
      count: fc.integer({ min: 1, max: 400 }),
      comes: fc.array(job, { maxLength: 30 }),
      moves: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(job, { maxLength: 1500 }),
        fc.array(turn, { maxLength: 25 }),
        async (of, first, turns) => {
          stored = new Map()
          let lastId = 0
          const submit = (some: readonly { priority: number; gap: number }[]): WaitingJob[] => {
            const jobs = some.map(({ priority, gap }) => {
              lastId += gap + 1
              return waits(lastId, priority)
            })
            stored.set(queue.id, byStore([...(stored.get(queue.id) ?? []), ...jobs]))
            return jobs
          }
          let submitted = submit(first).length
          let taken = 0
          const all = Array.from({ length: of }, (_, rank) => serving(rank, of))
          const takeSome = (process: Process, count: number): void => {
            for (let at = 0; at < count; at += 1) {
              const picked = take(process)
              if (!picked) return
              if (claim(picked.id)) taken += 1
            }
          }
          for (const { by, count, comes, moves } of turns) {
            const process = all[by % of]
            if (!process) continue
            const arrived = submit(comes)
            submitted += arrived.length
            if (arrived.length > 0) process.index.arrived(queue, arrived)
            if (moves) Object.assign(process.part, { rank: (process.part.rank + 1) % of })
            takeSome(process, count)
            await learn(process)
          }
          for (let round = 0; round < 200 && (stored.get(queue.id) ?? []).length > 0; round += 1) {
            const process = all[round % of]
            if (!process) continue
            await learn(process)
            takeSome(process, 500)
          }
          expect(stored.get(queue.id) ?? []).toEqual([])
          expect(taken).toBe(submitted)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('does not keep old jobs waiting for a process that has no use for them', async () => {
    let lastId = 0
    const submit = (count: number): void => {
      const jobs = Array.from({ length: count }, (_, at) => waits(lastId + at + 1))
      lastId += count
      stored.set(queue.id, [...(stored.get(queue.id) ?? []), ...jobs])
    }
    submit(2000)
    const zero = serving(0, 2)
    let overtaken = 0
    for (let round = 0; round < 300; round += 1) {
      await learn(zero)
      for (let at = 0; at < 20; at += 1) {
        const picked = take(zero)
        if (picked) claim(picked.id)
      }
      submit(20)
      const oldest = (stored.get(queue.id) ?? [])[0]?.id ?? lastId
      overtaken = Math.max(overtaken, lastId - oldest)
    }
    // The queue is 2000 long all the time, and the window shows the oldest thousand.
    expect(overtaken).toBeLessThan(2000 + 3 * 2 * windowJobs)
  })
})
