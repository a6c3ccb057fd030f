import { expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

function wrong(shares: object): readonly string[] {
  try {
    compileConfig({ shares })
    return []
  } catch (error) {
    return (error as PilotageError).violations.map(({ path, rule }) => `${path}: ${rule}`)
  }
}

it('shares equally where nothing is said, and by the weights that are named', () => {
  expect(compileConfig({}).shares).toEqual({ halfLifeMs: 24 * 60 * 60 * 1000, weights: [] })
  const weights = [
    { vo: 'a', weight: 60 },
    { vo: 'a', group: 'g', owner: 'o', weight: 0.5 },
  ]
  expect(compileConfig({ shares: { halfLife: '7d', weights } }).shares).toEqual({
    halfLifeMs: 7 * 24 * 60 * 60 * 1000,
    weights: [
      { path: ['a'], weight: 60 },
      { path: ['a', 'g', 'o'], weight: 0.5 },
    ],
  })
})

it('refuses what is no weight, a node that is named twice, and an owner without a group', () => {
  expect(wrong({ weights: [{ vo: 'a', weight: 0 }] })).toEqual(['shares.weights[0].weight: out of range'])
  expect(wrong({ weights: [{ vo: 'a', weight: 1e9 }] })).toEqual(['shares.weights[0].weight: out of range'])
  expect(wrong({ weights: [{ weight: 1 }] })).toEqual(['shares.weights[0].vo: missing'])
  const twice = [1, 2].map((weight) => ({ vo: 'a', group: 'g', weight }))
  expect(wrong({ weights: twice })).toEqual(['shares.weights[1]: named twice'])
  expect(wrong({ weights: [{ vo: 'a', owner: 'o', weight: 1 }] })).toEqual(['shares.weights[0].group: missing'])
  expect(wrong({ halfLife: '1m' })).toEqual(['shares.halfLife: out of range'])
})
