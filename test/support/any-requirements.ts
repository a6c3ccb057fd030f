/**
 * Requirements and places for property tests: every field of the table, from few values, so that they often fit and often do
 * not. What is optional is often absent.
 */

import fc from 'fast-check'
import { expressionText, readExpression } from '../../core/language/tag-expression.ts'
import type { Alternative, PlaceRequirements, ProcessorWish } from '../../core/model/requirements.ts'
import type { Place } from '../../core/model/resources.ts'
import { containerRuntimes, type FoundTraits, type Traits } from '../../core/model/traits.ts'

export const anyName = fc.constantFrom('home', 'away', 'gpu', 'ssd', 'linux', 'here', 'and')
const names = fc.array(anyName, { maxLength: 3 })
const allowed = fc.record({ allowed: names, banned: names })
export const anyVersion = fc.constantFrom('2', '2.17', '2.28', '2.34', '9', '9.2', '9.4')
const boundVersion = fc.oneof(fc.constant(''), anyVersion)

/** Written in many ways; as the check hands it on it is in its normal form. */
export const anyExpressionText: fc.Arbitrary<string> = fc
  .letrec<{ all: string }>((tie) => ({
    all: fc.oneof(
      { maxDepth: 5 },
      anyName.map((name) => (name === 'and' ? '"and"' : name)),
      fc.tuple(fc.constantFrom('not ', '! ', '!'), tie('all')).map(([not, one]) => `${not}(${one})`),
      fc
        .tuple(tie('all'), fc.constantFrom('and', 'or', '&&', '||', 'AND', 'Or'), tie('all'))
        .map(([one, by, other]) => `${one} ${by} ${other}`),
      tie('all').map((one) => `(${one})`),
    ),
  }))
  .all.filter((text) => readExpression(text).ok)

const anyExpression = anyExpressionText.map((text) => {
  const read = readExpression(text)
  return read.ok ? expressionText(read.expression) : text
})

const anyProcessor: fc.Arbitrary<ProcessorWish> = fc.oneof(
  fc.constant({ name: 'aarch64', minLevel: 0, maxLevel: 0 } as const),
  fc
    .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 }))
    .map(([minLevel, max]) => ({ name: 'x86-64', minLevel, maxLevel: max < minLevel ? 0 : max }) as const),
)

export const laterWishes = {
  tagExpression: anyExpression,
  os: fc
    .record({ name: fc.constantFrom('almalinux', 'debian'), min: boundVersion, max: boundVersion })
    .filter(({ min, max }) => min === '' || max === '' || Number(max) >= Number(min)),
  architecture: anyProcessor,
  glibc: anyVersion,
  containers: fc.uniqueArray(fc.constantFrom(...containerRuntimes), { minLength: 1 }),
  diskRate: fc.integer({ min: 1, max: 4 }).map((mib) => mib * 1024 * 1024),
} satisfies { readonly [Key in keyof PlaceRequirements]?: fc.Arbitrary<PlaceRequirements[Key]> }

/** Every one of them may be absent. */
function some<Model extends object>(model: { readonly [Key in keyof Model]: fc.Arbitrary<Model[Key]> }) {
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Partial<Model>>
}

export const anyAlternative: fc.Arbitrary<Alternative> = some({
  platforms: fc.array(anyName, { minLength: 1, maxLength: 3 }),
  sites: allowed.filter((one) => one.allowed.length + one.banned.length > 0),
  tags: fc.array(anyName, { minLength: 1, maxLength: 2 }),
  ...laterWishes,
}).filter((one) => Object.keys(one).length > 0)

export const anyLaterWishes = some({
  ...laterWishes,
  alternatives: fc.array(anyAlternative, { minLength: 1, maxLength: 4 }),
})

const between = (max: number) =>
  fc.tuple(fc.integer({ min: 1, max }), fc.integer({ min: 1, max })).map(([a, b]) => ({
    min: Math.min(a, b),
    max: Math.max(a, b),
  }))

export const anyTraits: fc.Arbitrary<Traits> = some({
  os: fc.constantFrom('almalinux', 'debian'),
  osVersion: anyVersion,
  architecture: fc.constantFrom('x86-64', 'aarch64'),
  level: between(4),
  glibc: anyVersion,
  containers: fc.uniqueArray(fc.constantFrom(...containerRuntimes), { minLength: 1 }),
  power: fc.integer({ min: 1, max: 16 }),
  diskRate: fc.integer({ min: 1, max: 4 }).map((mib) => mib * 1024 * 1024),
}) as fc.Arbitrary<Traits>

export const anyFound: fc.Arbitrary<FoundTraits> = fc
  .tuple(anyTraits, fc.integer({ min: 1, max: 4 }))
  .map(([{ level, gpuCapability: _, ...traits }, own]) => (level ? { ...traits, level: own } : traits))

export const anyPlace: fc.Arbitrary<Place> = fc.record({
  cloud: fc.constantFrom('here', 'away'),
  site: fc.constantFrom('home', 'away'),
  platform: fc.constantFrom('linux', 'ssd'),
  tags: fc.uniqueArray(anyName, { maxLength: 4 }),
  vos: fc.constantFrom<readonly string[]>([], ['lhcb']),
  traits: anyTraits,
})
