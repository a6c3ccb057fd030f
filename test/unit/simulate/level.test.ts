import fc from 'fast-check'
import { expect, it } from 'vitest'
import { intervalOf, maxIntervals, openLevel } from '../../../sim/simulate/level.ts'
import { spreadOf } from '../../../sim/simulate/measure.ts'

it('keeps the integral of a level, however long it lasts, in a bounded number of intervals', () => {
  const change = fc.tuple(fc.integer({ min: 0, max: 10 ** 8 }), fc.integer({ min: -5, max: 5 }))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 60 }), (changes) => {
      const level = openLevel()
      let [nowMs, value, integral] = [0, 0, 0]
      for (const [passedMs, delta] of changes) {
        integral += value * passedMs
        nowMs += passedMs
        value += delta
        level.add(delta, nowMs)
      }
      expect(level.now()).toBe(value)
      expect(level.integral(nowMs)).toBeCloseTo(integral, 3)
      const intervalMs = intervalOf(nowMs, 100)
      const means = level.means(intervalMs, nowMs)
      expect(means.length).toBeLessThanOrEqual(maxIntervals)
      const again = means.reduce((sum, mean, at) => sum + mean * Math.min(intervalMs, nowMs - at * intervalMs), 0)
      expect(again).toBeCloseTo(integral, -1)
    }),
  )
})

it('takes exact percentiles: the smallest value that so much of all does not exceed', () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at)
  expect(spreadOf(values)).toEqual({ count: 100, mean: 50.5, p50: 50, p90: 90, p95: 95, p99: 99, max: 100 })
  expect(spreadOf([])).toMatchObject({ count: 0, p95: 0, max: 0 })
  expect(spreadOf([7])).toMatchObject({ p50: 7, p99: 7 })
})
