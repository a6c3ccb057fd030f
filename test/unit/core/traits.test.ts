/** Traits: what is left of a promise after the pilot has looked, and the rules that ask for them. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placeKey } from '../../../core/language/place-rules.ts'
import type { RuleOutcome } from '../../../core/language/rule.ts'
import { ruleOutcomes, suits } from '../../../core/language/rules.ts'
import type { GpuWish, Requirements } from '../../../core/model/requirements.ts'
import { noRoom, type Place } from '../../../core/model/resources.ts'
import { asFound, brokenPromises, type FoundTraits, narrowedTraits, type Traits } from '../../../core/model/traits.ts'
import { sampleRequirements } from '../../../sim/samples.ts'
import { anyFound, anyLaterWishes, anyPlace, anyTraits } from '../../support/any-requirements.ts'

const mib = 1024 * 1024
const x86 = (level: number): Traits => ({ architecture: 'x86-64', level: { min: level, max: level } })

describe('what is left of a promise', () => {
  it.each<[string, Traits, FoundTraits, Traits]>([
    ['the same system', { os: 'debian' }, { os: 'debian' }, { os: 'debian' }],
    ['another system', { os: 'debian' }, { os: 'almalinux' }, {}],
    ['a more exact version', { osVersion: '9' }, { osVersion: '9.4' }, { osVersion: '9' }],
    ['another version', { osVersion: '9.4' }, { osVersion: '9.2' }, {}],
    ['a version that says less', { osVersion: '9.4' }, { osVersion: '9' }, {}],
    ['a lower level', x86(4), { architecture: 'x86-64', level: 3 }, { architecture: 'x86-64', level: { min: 3, max: 4 } }],
    ['a higher level', x86(2), { architecture: 'x86-64', level: 3 }, { architecture: 'x86-64', level: { min: 2, max: 3 } }],
    ['an older glibc', { glibc: '2.34' }, { glibc: '2.28' }, { glibc: '2.28' }],
    ['a newer glibc', { glibc: '2.28' }, { glibc: '2.34' }, { glibc: '2.28' }],
    [
      'fewer runtimes',
      { containers: ['podman', 'docker'] },
      { containers: ['docker', 'apptainer'] },
      { containers: ['docker'] },
    ],
    ['other runtimes', { containers: ['podman'] }, { containers: ['docker'] }, {}],
    ['three quarters of the power', { power: 12 }, { power: 9 }, { power: 12 }],
    ['less power', { power: 12 }, { power: 8.9 }, { power: 7.5 }],
    ['no power to speak of', { power: 12 }, { power: 0.1 }, {}],
    ['more power', { power: 12 }, { power: 20 }, { power: 12 }],
    ['a slow disk', { diskRate: 800 }, { diskRate: 350 }, { diskRate: 300 }],
    ['nothing', { os: 'debian', glibc: '2.34', power: 3 }, {}, {}],
    ['what was not promised', {}, { os: 'debian', glibc: '2.34', level: 4, power: 3, containers: ['podman'] }, {}],
  ])('%s', (_, promised, found, left) => {
    expect(narrowedTraits(promised, found)).toEqual(left)
    expect(brokenPromises(promised, found).length > 0).toBe(JSON.stringify(left) !== JSON.stringify(promised))
  })

  it('is all of it where that was found', () => {
    fc.assert(
      fc.property(anyTraits, ({ level, gpuCapability, ...traits }) => {
        const promised: Traits = {
          ...traits,
          ...(level ? { level: { min: level.min, max: level.min } } : {}),
          ...(gpuCapability ? { gpuCapability: { min: gpuCapability.min, max: gpuCapability.min } } : {}),
        }
        expect(narrowedTraits(promised, asFound(promised))).toEqual(promised)
        expect(brokenPromises(promised, asFound(promised))).toEqual([])
      }),
    )
  })

  it('takes no job that the promise would not take', () => {
    fc.assert(
      fc.property(anyPlace, anyFound, anyLaterWishes, (place, found, wishes) => {
        const demand = { vo: 'lhcb', requirements: sampleRequirements(wishes) }
        const narrowed = { ...place, traits: narrowedTraits(place.traits ?? {}, found) }
        if (suits(demand, narrowed)) expect(suits(demand, place)).toBe(true)
      }),
    )
  })

  it('is one of few kinds, however a measurement differs', () => {
    const kinds = new Set(
      Array.from({ length: 1000 }, (_, at) => JSON.stringify(narrowedTraits({ power: 12 }, { power: at / 40 }))),
    )
    expect(kinds.size).toBeLessThanOrEqual(8)
  })
})

const place: Place = { cloud: 'here', site: 'home', platform: 'el9', tags: ['gpu', 'ssd'], vos: [] }
const gib = 1024 * mib
const gpu = (wish: Partial<GpuWish>): GpuWish => ({
  ...{ min: 1, max: 1, vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' },
  ...wish,
})
const alma = { name: 'almalinux', min: '', max: '' }

describe('a rule about a trait', () => {
  it.each<[string, Partial<Requirements>, Traits, boolean, string, string]>([
    ['system', { os: alma }, { os: 'almalinux', osVersion: '9.4' }, true, 'almalinux', 'almalinux 9.4'],
    ['system', { os: alma }, { os: 'debian' }, false, 'almalinux', 'debian'],
    ['system', { os: alma }, {}, false, 'almalinux', 'not known'],
    [
      'system',
      { os: { ...alma, min: '9.4' } },
      { os: 'almalinux', osVersion: '9.4' },
      true,
      'almalinux from 9.4',
      'almalinux 9.4',
    ],
    [
      'system',
      { os: { ...alma, min: '9.10' } },
      { os: 'almalinux', osVersion: '9.4' },
      false,
      'almalinux from 9.10',
      'almalinux 9.4',
    ],
    ['system', { os: { ...alma, min: '9' } }, { os: 'almalinux' }, false, 'almalinux from 9', 'almalinux'],
    [
      'system',
      { os: { ...alma, max: '9' } },
      { os: 'almalinux', osVersion: '9.4' },
      true,
      'almalinux to 9',
      'almalinux 9.4',
    ],
    [
      'system',
      { os: { ...alma, max: '9.2' } },
      { os: 'almalinux', osVersion: '9.4' },
      false,
      'almalinux to 9.2',
      'almalinux 9.4',
    ],
    [
      'system',
      { os: { ...alma, max: '9.2' } },
      { os: 'almalinux', osVersion: '9' },
      false,
      'almalinux to 9.2',
      'almalinux 9',
    ],
    [
      'architecture',
      { architecture: { name: 'x86-64', minLevel: 3, maxLevel: 0 } },
      x86(3),
      true,
      'from x86-64-v3',
      'x86-64-v3',
    ],
    [
      'architecture',
      { architecture: { name: 'x86-64', minLevel: 3, maxLevel: 0 } },
      x86(2),
      false,
      'from x86-64-v3',
      'x86-64-v2',
    ],
    [
      'architecture',
      { architecture: { name: 'x86-64', minLevel: 0, maxLevel: 2 } },
      x86(3),
      false,
      'to x86-64-v2',
      'x86-64-v3',
    ],
    [
      'architecture',
      { architecture: { name: 'x86-64', minLevel: 2, maxLevel: 3 } },
      { architecture: 'x86-64', level: { min: 3, max: 4 } },
      false,
      'from x86-64-v2 to x86-64-v3',
      'x86-64-v3 (promised or found: v4)',
    ],
    [
      'architecture',
      { architecture: { name: 'x86-64', minLevel: 1, maxLevel: 0 } },
      { architecture: 'x86-64' },
      false,
      'from x86-64-v1',
      'x86-64',
    ],
    [
      'architecture',
      { architecture: { name: 'aarch64', minLevel: 0, maxLevel: 0 } },
      { architecture: 'aarch64' },
      true,
      'aarch64',
      'aarch64',
    ],
    ['architecture', { architecture: { name: 'aarch64', minLevel: 0, maxLevel: 0 } }, x86(4), false, 'aarch64', 'x86-64-v4'],
    ['glibc', { glibc: '2.28' }, { glibc: '2.28' }, true, 'from 2.28', '2.28'],
    ['glibc', { glibc: '2.28' }, { glibc: '2.4' }, false, 'from 2.28', '2.4'],
    ['glibc', { glibc: '2.28' }, {}, false, 'from 2.28', 'not known'],
    [
      'containers',
      { containers: ['apptainer', 'podman'] },
      { containers: ['podman'] },
      true,
      'apptainer or podman',
      'podman',
    ],
    [
      'containers',
      { containers: ['apptainer'] },
      { containers: ['podman', 'docker'] },
      false,
      'apptainer',
      'podman, docker',
    ],
    ['disk rate', { diskRate: 100 * mib }, { diskRate: 100 * mib }, true, '100 MiB/s', '100 MiB/s'],
    ['disk rate', { diskRate: 100 * mib }, { diskRate: 99 * mib }, false, '100 MiB/s', '99 MiB/s'],
    ['GPU', { gpus: gpu({ vendor: 'nvidia' }) }, { gpuVendor: 'nvidia' }, true, 'nvidia', 'nvidia'],
    ['GPU', { gpus: gpu({ vendor: 'nvidia' }) }, { gpuVendor: 'amd' }, false, 'nvidia', 'amd'],
    ['GPU', { gpus: gpu({ vendor: 'nvidia' }) }, {}, false, 'nvidia', 'not known'],
    ['GPU', { gpus: gpu({ memoryBytes: 16 * gib }) }, { gpuMemoryBytes: 16 * gib }, true, 'with 16 GiB', 'with 16 GiB'],
    ['GPU', { gpus: gpu({ memoryBytes: 16 * gib }) }, { gpuMemoryBytes: 15 * gib }, false, 'with 16 GiB', 'with 15 GiB'],
    [
      'GPU',
      { gpus: gpu({ minCapability: 86 }) },
      { gpuCapability: { min: 86, max: 86 } },
      true,
      'capability from 8.6',
      'capability 8.6',
    ],
    [
      'GPU',
      { gpus: gpu({ minCapability: 86 }) },
      { gpuCapability: { min: 80, max: 86 } },
      false,
      'capability from 8.6',
      'capability 8.0 to 8.6',
    ],
    [
      'GPU',
      { gpus: gpu({ maxCapability: 80 }) },
      { gpuCapability: { min: 80, max: 86 } },
      false,
      'capability to 8.0',
      'capability 8.0 to 8.6',
    ],
    ['GPU', { gpus: gpu({ minDriver: '535' }) }, { gpuDriver: '535.104.5' }, true, 'driver from 535', 'driver 535.104.5'],
    [
      'GPU',
      { gpus: gpu({ minDriver: '535.104.6' }) },
      { gpuDriver: '535.104.5' },
      false,
      'driver from 535.104.6',
      'driver 535.104.5',
    ],
    ['tag expression', { tagExpression: 'gpu and not slow' }, {}, true, 'gpu and not slow', 'gpu, ssd'],
    ['tag expression', { tagExpression: 'infiniband or not gpu' }, {}, false, 'infiniband or not gpu', 'gpu, ssd'],
    [
      'alternatives',
      { alternatives: [{ sites: { allowed: ['away'], banned: [] } }, { tags: ['gpu'], glibc: '2.34' }] },
      { glibc: '2.34' },
      true,
      '1: site away; 2: tags gpu and glibc from 2.34',
      '2 fits',
    ],
    [
      'alternatives',
      { alternatives: [{ sites: { allowed: ['away'], banned: [] } }, { tags: ['fast'], glibc: '2.34' }] },
      {},
      false,
      '1: site away; 2: tags fast and glibc from 2.34',
      '1 fails at site: wanted away, offered home; 2 fails at tags: wanted fast, offered gpu, ssd and glibc: wanted from 2.34, offered not known',
    ],
  ])('%s: the job wants %o and the place has %o: %s', (rule, changes, traits, holds, wanted, offered) => {
    const demand = { vo: 'lhcb', requirements: sampleRequirements(changes) }
    const outcomes = ruleOutcomes(demand, { ...place, traits }, noRoom)
    expect(outcomes.find((one) => one.rule === rule)).toEqual({ rule, holds, wanted, offered })
    expect(suits(demand, { ...place, traits })).toBe(holds)
  })

  it('is no line of an explanation where the job does not ask for it', () => {
    const names = (outcomes: readonly RuleOutcome[]) => outcomes.map(({ rule }) => rule)
    const demand = { vo: 'lhcb', requirements: sampleRequirements() }
    expect(names(ruleOutcomes(demand, { ...place, traits: x86(3) }, noRoom))).toEqual([
      ...['vo', 'site', 'cloud', 'platform', 'tags'],
      ...['cores', 'memory', 'disk', 'wall time'],
    ])
  })
})

it('places with one key suit the same jobs', () => {
  fc.assert(
    fc.property(anyPlace, anyPlace, anyLaterWishes, (a, b, wishes) => {
      const demand = { vo: 'lhcb', requirements: sampleRequirements(wishes) }
      const copy = structuredClone(a)
      expect(placeKey(copy)).toBe(placeKey(a))
      if (placeKey(a) === placeKey(b)) expect(suits(demand, a)).toBe(suits(demand, b))
      if (suits(demand, a) !== suits(demand, b)) expect(placeKey(a)).not.toBe(placeKey(b))
    }),
  )
})
