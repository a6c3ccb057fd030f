import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fairShares } from '../../../sim/simulate/targets.ts'
import { ran, sampleSite, traceOf } from './sample-trace.ts'

const wish = (weight: number, demand: number) => ({ weight, demand })

describe('fair shares', () => {
  it('divide by weight, and what one does not need by the weights of the others', () => {
    expect(fairShares(100, [wish(60, 500), wish(30, 500), wish(10, 500)])).toEqual([60, 30, 10])
    expect(fairShares(100, [wish(60, 10), wish(30, 500), wish(10, 500)])).toEqual([10, 67.5, 22.5])
    expect(fairShares(100, [wish(1, 5), wish(1, 0)])).toEqual([5, 0])
  })

  it('give all there is or all that is asked for, and no one more than asked', () => {
    const some = fc.record({ weight: fc.integer({ min: 1, max: 100 }), demand: fc.integer({ min: 0, max: 1000 }) })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), fc.array(some, { minLength: 1, maxLength: 12 }), (total, wishes) => {
        const given = fairShares(total, wishes)
        const asked = wishes.reduce((sum, { demand }) => sum + demand, 0)
        expect(given.reduce((sum, one) => sum + one, 0)).toBeCloseTo(Math.min(total, asked), 6)
        wishes.forEach(({ demand }, at) => {
          expect(given[at]).toBeLessThanOrEqual(demand + 1e-6)
        })
      }),
    )
  })
})

it('are what the report compares the shares of VOs with', async () => {
  const jobsOf = (group: number, user: number, count: number) =>
    Array.from({ length: count }, () => ({ at: 0, runs: 3600, group, user }))
  const trace = traceOf([...jobsOf(1, 1, 40), ...jobsOf(2, 2, 40)])
  const cloud = { quota: { cores: 10 } }
  const equal = await ran(trace, sampleSite({}, cloud))
  expect(equal.vos.map(({ sharePercent, targetPercent }) => [sharePercent, targetPercent])).toEqual([
    [50, 50],
    [50, 50],
  ])
  const other = await ran(trace, sampleSite({ shares: { weights: [{ vo: 'vo1', weight: 3 }] } }, cloud))
  const [first, second] =
    other.voTargets.values.vo1?.map((cores, at) => [cores, other.voTargets.values.vo2?.[at] ?? 0])[30] ?? []
  expect((first ?? 0) / (second ?? 1)).toBeCloseTo(3, 1)
})
