/** The share tree: targets by weights of those who ask, and factors for what was used. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  askingOwners,
  byShareKey,
  maxFactor,
  type OwnerState,
  shareRanks,
  shareTree,
} from '../../../core/share/share-tree.ts'
import type { TaskQueue } from '../../../core/model/task-queue.ts'
import { equalWeights, isWeight, shareKey, weightBounds, weightsOf } from '../../../core/share/weights.ts'
import { ownerKey } from '../../../core/share/ledger.ts'
import { sampleQueue, sampleRequirements } from '../../../sim/samples.ts'

const state = (vo: string, group: string, owner: string, waiting: number, usedCoreMs: number): OwnerState => ({
  owner: { vo, group, owner },
  waiting,
  usedCoreMs,
})

it('gives each who asks its weight, and what one does not ask for to the others', () => {
  const weights = weightsOf([
    { path: ['a'], weight: 60 },
    { path: ['b'], weight: 30 },
    { path: ['c'], weight: 10 },
    { path: ['a', 'x'], weight: 3 },
  ])
  const owners = [state('a', 'x', 'p', 5, 600), state('a', 'y', 'q', 1, 0), state('b', 'x', 'p', 5, 300)]
  const all = byShareKey(shareTree({ owners: [...owners, state('c', 'x', 'p', 5, 100)], weights, history: 1 }))
  const of = (...path: readonly string[]) => all.get(path.join('\u0000'))
  expect([of('a'), of('b'), of('c')].map((one) => [one?.target, one?.used, one?.factor])).toEqual([
    [0.6, 0.6, 1],
    [0.3, 0.3, 1],
    [0.1, 0.1, 1],
  ])
  expect([of('a', 'x')?.target, of('a', 'y')?.target]).toEqual([0.75, 0.25])
  expect([of('a', 'x')?.factor, of('a', 'y')?.factor]).toEqual([0.75, maxFactor])
  const without = byShareKey(shareTree({ owners: [...owners, state('c', 'x', 'p', 0, 100)], weights, history: 1 }))
  expect(without.get('a')?.target).toBeCloseTo(60 / 90)
  expect(without.get('b')?.target).toBeCloseTo(30 / 90)
  expect(without.get('c')).toMatchObject({ target: 0, factor: 1, waiting: 0 })
})

it('holds for any tree: targets of a level are one, factors are bounded, sums are those of the owners', () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const owner = fc.record({ vo: name, group: name, owner: name })
  const one = fc.record({ queue: owner, waiting: fc.nat(3), usedCoreMs: fc.nat(1e9) })
  const weight = fc.record({
    path: fc.oneof(fc.tuple(name), fc.tuple(name, name)),
    weight: fc.integer({ min: 1, max: 100 }),
  })
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 12 }),
      fc.array(weight, { maxLength: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (given, set, history) => {
        const used = new Map(given.map(({ queue, usedCoreMs }) => [ownerKey(queue), usedCoreMs]))
        const owners = askingOwners(
          given.map((each) => ({ ...each, queue: sampleQueue(each.queue) })),
          used,
        )
        const check = (nodes: ReturnType<typeof shareTree>): void => {
          const asking = nodes.filter(({ waiting }) => waiting > 0)
          const targets = nodes.reduce((sum, { target }) => sum + target, 0)
          expect(targets).toBeCloseTo(asking.length > 0 ? 1 : 0)
          for (const node of nodes) {
            expect(node.factor).toBeGreaterThanOrEqual(1 / maxFactor)
            expect(node.factor).toBeLessThanOrEqual(maxFactor)
            if (node.path.length === 3) continue
            expect(node.waiting).toBe(node.children.reduce((sum, { waiting }) => sum + waiting, 0))
            expect(node.usedCoreMs).toBe(node.children.reduce((sum, { usedCoreMs }) => sum + usedCoreMs, 0))
            check(node.children)
          }
        }
        const tree = shareTree({ owners, weights: weightsOf(set), history })
        check(tree)
        expect([...shareRanks(tree).values()].toSorted((a, b) => a - b)).toEqual(owners.map((_, at) => at))
      },
    ),
  )
})

it('ranks who is farthest below the own target first, and who asks for nothing last', () => {
  const owners = [state('a', 'g', 'p', 1, 900), state('b', 'g', 'p', 1, 100), state('c', 'g', 'p', 0, 0)]
  const ranks = shareRanks(shareTree({ owners, weights: equalWeights, history: 1 }))
  expect(owners.map(({ owner }) => ranks.get(ownerKey(owner)))).toEqual([1, 0, 2])
  const heavy = shareRanks(shareTree({ owners, weights: weightsOf([{ path: ['a'], weight: 100 }]), history: 0 }))
  expect(owners.map(({ owner }) => heavy.get(ownerKey(owner)))).toEqual([0, 1, 2])
})

it('keeps apart what has the same letters at other levels', () => {
  expect(shareKey(['a', 'b'])).not.toBe(shareKey(['ab']))
  const weights = weightsOf([{ path: ['a', 'b'], weight: 7 }])
  expect([weights.of(['a']), weights.of(['a', 'b']), weights.of(['a', 'b', 'c'])]).toEqual([1, 7, 1])
})

it('adds up what waits in all task queues of an owner, with what the owner used', () => {
  const [first, second, other] = [1, 2, 3].map((cores) =>
    sampleQueue(
      { vo: 'a', group: 'g', owner: cores === 3 ? 'q' : 'p' },
      sampleRequirements({ cores: { min: cores, max: cores } }),
    ),
  )
  const counts = [first, second, other].map((queue, at) => ({ queue: queue as TaskQueue, waiting: at + 1 }))
  const used = new Map([[ownerKey({ vo: 'a', group: 'g', owner: 'p' }), 77]])
  expect(askingOwners(counts, used)).toEqual([state('a', 'g', 'p', 3, 77), state('a', 'g', 'q', 3, 0)])
})

it('has its nodes by name, corrects nothing where nothing is used, and compares who asks not with those who do', () => {
  const owners = [state('c', 'g', 'p', 1, 0), state('a', 'g', 'p', 1, 0), state('b', 'g', 'p', 0, 0)]
  const unused = shareTree({ owners, weights: equalWeights, history: 1 })
  expect(unused.map(({ path: [vo], factor, used }) => [vo, factor, used])).toEqual([
    ['a', 1, 0],
    ['b', 1, 0],
    ['c', 1, 0],
  ])
  expect(unused[0]).not.toHaveProperty('name')
  const asking = [state('a', 'g', 'p', 1, 300), state('b', 'g', 'p', 0, 100)]
  const [a, b] = shareTree({ owners: asking, weights: equalWeights, history: 1 })
  expect([a?.used, b?.used]).toEqual([1, 0.25])
})

it('ranks who asks for nothing behind who used much, whatever their names', () => {
  const owners = [state('a', 'g', 'p', 0, 0), state('b', 'g', 'p', 1, 900), state('c', 'g', 'p', 1, 100)]
  const ranks = shareRanks(shareTree({ owners, weights: equalWeights, history: 1 }))
  expect(owners.map(({ owner }) => ranks.get(ownerKey(owner)))).toEqual([2, 1, 0])
})

it('has the smallest and the largest weight among the weights', () => {
  expect([weightBounds.min, weightBounds.max, weightBounds.min / 2, weightBounds.max * 2].map(isWeight)).toEqual([
    true,
    true,
    false,
    false,
  ])
})
