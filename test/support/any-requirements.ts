/**
 * Requirements and places for property tests: every field of the table, from few values, so that they often fit and often do
 * not. What is optional is often absent.
 */

import fc from 'fast-check'
import { expressionText, readExpression } from '../../core/language/tag-expression.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import type { Alternative, GpuWish, PlaceRequirements, ProcessorWish } from '../../core/model/requirements.ts'
import type { Place, Room } from '../../core/model/resources.ts'
import { containerRuntimes, type FoundTraits, type Traits } from '../../core/model/traits.ts'

const mib = 1024 * 1024

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

const capability = fc.constantFrom(0, 70, 86)

const anyGpu = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }

export const anyGpus: fc.Arbitrary<GpuWish> = fc
  .record({
    min: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 2 }),
    vendor: fc.constantFrom('', 'nvidia', 'amd'),
    memoryBytes: fc.constantFrom(0, 64 * mib, 128 * mib),
    minCapability: capability,
    maxCapability: fc.constantFrom(0, 90),
    minDriver: fc.constantFrom('', '535', '535.104.5'),
  })
  .map(({ more, ...wish }) => ({ ...wish, max: wish.min + more }))

/** How much of a VM; limits above what any of the others asks for. */
const roomWishes = {
  memoryPerCoreBytes: fc.integer({ min: 16, max: 64 }).map((each) => each * mib),
  memoryLimitBytes: fc.constant(jobLimits.memoryBytes),
  memoryLimitPerCoreBytes: fc.integer({ min: 64, max: 65 }).map((each) => each * mib),
  cpuWorkMs: fc.integer({ min: 1000, max: 2_000_000 }),
  wholeNode: fc.constant(true as const),
  gpus: anyGpus,
}

/** How much of a VM alone: a job that asks for it fits on many. */
export const anyRoomWishes = some({ ...roomWishes, gpus: anyGpus.map(({ min, max }) => ({ ...anyGpu, min, max })) })

export const anyLaterWishes = some({
  ...laterWishes,
  ...roomWishes,
  alternatives: fc.array(anyAlternative, { minLength: 1, maxLength: 4 }),
}).map(({ memoryLimitPerCoreBytes, ...wishes }) =>
  // A limit per core alone is below a fixed part.
  wishes.memoryLimitBytes !== undefined && memoryLimitPerCoreBytes !== undefined
    ? { ...wishes, memoryLimitPerCoreBytes }
    : wishes,
)

export const anyRoom: fc.Arbitrary<Room> = fc
  .record({
    cores: fc.integer({ min: 0, max: 8 }),
    memoryBytes: fc.integer({ min: 0, max: 512 }).map((each) => each * mib),
    diskBytes: fc.integer({ min: 0, max: 256 }).map((each) => each * mib),
    gpus: fc.integer({ min: 0, max: 4 }),
    remainingMs: fc.oneof(fc.integer({ min: 0, max: 200_000 }), fc.constant(Infinity)),
    isWhole: fc.boolean(),
    power: fc.constantFrom(0, 1, 2.5, 12),
  })
  .map(({ gpus, power, isWhole, ...room }) => ({
    ...room,
    ...(gpus > 0 ? { gpus } : {}),
    ...(isWhole ? { isWhole } : {}),
    ...(power > 0 ? { power } : {}),
  }))

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
  gpuVendor: fc.constantFrom('nvidia', 'amd'),
  gpuMemoryBytes: fc.constantFrom(64 * mib, 128 * mib),
  gpuCapability: fc.constantFrom({ min: 70, max: 70 }, { min: 70, max: 86 }, { min: 90, max: 90 }),
  gpuDriver: fc.constantFrom('470.1', '535.104.5'),
}) as fc.Arbitrary<Traits>

export const anyFound: fc.Arbitrary<FoundTraits> = fc
  .tuple(anyTraits, fc.integer({ min: 1, max: 4 }))
  .map(([{ level, gpuCapability, ...traits }, own]) => ({
    ...traits,
    ...(level ? { level: own } : {}),
    ...(gpuCapability ? { gpuCapability: gpuCapability.max } : {}),
  }))

export const anyPlace: fc.Arbitrary<Place> = fc.record({
  cloud: fc.constantFrom('here', 'away'),
  site: fc.constantFrom('home', 'away'),
  platform: fc.constantFrom('linux', 'ssd'),
  tags: fc.uniqueArray(anyName, { maxLength: 4 }),
  vos: fc.constantFrom<readonly string[]>([], ['lhcb']),
  traits: anyTraits,
})
