/**
 * Token buckets, one per key: what each may spend per second on average, and at once.
 *
 * A cost is always taken whole: a bucket may go into debt, and who is in debt waits. So one large cost needs no burst of its
 * size, and the average holds whatever the costs are. Buckets that are full again are forgotten; where too many are not, the
 * one that was used longest ago goes, so memory is bounded whatever the keys are.
 */

import { assert } from './assert.ts'

export type Rate = { readonly perSecond: number; readonly burst: number }

export type TokenBuckets = {
  /** Milliseconds until the key is out of debt; 0: it may spend now. */
  waitMs(key: string, nowMs: number): number
  /** Takes the cost, whether it is there or not. */
  spend(key: string, cost: number, nowMs: number): void
  size(): number
}

type Bucket = { level: number; atMs: number }

/** `nowMs` is monotonic. */
export function tokenBuckets({ perSecond, burst }: Rate, maxKeys: number): TokenBuckets {
  assert(perSecond > 0 && burst >= 1 && maxKeys > 0, 'a bucket fills, holds one, and there is one')
  const buckets = new Map<string, Bucket>()

  const levelOf = ({ level, atMs }: Bucket, nowMs: number): number =>
    Math.min(burst, level + (Math.max(0, nowMs - atMs) * perSecond) / 1000)

  /** Every spending forgets at most two buckets: nothing is ever walked whole. */
  function forget(nowMs: number): void {
    let looked = 0
    for (const [key, bucket] of buckets) {
      if (looked === 2) return
      looked += 1
      if (buckets.size > maxKeys || levelOf(bucket, nowMs) >= burst) buckets.delete(key)
      else if (looked === 1) return
    }
  }

  return {
    waitMs(key, nowMs) {
      const bucket = buckets.get(key)
      const level = bucket ? levelOf(bucket, nowMs) : burst
      return level >= 1 ? 0 : Math.ceil(((1 - level) * 1000) / perSecond)
    },
    spend(key, cost, nowMs) {
      const bucket = buckets.get(key)
      const level = bucket ? levelOf(bucket, nowMs) : burst
      // At the end of the map: what stands in front was used longest ago.
      buckets.delete(key)
      buckets.set(key, { level: level - cost, atMs: nowMs })
      forget(nowMs)
    },
    size: () => buckets.size,
  }
}
