/** What VOs, groups and owners get of the same slots, with the real index and ledger on a virtual clock. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { openLedger, ownerKey } from '../../../core/share/ledger.ts'
import { equalWeights, weightsOf } from '../../../core/share/weights.ts'
import { waitingIndex } from '../../../services/matcher/waiting-index.ts'
import { sampleQueue } from '../../../sim/samples.ts'
import { type JobStream, shareSlots, slotPlace, slotRoom } from '../../support/share-slots.ts'

const minutes = 60_000

const owned = (vo: string, group = 'g', owner = 'o'): Owner => ({ vo, group, owner })
const vos = weightsOf([
  { path: ['a'], weight: 60 },
  { path: ['b'], weight: 30 },
  { path: ['c'], weight: 10 },
])

describe('three VOs with 60, 30 and 10', () => {
  it('get it within 2 points over 10 000 completions, while one of them floods, whatever their jobs are like', () => {
    for (const means of [
      [10, 1, 60],
      [1, 60, 10],
      [5, 5, 5],
    ] as const) {
      for (const flooding of [0, 2]) {
        const streams = ['a', 'b', 'c'].map((vo, at): JobStream => {
          return { owner: owned(vo), jobs: at === flooding ? 500_000 : 40_000, meanMs: (means[at] ?? 1) * minutes }
        })
        const { run, parts } = shareSlots(64, streams, vos)
        run({ completions: 10_000 })
        const [a = 0, b = 0, c = 0] = parts()
        expect(Math.abs(a - 0.6), `means ${means}, flood ${flooding}: ${parts()}`).toBeLessThan(0.02)
        expect(Math.abs(b - 0.3)).toBeLessThan(0.02)
        expect(Math.abs(c - 0.1)).toBeLessThan(0.02)
      }
    }
  })

  it('leave what one does not ask for to the others, by their weights', () => {
    const streams = ['a', 'b', 'c'].map((vo, at): JobStream => {
      return { owner: owned(vo), jobs: at === 1 ? 100 : 500_000, meanMs: 10 * minutes }
    })
    const { run, parts } = shareSlots(64, streams, vos)
    run({ completions: 10_000 })
    expect(Math.abs((parts()[0] ?? 0) - 6 / 7)).toBeLessThan(0.02)
  })

  it('start a new job of the small one within one turnover of a slot, after days of others', () => {
    const day = 24 * 60 * minutes
    const mean = 30 * minutes
    const streams: readonly JobStream[] = [
      { owner: owned('a'), jobs: 500_000, meanMs: mean },
      { owner: owned('b'), jobs: 500_000, meanMs: mean },
      { owner: owned('c'), jobs: 5, meanMs: mean, fromMs: 2 * day },
    ]
    const { run, startsOf } = shareSlots(64, streams, vos)
    run({ nowMs: 2 * day + 60 * minutes })
    // 64 slots of 30 minutes: one is free every half minute.
    const [first = Infinity] = startsOf(streams[2] as JobStream)
    expect(first - 2 * day).toBeLessThanOrEqual(1.5 * minutes)
  })
})

describe('who comes back after days', () => {
  it('is served at once, and the one who used everything is not kept from starting', () => {
    const day = 24 * 60 * minutes
    const streams: readonly JobStream[] = [
      { owner: owned('busy'), jobs: 500_000, meanMs: 10 * minutes },
      { owner: owned('back'), jobs: 500_000, meanMs: 10 * minutes, fromMs: 3 * day },
    ]
    const { run, startsOf } = shareSlots(32, streams)
    run({ nowMs: 3 * day + 8 * 60 * minutes })
    const [busy, back] = streams.map((stream) => startsOf(stream).filter((atMs) => atMs >= 3 * day))
    expect((back?.[0] ?? Infinity) - 3 * day).toBeLessThan(minutes)
    expect(back?.length ?? 0).toBeGreaterThan(busy?.length ?? 0)
    // What it held beyond its share is worked off first; then it is served all the time, at one to nine at least.
    const later = (busy ?? []).filter((atMs) => atMs > 3 * day + 2 * 60 * minutes)
    const gaps = later.map((atMs, at) => atMs - (later[at - 1] ?? atMs))
    expect(Math.max(...gaps)).toBeLessThan(10 * minutes)
    expect(later.length).toBeGreaterThan((6 * 60 * 32) / 10 / 10)
  })
})

it('groups share what their VO gets, and owners what their group gets', () => {
  const weights = weightsOf([{ path: ['a', 'prod'], weight: 3 }])
  const streams: readonly JobStream[] = [
    { owner: owned('a', 'prod', 'p'), jobs: 100_000, meanMs: 5 * minutes },
    { owner: owned('a', 'user', 'q'), jobs: 100_000, meanMs: 5 * minutes },
    { owner: owned('a', 'user', 'r'), jobs: 100_000, meanMs: 50 * minutes },
    { owner: owned('b', 'user', 's'), jobs: 100_000, meanMs: 5 * minutes },
  ]
  const { run, parts } = shareSlots(48, streams, weights)
  run({ completions: 10_000 })
  const right = [3 / 8, 1 / 16, 1 / 16, 1 / 2]
  for (const [at, part] of parts().entries()) expect(Math.abs(part - (right[at] ?? 0)), String(parts())).toBeLessThan(0.02)
})

it('serves every owner who waits within a bounded number of turns, whatever was used before', () => {
  const owner = fc.record({
    vo: fc.constantFrom('a', 'b', 'c'),
    group: fc.constantFrom('g', 'h'),
    owner: fc.constantFrom('o', 'p'),
  })
  fc.assert(
    fc.property(
      fc.uniqueArray(owner, { minLength: 2, maxLength: 8, selector: ownerKey }),
      fc.array(fc.nat(1e8)),
      (owners, uses) => {
        const ledger = openLedger(0)
        const index = waitingIndex({ readNext: async () => [], onError: () => {}, ledger })
        let id = 0
        for (const [at, one] of owners.entries()) {
          const jobs = Array.from({ length: 400 }, () => ({ id: ++id as JobId, priority: 0, submittedMs: 0 }))
          index.arrived(sampleQueue(one), jobs)
          ledger.charge(one, { attempt: '', cores: 1, ranMs: uses[at] ?? 0 }, 0)
          index.tick(equalWeights, at)
        }
        // Time goes by, so that what was used is behind all of them.
        const begin = new Set<string>()
        let turns = 0
        for (; begin.size < owners.length && turns < 20_000; turns += 1) {
          const pick = index.take(slotPlace, slotRoom)
          if (!pick) break
          begin.add(ownerKey(pick.queue))
          ledger.charge(pick.queue, { attempt: '', cores: 1, ranMs: minutes }, turns * minutes)
          index.arrived(pick.queue, [{ id: ++id as JobId, priority: 0, submittedMs: 0 }])
          if (turns % 5 === 0) index.tick(equalWeights, turns * minutes)
        }
        expect(begin.size).toBe(owners.length)
      },
    ),
    { numRuns: 30 },
  )
})
