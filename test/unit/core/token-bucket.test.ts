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
})
