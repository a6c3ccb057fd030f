/** The tree against a plain list: the same order, and the same first thing that fits, whatever was put in and taken out. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Asked, type FitTree, fitTree, mayFit, type Wanted } from '../../../services/matcher/fit-tree.ts'

type Thing = { readonly key: number; asked: Asked }

const wordsOf = (kinds: readonly number[]): readonly number[] =>
  [0, 1].map((word) => kinds.filter((kind) => kind >> 5 === word).reduce((bits, kind) => bits | (1 << (kind & 31)), 0))

const anyAsked = fc
  .record({ least: fc.tuple(fc.nat(8), fc.nat(8), fc.nat(8)), kinds: fc.uniqueArray(fc.nat(63), { maxLength: 20 }) })
  .map(({ least, kinds }): Asked => ({ least, kinds: wordsOf(kinds) }))
const anyWanted: fc.Arbitrary<Wanted> = fc.record({ room: fc.tuple(fc.nat(8), fc.nat(8), fc.nat(8)), kind: fc.nat(63) })

const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('insert' as const), key: fc.nat(60), asked: anyAsked }) },
  fc.record({ kind: fc.constant('remove' as const), key: fc.nat(60) }),
  fc.record({ kind: fc.constant('change' as const), key: fc.nat(60), asked: anyAsked }),
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('first' as const), wanted: anyWanted, from: fc.nat(60), no: fc.nat(3) }),
  },
)

function open(): FitTree<Thing> {
  return fitTree({ isBefore: (a, b) => a.key < b.key, askedOf: ({ asked }) => asked })
}

it('finds what a list finds, and passes over nothing that fits', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const tree = open()
      const list = new Map<number, Thing>()
      for (const step of steps) {
        if (step.kind === 'insert' && !list.has(step.key)) {
          const thing = { key: step.key, asked: step.asked }
          list.set(step.key, thing)
          tree.insert(thing)
        }
        if (step.kind === 'remove') {
          const thing = list.get(step.key) ?? { key: step.key, asked: { least: [], kinds: [] } }
          list.delete(step.key)
          tree.remove(thing)
        }
        if (step.kind === 'change') {
          const thing = list.get(step.key)
          if (thing) {
            thing.asked = step.asked
            tree.changed(thing)
          }
        }
        if (step.kind === 'first') {
          const { wanted, from, no } = step
          const sorted = [...list.values()].sort((a, b) => a.key - b.key)
          // Some of those that may fit do not.
          const look = ({ key }: Thing): number | undefined => (key % 4 === no ? undefined : key)
          const expected = sorted.find((one) => one.key >= from && mayFit(one.asked, wanted) && look(one) !== undefined)
          expect(tree.first(wanted, look, ({ key }) => key < from)).toBe(expected?.key)
        }
        expect(tree.size()).toBe(list.size)
      }
      expect(tree.items().map(({ key }) => key)).toEqual([...list.keys()].sort((a, b) => a - b))
    }),
  )
})

it('knows the least of all, and the kinds of any', () => {
  const tree = open()
  expect(tree.asked()).toBeUndefined()
  tree.insert({ key: 1, asked: { least: [4, 1, 9], kinds: wordsOf([1, 40]) } })
  tree.insert({ key: 2, asked: { least: [2, 3, 9], kinds: wordsOf([3]) } })
  expect(tree.asked()).toEqual({ least: [2, 1, 9], kinds: wordsOf([1, 3, 40]) })
})

it('looks at few of many: about as many as the tree is deep', () => {
  const tree = open()
  const count = 20_000
  for (let key = 0; key < count; key += 1)
    tree.insert({ key, asked: { least: [key === count - 3 ? 1 : 9, 0, 0], kinds: wordsOf([0]) } })
  let looked = 0
  const found = tree.first({ room: [1, 1, 1], kind: 0 }, ({ key }) => {
    looked += 1
    return key
  })
  expect([found, looked]).toEqual([count - 3, 1])
})
