import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../core/kernel/random.ts'
import { exactly, minOf, needsOf, noSizes, requirementClass } from '../../../core/language/requirement-class.ts'
import { sampleRequirements } from '../../../sim/samples.ts'

const mib = 1024 * 1024
const gib = 1024 * mib
const hour = 60 * 60 * 1000

const memory = (memoryBytes: number, sizes: readonly number[] = []) =>
  requirementClass(sampleRequirements({ memoryBytes }), { ...noSizes, memoryBytes: sizes }).memoryBytes
const wall = (wallMs: number) => requirementClass(sampleRequirements({ wallMs }), noSizes).wallMs

describe('the steps of a class', () => {
  it('are eighths between the doublings of memory and disk, and whole hours of wall time', () => {
    expect([1, 1.1, 2, 2.01, 5, 7.6, 8, 8.1].map((gibs) => memory(gibs * gib) / gib)).toEqual([
      1, 1.125, 2, 2.25, 5, 8, 8, 9,
    ])
    expect([17, 64, 100, 128].map((mibs) => memory(mibs * mib) / mib)).toEqual([32, 64, 112, 128])
    expect([1, 2, 5, 8, 11, 24, 48, 72, 168].map((hours) => wall(hours * hour) / hour)).toEqual([
      1, 2, 5, 8, 11, 24, 48, 72, 168,
    ])
    expect([24.1, 49].map((hours) => wall(hours * hour) / hour)).toEqual([26, 52])
  })

  it('make few classes of many numbers', () => {
    const classes = new Set(Array.from({ length: 200_000 }, (_, at) => memory(2 * gib + at)))
    expect([...classes]).toEqual([2 * gib, 2.25 * gib])
  })

  it('never ask for less than the job, nor for much more; and are steps themselves', () => {
    const random = seededRandom(1)
    for (let tries = 0; tries < 5000; tries += 1) {
      const exact = sampleRequirements({
        memoryBytes: Math.floor(16 * mib * 2 ** (random.next() * 20)),
        diskBytes: Math.floor(2 ** (random.next() * 50)),
        wallMs: Math.floor(1000 * 2 ** (random.next() * 21)),
      })
      const of = requirementClass(exact, noSizes)
      const least = minOf(of)
      for (const field of ['memoryBytes', 'diskBytes', 'wallMs'] as const) {
        expect(of[field]).toBeGreaterThanOrEqual(exact[field])
        expect(least[field]).toBeLessThan(exact[field])
        expect(Number.isInteger(of[field])).toBe(true)
      }
      if (exact.memoryBytes >= 128 * mib) expect(of.memoryBytes / exact.memoryBytes).toBeLessThanOrEqual(1.125)
      if (exact.diskBytes >= 512 * mib) expect(of.diskBytes / exact.diskBytes).toBeLessThanOrEqual(1.125)
      if (exact.wallMs >= 17 * 60_000) expect(of.wallMs / exact.wallMs).toBeLessThanOrEqual(13 / 12)
      expect(requirementClass(of, noSizes)).toEqual(of)
      expect(exactly(of, needsOf(exact, of))).toEqual(exact)
    }
  })

  it('never pass over what an offering has', () => {
    const flavor = 8000 * 1000 * 1000
    expect(memory(flavor)).toBe(7.5 * gib)
    expect(memory(flavor + gib / 4)).toBe(8 * gib)
    expect(memory(flavor, [flavor])).toBe(flavor)
    expect(memory(flavor - 1, [16 * gib, flavor])).toBe(flavor)
    expect(memory(flavor + 1, [16 * gib, flavor])).toBe(7.5 * gib)
  })

  it('leave cores, places and tags alone', () => {
    const exact = sampleRequirements({ cores: { min: 3, max: 7 }, tags: ['gpu'], sites: { allowed: ['a'], banned: ['b'] } })
    const { cores, tags, sites } = requirementClass(exact, noSizes)
    expect({ cores, tags, sites }).toEqual({ cores: exact.cores, tags: exact.tags, sites: exact.sites })
  })
})

it('leaves exact what is a part of a sum, or a bound beside CPU work', () => {
  const memory = sampleRequirements({ memoryBytes: 1_234_567_890, memoryPerCoreBytes: 1_000_000 })
  const work = sampleRequirements({ wallMs: 1_234_567, cpuWorkMs: 9_876_543 })
  const none = sampleRequirements({ memoryBytes: 0, memoryPerCoreBytes: 1_000_000, wallMs: 0, cpuWorkMs: 9_876_543 })
  expect(requirementClass(memory, noSizes)).toMatchObject({ memoryBytes: 1_234_567_890, memoryPerCoreBytes: 1_000_000 })
  expect(requirementClass(work, noSizes).wallMs).toBe(1_234_567)
  expect(requirementClass(none, noSizes)).toMatchObject({ memoryBytes: 0, wallMs: 0 })
  expect(minOf(none)).toMatchObject({ memoryBytes: 0, wallMs: 0 })
  expect(minOf(work).wallMs).toBe(1_234_567)
})

describe('CPU work', () => {
  const hour = 3_600_000
  const work = (cpuWorkMs: number, max = 1) => sampleRequirements({ cores: { min: 1, max }, wallMs: 0, cpuWorkMs })

  it('queues with what is about as much, and keeps its own number', () => {
    const [a, b] = [23.2 * hour, 23.9 * hour].map((each) => requirementClass(work(each), noSizes))
    expect([a?.cpuWorkMs, b?.cpuWorkMs]).toEqual([24 * hour, 24 * hour])
    const exact = work(23.2 * hour)
    const of = requirementClass(exact, noSizes)
    expect(needsOf(exact, of)).toMatchObject({ cpuWorkMs: 23.2 * hour, wallMs: 0 })
    expect(exactly(of, needsOf(exact, of))).toEqual(exact)
    expect(minOf(of).cpuWorkMs).toBeLessThan(23.2 * hour)
    expect(needsOf(of, of)).toBeUndefined()
  })

  it('never passes over what an offering can do in its life', () => {
    const sizes = { ...noSizes, work: [{ power: 10, cores: 4, usableMs: 2.35 * hour }] }
    expect(requirementClass(work(23.2 * hour), sizes).cpuWorkMs).toBe(23.5 * hour)
    expect(requirementClass(work(93 * hour, 8), sizes).cpuWorkMs).toBe(94 * hour)
    expect(requirementClass(work(23.6 * hour), sizes).cpuWorkMs).toBe(24 * hour)
  })

  it('is in no class of a job that gives none', () => {
    expect(requirementClass(sampleRequirements(), noSizes)).not.toHaveProperty('cpuWorkMs')
    expect(minOf(sampleRequirements())).not.toHaveProperty('cpuWorkMs')
    expect(needsOf(sampleRequirements({ wallMs: 3 }), sampleRequirements({ wallMs: 4 }))).not.toHaveProperty('cpuWorkMs')
  })
})
