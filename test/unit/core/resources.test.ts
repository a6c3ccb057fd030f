import fc from 'fast-check'
import { expect, it } from 'vitest'
import * as of from '../../../core/model/resources.ts'

const resources: fc.Arbitrary<of.Resources> = fc
  .array(fc.nat(2 ** 30), { minLength: of.listOf(of.noResources).length, maxLength: of.listOf(of.noResources).length })
  .map(of.fromList)

it('takes off what was added', () => {
  fc.assert(
    fc.property(resources, resources, (a, b) => {
      expect(of.minus(of.plus(a, b), b)).toEqual(a)
    }),
  )
})

it('has room for exactly what leaves nothing below zero', () => {
  fc.assert(
    fc.property(resources, resources, (whole, wanted) => {
      const left = of.minus(whole, wanted)
      expect(of.fits(wanted, whole)).toBe(Object.values(left).every((value) => value >= 0))
    }),
  )
})

it('holds the lesser of two in both, and the greater of neither less', () => {
  fc.assert(
    fc.property(resources, resources, (a, b) => {
      expect([of.fits(of.lesser(a, b), a), of.fits(of.lesser(a, b), b)]).toEqual([true, true])
      expect([of.fits(a, of.greater(a, b)), of.fits(b, of.greater(a, b))]).toEqual([true, true])
      expect(of.plus(of.lesser(a, b), of.greater(a, b))).toEqual(of.plus(a, b))
    }),
  )
})

it('counts each of many once, and none as nothing', () => {
  fc.assert(
    fc.property(fc.array(resources), resources, (all, one) => {
      expect(of.total([...all, one])).toEqual(of.plus(of.total(all), one))
    }),
  )
  expect(of.total([])).toEqual(of.noResources)
})

it('keeps the end of a room', () => {
  const room = { ...of.noRoom, cores: 4, memoryBytes: 10, diskBytes: 10, remainingMs: 5 }
  expect(of.roomLess(room, { ...of.noResources, cores: 1, memoryBytes: 2, diskBytes: 3 })).toEqual({
    ...of.noResources,
    cores: 3,
    memoryBytes: 8,
    diskBytes: 7,
    remainingMs: 5,
  })
  expect(of.covers(room, { ...room, remainingMs: 6 })).toBe(false)
  expect(of.covers(room, { ...room, cores: 5 })).toBe(false)
  expect(of.covers(room, room)).toBe(true)
})
