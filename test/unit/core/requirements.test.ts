import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesText, durationText } from '../../../core/kernel/quantities.ts'
import type { Demand, Requirements } from '../../../core/model/requirements.ts'
import { byCloseness, hasRoom, suits, ruleOutcomes } from '../../../core/language/rules.ts'
import type { RuleOutcome } from '../../../core/language/rule.ts'
import { normalised, requirementsKey } from '../../../core/language/normal-form.ts'
import { memoryLimitWith, memoryWith, wallLimitMs } from '../../../core/language/grant.ts'
import { minOf, noSizes, requirementClass } from '../../../core/language/requirement-class.ts'
import { packed, takenFrom } from '../../../core/language/packing.ts'
import { type Amount, amounts, covers, fits, noRoom, type Place, type Room } from '../../../core/model/resources.ts'
import { sampleRequirements } from '../../../sim/samples.ts'
import { anyLaterWishes, anyPlace, anyRoom, anyRoomWishes } from '../../support/any-requirements.ts'

const mib = 1024 * 1024
const place: Place = { cloud: 'here', site: 'home', platform: 'linux', tags: ['gpu', 'ssd'], vos: ['lhcb'] }
const room: Room = { ...noRoom, cores: 4, memoryBytes: 64 * mib, diskBytes: 64 * mib, remainingMs: 60_000 }
const demand = (changes: Partial<Requirements> = {}, vo = 'lhcb'): Demand => ({
  vo,
  requirements: sampleRequirements(changes),
})
const none: readonly string[] = []

describe('a place', () => {
  it.each([
    ['as it is', demand(), true],
    ['for another VO', demand({}, 'belle'), false],
    ['with the site allowed', demand({ sites: { allowed: ['home', 'away'], banned: none } }), true],
    ['with another site allowed', demand({ sites: { allowed: ['away'], banned: none } }), false],
    ['with the site banned', demand({ sites: { allowed: none, banned: ['home'] } }), false],
    ['with the cloud allowed', demand({ clouds: { allowed: ['here'], banned: none } }), true],
    ['with the cloud banned', demand({ clouds: { allowed: ['here'], banned: ['here'] } }), false],
    ['of one of the platforms', demand({ platforms: ['el9', 'linux'] }), true],
    ['of none of the platforms', demand({ platforms: ['el9'] }), false],
    ['with all the tags', demand({ tags: ['ssd', 'gpu'] }), true],
    ['with some of the tags', demand({ tags: ['ssd', 'infiniband'] }), false],
  ] as const)('%s', (_, wanted, expected) => {
    expect(suits(wanted, place)).toBe(expected)
  })
})

describe('room', () => {
  it.each([
    ['that is exactly enough', demand({ cores: { min: 4, max: 4 } }), true],
    ['for the least that is wanted', demand({ cores: { min: 2, max: 9 } }), true],
    ['with a core too few', demand({ cores: { min: 5, max: 5 } }), false],
    ['with a byte of memory too little', demand({ memoryBytes: 64 * mib + 1 }), false],
    ['with a byte of disk too little', demand({ diskBytes: 64 * mib + 1 }), false],
    ['with a millisecond too little', demand({ wallMs: 60_001 }), false],
  ] as const)('%s', (_, wanted, expected) => {
    expect(hasRoom(wanted, room)).toBe(expected)
  })

  it('gives as many cores as can be used, and is less by what was given', () => {
    const { requirements } = demand({ cores: { min: 2, max: 3 } })
    expect(takenFrom(room, requirements).cores).toBe(3)
    expect(takenFrom({ ...room, cores: 2 }, requirements).cores).toBe(2)
    expect(packed(room, { vo: 'lhcb', requirements })).toEqual({
      cores: 1,
      memoryBytes: 0,
      diskBytes: 0,
      remainingMs: 60_000,
    })
  })
})

const name = fc.constantFrom('home', 'away', 'gpu', 'ssd', 'linux', 'here')
const names = fc.array(name, { maxLength: 4 })
const allowed = fc.record({ allowed: names, banned: names })
/** Above what the room has as well as below. */
function amountsUpTo(max: number): { readonly [Name in Amount]: fc.Arbitrary<number> } {
  const each = amounts.map((name) => [name, fc.integer({ min: 1, max })])
  return Object.fromEntries(each) as { readonly [Name in Amount]: fc.Arbitrary<number> }
}

const requirements: fc.Arbitrary<Requirements> = fc
  .tuple(
    fc.record({
      ...amountsUpTo(128 * mib),
      cores: fc.integer({ min: 1, max: 6 }).map((min) => ({ min, max: min + 1 })),
      wallMs: fc.integer({ min: 1, max: 120_000 }),
      platforms: names,
      sites: allowed,
      clouds: allowed,
      tags: names,
    }),
    fc.oneof(fc.constant({}), anyLaterWishes),
  )
  .map(([first, later]) => ({ ...first, ...later }))

it('calls a place closer that breaks fewer rules, and of as many the one that the job names', () => {
  const asked = demand({ sites: { allowed: ['IN2P3'], banned: [] } }, 'astro')
  const brokenAt = (changes: Partial<Place>, free = room) =>
    ruleOutcomes(asked, { ...place, vos: [], ...changes }, free).filter(({ holds }) => !holds)
  const ofOthers = brokenAt({ site: 'IN2P3', vos: ['biomed'] })
  const elsewhere = brokenAt({ site: 'CERN' })
  const small = brokenAt({ site: 'IN2P3' }, noRoom)
  const ruleNames = (broken: readonly RuleOutcome[]) => broken.map(({ rule }) => rule)
  expect([ofOthers, elsewhere, small].map(ruleNames)).toEqual([['vo'], ['site'], ['cores', 'memory', 'disk', 'wall time']])
  expect([small, elsewhere, ofOthers].toSorted(byCloseness)).toEqual([ofOthers, elsewhere, small])
  expect([elsewhere, ofOthers].toSorted(byCloseness)).toEqual([ofOthers, elsewhere])
})

it('explains what it decides: all rules hold exactly where a job fits', () => {
  fc.assert(
    fc.property(requirements, fc.constantFrom('lhcb', 'belle'), anyPlace, anyRoom, (wanted, vo, at, free) => {
      const asked = { vo, requirements: wanted }
      const outcomes = ruleOutcomes(asked, at, free)
      expect(outcomes.every(({ holds }) => holds)).toBe(suits(asked, at) && hasRoom(asked, free))
      for (const { wanted: text, offered } of outcomes) expect([text, offered]).not.toContain('')
    }),
  )
})

it('gives equal wishes one key, however they are spelled, and different ones different keys', () => {
  const shuffled = (list: readonly string[]): string[] => [...list, ...list].reverse()
  fc.assert(
    fc.property(requirements, requirements, (a, b) => {
      const respelled: Requirements = {
        ...a,
        ...(a.alternatives ? { alternatives: [...a.alternatives, ...a.alternatives].reverse() } : {}),
        ...(a.containers ? { containers: [...a.containers].reverse() } : {}),
        ...(a.os ? { os: { max: a.os.max, min: a.os.min, name: a.os.name } } : {}),
        tags: shuffled(a.tags),
        platforms: shuffled(a.platforms),
        sites: { allowed: shuffled(a.sites.allowed), banned: shuffled(a.sites.banned) },
      }
      expect(requirementsKey(respelled)).toBe(requirementsKey(a))
      const equal = JSON.stringify(normalised(a)) === JSON.stringify(normalised(b))
      expect(requirementsKey(a) === requirementsKey(b)).toBe(equal)
    }),
  )
})

it('has a normal form that is its own and asks for the same', () => {
  fc.assert(
    fc.property(requirements, anyPlace, anyRoom, (wanted, at, free) => {
      const normal = normalised(wanted)
      expect(normalised(normal)).toEqual(normal)
      expect(requirementsKey(normal)).toBe(requirementsKey(wanted))
      const [own, other] = [wanted, normal].map((one) => ({ vo: 'lhcb', requirements: one }))
      if (!own || !other) throw new Error('two demands')
      expect(suits(other, at)).toBe(suits(own, at))
      expect(hasRoom(other, free)).toBe(hasRoom(own, free))
    }),
  )
})

/** Mostly of rooms that there are. */
const roomy: fc.Arbitrary<Requirements> = fc
  .record({
    cores: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(4)).map(([min, more]) => ({ min, max: min + more })),
    memoryBytes: fc.integer({ min: 1, max: 100 * mib }),
    wallMs: fc.integer({ min: 1, max: 150_000 }),
    more: anyRoomWishes,
  })
  .map(({ more, ...first }) => sampleRequirements({ ...first, diskBytes: 1, ...more }))

it('takes of a room no more than it has, and as much as its limit and its work are made of', () => {
  fc.assert(
    fc.property(roomy, anyRoom, (wanted, free) => {
      const asked = { vo: 'lhcb', requirements: wanted }
      if (!hasRoom(asked, free) || free.cores < 1) return
      const taken = takenFrom(free, wanted)
      expect(fits(taken, free)).toBe(true)
      expect(taken.cores).toBeGreaterThanOrEqual(wanted.cores.min)
      expect(taken.cores).toBeLessThanOrEqual(wanted.wholeNode ? free.cores : wanted.cores.max)
      expect(taken.memoryBytes).toBe(memoryWith(taken.cores, wanted))
      expect(memoryLimitWith(taken.cores, wanted)).toBeGreaterThanOrEqual(0)
      expect(wallLimitMs(taken.cores, free.power, wanted)).toBeLessThanOrEqual(free.remainingMs)
      if (wanted.wholeNode) expect(packed(free, asked)?.cores).toBe(0)
      if (wanted.gpus) expect(taken.gpus).toBe(Math.min(wanted.gpus.max, free.gpus ?? 0))
    }),
    { numRuns: 1000 },
  )
})

it('has room wherever a room that is covered has: searches rely on it', () => {
  fc.assert(
    fc.property(roomy, anyRoom, anyRoom, (wanted, larger, smaller) => {
      const asked = { vo: 'lhcb', requirements: wanted }
      if (covers(larger, smaller) && hasRoom(asked, smaller)) expect(hasRoom(asked, larger)).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

it('asks for the least in the least that its class stands for', () => {
  fc.assert(
    fc.property(roomy, anyRoom, (wanted, free) => {
      const [exact, ofClass, least] = [wanted, requirementClass(wanted, noSizes), minOf(requirementClass(wanted, noSizes))]
      const has = (one: Requirements) => hasRoom({ vo: 'lhcb', requirements: one }, free)
      if (has(ofClass)) expect(has(exact)).toBe(true)
      if (has(exact)) expect(has(least)).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

it('keeps the key of requirements that ask for nothing new: stored task queues have it', () => {
  const { requirements: plain } = demand({ tags: ['b', 'a'], sites: { allowed: ['x'], banned: none } })
  expect(requirementsKey(plain)).toBe('[[1,1],67108864,67108864,60000,[],[["x"],[]],[[],[]],["a","b"]]')
  expect(requirementsKey({ ...plain, glibc: '2.28' })).toBe(
    '[[1,1],67108864,67108864,60000,[],[["x"],[]],[[],[]],["a","b"],{"glibc":"2.28"}]',
  )
  expect(requirementsKey({ ...plain, glibc: undefined, alternatives: undefined })).toBe(requirementsKey(plain))
})

it.each([
  [bytesText(0), '0 B'],
  [bytesText(1536), '1.5 KiB'],
  [bytesText(2 * 1024 * mib), '2 GiB'],
  [durationText(500), '0.5 s'],
  [durationText(90_000), '1 min 30 s'],
  [durationText(86_400_000), '24 h'],
])('shows %s', (shown, expected) => {
  expect(shown).toBe(expected)
})
