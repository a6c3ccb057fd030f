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

it.each<[string, Partial<of.Room>, Partial<of.Room>, boolean]>([
  ['a whole one with as many cores', { isWhole: true }, { isWhole: true, memoryBytes: 5 }, true],
  // What takes a whole node takes all of its cores, and may have no memory for more of them.
  ['no whole one with fewer cores', { isWhole: true }, { isWhole: true, cores: 3 }, false],
  ['a part with fewer cores', { isWhole: true }, { cores: 3 }, true],
  ['no whole one by a part', {}, { isWhole: true }, false],
  ['no more GPUs', { gpus: 1 }, { gpus: 2 }, false],
  ['fewer GPUs', { gpus: 2 }, { gpus: 1 }, true],
  ['no more power', { power: 5 }, { power: 6 }, false],
  ['none whose power is known by one that is not known', {}, { power: 6 }, false],
])('a room covers %s', (_, room, other, covers) => {
  const plain: of.Room = { cores: 4, memoryBytes: 10, diskBytes: 10, remainingMs: 5 }
  expect(of.covers({ ...plain, ...room }, { ...plain, ...other })).toBe(covers)
})

it('takes with each core its part of the memory, and the GPUs that were granted', () => {
  const asked = { memoryBytes: 5, diskBytes: 7, memoryPerCoreBytes: 2 }
  expect(of.takenWith({ cores: 3, gpus: 2 }, asked)).toEqual({ cores: 3, memoryBytes: 11, diskBytes: 7, gpus: 2 })
  expect(of.takenWith({ cores: 3 }, { ...asked, memoryPerCoreBytes: undefined })).toEqual({
    cores: 3,
    memoryBytes: 5,
    diskBytes: 7,
  })
})

it('reads lists of earlier versions, and writes no GPUs where there are none', () => {
  expect(of.fromList([1, 2, 3])).toEqual({ cores: 1, memoryBytes: 2, diskBytes: 3 })
  expect(of.listOf({ cores: 1, memoryBytes: 2, diskBytes: 3 })).toEqual([1, 2, 3, 0])
  const gpu = { cores: 1, memoryBytes: 2, diskBytes: 3, gpus: 4 }
  expect(of.fromList(of.listOf(gpu))).toEqual(gpu)
  expect(Object.keys(of.minus(gpu, gpu))).not.toContain('gpus')
})

it('is a part of a room as soon as something is taken of it', () => {
  const whole: of.Room = { cores: 4, memoryBytes: 10, diskBytes: 10, gpus: 2, remainingMs: 5, power: 3, isWhole: true }
  expect(of.roomLess(whole, of.noResources)).toEqual(whole)
  const left = of.roomLess(whole, { ...of.noResources, gpus: 1 })
  expect(left).toEqual({ cores: 4, memoryBytes: 10, diskBytes: 10, gpus: 1, remainingMs: 5, power: 3 })
})
