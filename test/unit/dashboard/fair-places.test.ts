import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fairPlaces, type PlaceRules } from '../../../services/dashboard/fair-places.ts'

type Step = { readonly owner: string; readonly kind: 'take' | 'free' }

const owner = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const step: fc.Arbitrary<Step> = fc.record({ owner, kind: fc.constantFrom('take', 'take', 'take', 'free') })
const rules: fc.Arbitrary<PlaceRules> = fc.record({
  perOwner: fc.integer({ min: 1, max: 4 }),
  all: fc.integer({ min: 1, max: 8 }),
  ownFull: fc.constantFrom('oldest-goes', 'refuse'),
  gives: fc.constantFrom('oldest', 'newest'),
})

it('never has more than there may be, takes nothing from an owner with as many, and refuses no owner while there is room', () => {
  fc.assert(
    fc.property(rules, fc.array(step, { maxLength: 60 }), (given, steps) => {
      const places = fairPlaces<string>(given)
      const held = new Map<string, string>()
      const countOf = (name: string): number => [...held.values()].filter((one) => one === name).length
      steps.forEach(({ owner: name, kind }, at) => {
        if (kind === 'free') {
          const first = [...held].find(([, one]) => one === name)?.[0]
          places.free(name, first ?? 'none')
          if (first !== undefined) held.delete(first)
        } else {
          const [mine, size] = [countOf(name), held.size]
          const taken = places.take(name, `item ${at}`)
          if (!taken.ok) {
            expect(mine >= given.perOwner || size >= given.all).toBe(true)
            if (given.ownFull === 'oldest-goes') expect(mine).toBe(0)
            for (const one of held.values()) if (taken.why === 'all') expect(countOf(one)).toBeLessThan(mine + 2)
          } else {
            if (taken.ousted !== undefined) {
              const loser = held.get(taken.ousted)
              expect(loser).toBeDefined()
              if (loser !== name) expect(countOf(loser ?? '')).toBeGreaterThanOrEqual(mine + 2)
              held.delete(taken.ousted)
            }
            held.set(`item ${at}`, name)
          }
        }
        expect(places.size()).toBe(held.size)
        expect(places.size()).toBeLessThanOrEqual(given.all)
        expect(places.count(name)).toBe(countOf(name))
        expect(places.count(name)).toBeLessThanOrEqual(given.perOwner)
        expect(new Set(places.items())).toEqual(new Set(held.keys()))
      })
    }),
    { numRuns: 500 },
  )
})

it('gives the oldest or the newest of the owner with the most, as the rules say', () => {
  for (const [gives, expected] of [
    ['oldest', 'a1'],
    ['newest', 'a3'],
  ] as const) {
    const places = fairPlaces<string>({ perOwner: 4, all: 4, ownFull: 'refuse', gives })
    for (const item of ['a1', 'a2', 'a3']) places.take('a', item)
    places.take('b', 'b1')
    expect(places.take('c', 'c1')).toEqual({ ok: true, ousted: expected })
    // a has two now, and a newcomer with none takes one more; then no owner has one to spare.
    expect(places.take('d', 'd1').ok).toBe(true)
    expect(places.take('e', 'e1')).toEqual({ ok: false, why: 'all' })
    expect(places.take('d', 'd2')).toEqual({ ok: false, why: 'all' })
  }
})
