import { describe, expect, it } from 'vitest'
import { tokenBuckets } from '../../../core/kernel/token-bucket.ts'

describe('a token bucket', () => {
  it('lets its burst through at once, and then its rate', () => {
    const buckets = tokenBuckets({ perSecond: 10, burst: 5 }, 100)
    for (let at = 0; at < 5; at += 1) {
      expect(buckets.waitMs('a', 0)).toBe(0)
      buckets.spend('a', 1, 0)
    }
    expect(buckets.waitMs('a', 0)).toBe(100)
    expect(buckets.waitMs('a', 99)).toBeGreaterThan(0)
    expect(buckets.waitMs('a', 101)).toBe(0)
  })

  it('keeps to the average when a cost is larger than the burst', () => {
    const buckets = tokenBuckets({ perSecond: 10, burst: 5 }, 100)
    buckets.spend('a', 25, 0)
    expect(buckets.waitMs('a', 0)).toBe(2100)
    expect(buckets.waitMs('a', 2101)).toBe(0)
  })

  it('counts each key alone', () => {
    const buckets = tokenBuckets({ perSecond: 1, burst: 1 }, 100)
    buckets.spend('a', 1, 0)
    expect([buckets.waitMs('a', 0), buckets.waitMs('b', 0)]).toEqual([1000, 0])
  })

  it('never fills above its burst, nor backwards in time', () => {
    const buckets = tokenBuckets({ perSecond: 1000, burst: 2 }, 100)
    buckets.spend('a', 1, 0)
    buckets.spend('a', 2, 1_000_000)
    expect(buckets.waitMs('a', 1_000_000)).toBe(1)
    buckets.spend('b', 3, 1000)
    expect(buckets.waitMs('b', 0)).toBe(2)
  })

  it('forgets buckets that are full again, and never holds more than it may', () => {
    const buckets = tokenBuckets({ perSecond: 1, burst: 1 }, 50)
    for (let at = 0; at < 10_000; at += 1) buckets.spend(`key-${at}`, 5, 0)
    expect(buckets.size()).toBeLessThanOrEqual(50)
    for (let at = 0; at < 100; at += 1) buckets.spend('last', 0, 60_000)
    expect(buckets.size()).toBeLessThanOrEqual(1)
  })

  it('says how long to wait, and not less', () => {
    for (const perSecond of [3, 7, 1000, 0.3]) {
      const buckets = tokenBuckets({ perSecond, burst: 2 }, 100)
      buckets.spend('a', 4.5, 0)
      const ms = buckets.waitMs('a', 0)
      expect(ms).toBe(Math.ceil(3500 / perSecond))
      expect(buckets.waitMs('a', ms)).toBe(0)
      expect(buckets.waitMs('a', ms - 1)).toBeGreaterThan(0)
    }
  })

  it('holds as many as it may, and forgets no more than two per spending', () => {
    const buckets = tokenBuckets({ perSecond: 1, burst: 1 }, 10)
    for (let at = 0; at < 12; at += 1) buckets.spend(`key-${at}`, 1, 0)
    expect(buckets.size()).toBe(10)
    buckets.spend('late', 1, 60_000)
    expect(buckets.size()).toBe(9)
    // The one that was used longest ago is in debt: what stands behind it is not looked at.
    const waiting = tokenBuckets({ perSecond: 1, burst: 1 }, 10)
    waiting.spend('in debt', 1000, 0)
    waiting.spend('full', 0, 0)
    waiting.spend('new', 1, 60_000)
    expect(waiting.size()).toBe(3)
  })
})
