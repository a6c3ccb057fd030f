/** Each rule of the requirement language: at its bound, and what it says of what was wanted and offered. */

import { describe, expect, it } from 'vitest'
import { byCloseness, hasRoom, ruleOutcomes, suits } from '../../../core/language/rules.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import { noAmounts, type Place, type Room } from '../../../core/model/resources.ts'
import { sampleRequirements } from '../../../sim/samples.ts'

const gib = 2 ** 30
const place: Place = { cloud: 'here', site: 'home', platform: 'el9', tags: ['gpu', 'ssd'], vos: [] }
const room: Room = { cores: 4, ...noAmounts, memoryBytes: 8 * gib, diskBytes: 20 * gib, remainingMs: 3_600_000 }
const demand = (changes: Partial<Requirements> = {}) => ({ vo: 'lhcb', requirements: sampleRequirements(changes) })

const cores = (min: number, max: number) => ({ cores: { min, max } })
const any = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }
const gpus = (min: number, max: number) => ({ min, max, ...any })

type RoomRow = [string, Partial<Requirements>, Partial<Room>, boolean, string, string]

type Row = [string, Partial<Requirements>, Partial<Place>, boolean, string, string]

describe('a rule about the place', () => {
  it.each<Row>([
    ['vo', {}, {}, true, 'lhcb', 'every VO'],
    ['vo', {}, { vos: ['belle', 'lhcb'] }, true, 'lhcb', 'belle, lhcb'],
    ['vo', {}, { vos: ['belle'] }, false, 'lhcb', 'belle'],
    ['site', {}, {}, true, 'any', 'home'],
    ['site', { sites: { allowed: ['home', 'away'], banned: [] } }, {}, true, 'home, away', 'home'],
    ['site', { sites: { allowed: ['away'], banned: [] } }, {}, false, 'away', 'home'],
    ['site', { sites: { allowed: [], banned: ['x', 'home'] } }, {}, false, 'any but not x, home', 'home'],
    ['cloud', { clouds: { allowed: ['here'], banned: [] } }, {}, true, 'here', 'here'],
    ['cloud', { clouds: { allowed: ['there'], banned: [] } }, {}, false, 'there', 'here'],
    ['platform', {}, {}, true, 'any', 'el9'],
    ['platform', { platforms: ['el8', 'el9'] }, {}, true, 'el8, el9', 'el9'],
    ['platform', { platforms: ['el8'] }, {}, false, 'el8', 'el9'],
    ['tags', {}, {}, true, 'none', 'gpu, ssd'],
    ['tags', { tags: ['gpu', 'ssd'] }, {}, true, 'gpu, ssd', 'gpu, ssd'],
    ['tags', { tags: ['gpu', 'avx'] }, {}, false, 'gpu, avx', 'gpu, ssd'],
    ['tags', { tags: ['gpu'] }, { tags: [] }, false, 'gpu', 'none'],
  ])('%s, where the job wants %o and the place has %o, holds: %s', (rule, changes, at, holds, wanted, offered) => {
    const outcomes = ruleOutcomes(demand(changes), { ...place, ...at }, room)
    expect(outcomes.find((one) => one.rule === rule)).toEqual({ rule, holds, wanted, offered })
    expect(suits(demand(changes), { ...place, ...at })).toBe(holds)
  })

  it.each([
    [['home'], false],
    [['away'], true],
  ])('bans sites: %s', (banned, holds) => {
    const sites = { allowed: [], banned }
    expect(suits(demand({ sites }), place)).toBe(holds)
    expect(suits(demand({ sites: { ...sites, allowed: ['home'] } }), place)).toBe(holds)
  })
})

describe('a rule about room', () => {
  it.each<[string, Partial<Requirements>, Partial<Room>, boolean, string, string]>([
    ['cores', { cores: { min: 4, max: 4 } }, {}, true, '4', '4'],
    ['cores', { cores: { min: 5, max: 8 } }, {}, false, '5 to 8', '4'],
    ['memory', { memoryBytes: 8 * gib }, {}, true, '8 GiB', '8 GiB'],
    ['memory', { memoryBytes: 8 * gib + 1 }, {}, false, '8.0 GiB', '8 GiB'],
    ['memory', {}, { promised: { cores: 4, memoryBytes: 8 * gib, diskBytes: 0 } }, true, '64 MiB', '8 GiB'],
    [
      'memory',
      {},
      { promised: { cores: 4, memoryBytes: 9 * gib, diskBytes: 0 } },
      true,
      '64 MiB',
      '8 GiB (measured; promised: 9 GiB)',
    ],
    ['disk', { diskBytes: 20 * gib }, {}, true, '20 GiB', '20 GiB'],
    ['disk', { diskBytes: 21 * gib }, {}, false, '21 GiB', '20 GiB'],
    ['wall time', { wallMs: 3_600_000 }, {}, true, '1 h', '1 h'],
    ['wall time', { wallMs: 7_200_000 }, {}, false, '2 h', '1 h'],
    ['wall time', { wallMs: 7_200_000 }, { remainingMs: Infinity }, true, '2 h', 'no limit'],
  ])('%s, where the job wants %o and there is %o, holds: %s', (rule, changes, free, holds, wanted, offered) => {
    const outcomes = ruleOutcomes(demand(changes), place, { ...room, ...free })
    expect(outcomes.find((one) => one.rule === rule)).toEqual({ rule, holds, wanted, offered })
    expect(hasRoom(demand(changes), { ...room, ...free })).toBe(holds)
  })
})

const roomRows: readonly RoomRow[] = [
  ['memory', { memoryBytes: 0, memoryPerCoreBytes: 2 * gib }, {}, true, '2 GiB per core', '8 GiB'],
  [
    'memory',
    { ...cores(4, 4), memoryBytes: gib, memoryPerCoreBytes: 2 * gib },
    {},
    false,
    '1 GiB and 2 GiB per core',
    '8 GiB',
  ],
  [
    'memory',
    { ...cores(3, 4), memoryBytes: gib, memoryPerCoreBytes: 2 * gib },
    {},
    true,
    '1 GiB and 2 GiB per core',
    '8 GiB',
  ],
  ['whole node', { wholeNode: true }, { isWhole: true }, true, 'all of it', 'all of it'],
  ['whole node', { wholeNode: true }, {}, false, 'all of it', 'a part'],
  ['cores', { ...cores(2, 2), wholeNode: true }, { isWhole: true }, true, 'all, from 2', '4'],
  ['cores', { ...cores(5, 5), wholeNode: true }, { isWhole: true }, false, 'all, from 5', '4'],
  [
    'memory',
    { wholeNode: true, memoryPerCoreBytes: 3 * gib },
    { isWhole: true },
    false,
    '64 MiB and 3 GiB per core',
    '8 GiB',
  ],
  ['GPUs', { gpus: gpus(2, 4) }, { gpus: 2 }, true, '2 to 4', '2'],
  ['GPUs', { gpus: gpus(2, 4) }, { gpus: 1 }, false, '2 to 4', '1'],
  ['GPUs', { gpus: gpus(1, 1) }, {}, false, '1', '0'],
  ['CPU work', { cpuWorkMs: 36_000_000, wallMs: 0 }, { power: 10 }, true, '10 h at power 1', 'power 10 with 4 cores, 1 h'],
  ['CPU work', { cpuWorkMs: 36_000_010, wallMs: 0 }, { power: 10 }, false, '10 h at power 1', 'power 10 with 4 cores, 1 h'],
  // With four cores it is done in a quarter of the time.
  [
    'CPU work',
    { ...cores(1, 4), cpuWorkMs: 144_000_000, wallMs: 0 },
    { power: 10 },
    true,
    '40 h at power 1',
    'power 10 with 4 cores, 1 h',
  ],
  ['CPU work', { cpuWorkMs: 1000, wallMs: 0 }, {}, false, '1 s at power 1', 'power not known with 4 cores, 1 h'],
  [
    'CPU work',
    { cpuWorkMs: 18_000_000, wallMs: 1_800_000 },
    { power: 10 },
    true,
    '5 h at power 1 within 30 min',
    'power 10 with 4 cores, 1 h',
  ],
  [
    'CPU work',
    { cpuWorkMs: 18_000_010, wallMs: 1_800_000 },
    { power: 10 },
    false,
    '5 h at power 1 within 30 min',
    'power 10 with 4 cores, 1 h',
  ],
]

describe('a rule about room that a job need not ask for', () => {
  it.each(roomRows)(
    '%s, where the job wants %o and there is %o, holds: %s',
    (rule, changes, free, holds, wanted, offered) => {
      const outcomes = ruleOutcomes(demand(changes), place, { ...room, ...free })
      expect(outcomes.find((one) => one.rule === rule)).toEqual({ rule, holds, wanted, offered })
      expect(hasRoom(demand(changes), { ...room, ...free })).toBe(holds)
    },
  )
})

it('the closest place breaks the fewest rules, and of as many rather those that the job does not name', () => {
  const broken = (...rules: string[]) => rules.map((rule) => ({ rule, holds: false, wanted: '', offered: '' }))
  for (const named of ['site', 'cloud', 'platform', 'tags']) {
    expect(byCloseness(broken('memory'), broken(named))).toBeLessThan(0)
    expect(byCloseness(broken(named), broken('memory'))).toBeGreaterThan(0)
    expect(byCloseness(broken(named), broken('memory', 'cores'))).toBeLessThan(0)
  }
  expect(byCloseness(broken('memory'), broken('cores'))).toBe(0)
})
