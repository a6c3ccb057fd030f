import { describe, expect, it } from 'vitest'
import type { Breaker, BreakerScope } from '../../../core/plan/breaker.ts'
import type { Offering } from '../../../core/model/cloud.ts'
import { blockedText } from '../../../core/plan/cause-text.ts'
import type { CloudView, FleetPolicy, FleetView, PlanLine, ServiceWish } from '../../../core/plan/fleet.ts'
import { planFleet } from '../../../core/plan/plan-fleet.ts'
import { squidsAt } from '../../../core/plan/services.ts'
import type { KeptVm, Vm } from '../../../core/model/vm.ts'
import { activeVm, alice, sampleQueue, sampleVm } from '../../../sim/samples.ts'
import { noResources } from '../../../core/model/resources.ts'

const nowMs = 1_000_000
const bootMs = 60_000
const policy: FleetPolicy = { heartbeatTimeoutMs: 60_000, listStaleMs: 30_000, drainedMs: 20_000, softWaitMs: 0 }

const offering = (changes: Partial<Offering>): Offering => {
  const { id, phase, reason, intendedMs, changedMs, endByMs, activation, ...shape } = sampleVm('a')
  return { ...shape, cores: 1, ...changes }
}
const cheap = offering({ flavor: 'cheap', pricePerHour: 1 })
const dear = offering({ flavor: 'dear', pricePerHour: 2 })

const cloudView = (changes: Partial<CloudView> = {}): CloudView => ({
  name: 'here',
  offerings: [dear, cheap],
  limits: { maxVms: 10, maxCores: 100, maxCreatesPerStep: 10 },
  quota: { vms: Infinity, cores: Infinity, memoryBytes: Infinity },
  bootMs,
  lifeMs: 3_600_000,
  reading: { listBeganMs: nowMs, failure: '', implausible: '' },
  watchedSinceMs: nowMs,
  blocked: '',
  barred: new Map(),
  revoked: new Map(),
  listed: new Map(),
  strays: { vms: 0, cores: 0, memoryBytes: 0 },
  ...changes,
})

const wish = (changes: Partial<ServiceWish> = {}): ServiceWish => ({ service: 'squid', site: 'home', count: 2, ...changes })
const kept = (vm: Vm): KeptVm => ({ vm, leases: 0, used: noResources })
const squid = (id: string, changes: Partial<Vm> = {}): Vm =>
  activeVm(id, { service: 'squid', endByMs: nowMs + 3_600_000, addresses: [`10.0.0.${id.length}`], ...changes })

const heartbeat = {
  atMs: 1,
  load1: 0,
  memoryUsedBytes: 0,
  memoryTotalBytes: 1,
  diskFreeBytes: 1,
  pilotState: '',
  payloads: 0,
  idleMs: 0,
  unhealthy: '',
}

const plan = (view: Partial<FleetView>): readonly PlanLine[] => {
  const whole = { queues: [], vms: [], services: [wish()], clouds: [cloudView()], breakers: new Map(), ...view }
  return planFleet(whole, policy, nowMs).lines
}
const textsOf = (lines: readonly PlanLine[]): readonly string[] =>
  lines.map((line) => {
    if (line.kind === 'create') return `create ${line.offering.flavor} ${line.offering.service ?? 'worker'} x${line.count}`
    return line.kind === 'hold'
      ? `hold ${line.cause.why}: ${blockedText(line)}`
      : `${line.kind} ${line.vmId}: ${line.reason}`
  })

describe('squids of a site', () => {
  it('are made as many as are wanted, of the cheapest there', () => {
    expect(textsOf(plan({}))).toEqual(['create cheap squid x1', 'create cheap squid x1'])
  })

  it.each<[string, Partial<ServiceWish>, readonly string[]]>([
    ['of the flavor that is named', { count: 1, flavor: 'dear' }, ['create dear squid x1']],
    [
      'not of a cloud elsewhere',
      { site: 'away', count: 1 },
      ['hold no-fit: site away has 0 of 1 wanted squid VMs: no offering fits'],
    ],
    [
      'not of a flavor that no cloud has',
      { flavor: 'none', count: 1 },
      ['hold no-fit: site home has 0 of 1 wanted squid VMs: no offering fits'],
    ],
  ])('%s', (_, changes, lines) => {
    expect(textsOf(plan({ services: [wish(changes)] }))).toEqual(lines)
  })

  it.each<[string, Partial<ServiceWish>, string]>([
    ['of the cloud that is named', { cloud: 'there' }, 'there/cheap/plain'],
    ['of the image that is named', { image: 'other' }, 'here/dear/other'],
    ['at the lowest price', {}, 'here/cheap/plain'],
  ])('are made %s', (_, changes, made) => {
    const there = cloudView({ name: 'there', offerings: [{ ...cheap, cloud: 'there' }] })
    const clouds = [there, cloudView({ offerings: [{ ...dear, image: 'other' }, cheap] })]
    const lines = plan({ services: [wish({ count: 1, ...changes })], clouds })
    const names = lines.flatMap((line) => {
      if (line.kind !== 'create') return []
      expect(line.cloud).toBe(line.offering.cloud)
      return [`${line.cloud}/${line.offering.flavor}/${line.offering.image}`]
    })
    expect(names).toEqual([made])
  })

  it('are made of the smallest, then of the first by name, where the price is the same', () => {
    const same = [
      offering({ flavor: 'c', cores: 1, pricePerHour: 1 }),
      offering({ flavor: 'a', cores: 2, pricePerHour: 1 }),
      offering({ flavor: 'b', cores: 1, pricePerHour: 1 }),
    ]
    for (const offerings of [same, same.toReversed()]) {
      const lines = plan({ services: [wish({ count: 1 })], clouds: [cloudView({ offerings })] })
      expect(textsOf(lines)).toEqual(['create b squid x1'])
    }
  })

  it.each<[string, readonly Vm[], readonly string[]]>([
    ['nothing where there are enough', [squid('a'), squid('bb')], []],
    [
      'one on its way counts',
      [squid('a'), sampleVm('bb', { service: 'squid', endByMs: nowMs + 3_600_000, intendedMs: nowMs })],
      [],
    ],
    [
      'one that drains does not',
      [squid('a'), squid('bb', { phase: { state: 'Draining', ref: 'r', activeMs: 1, why: '' }, changedMs: nowMs })],
      ['create cheap squid x1'],
    ],
    [
      'one of another site does not, and ends where none is wanted there',
      [squid('a'), squid('bb', { site: 'away' })],
      ['retire vm-bbaaaaaaaa: no squid is wanted at away', 'create cheap squid x1'],
    ],
    ['a worker does not', [squid('a'), activeVm('bb')], ['create cheap squid x1']],
    [
      'one whose life is nearly over gets its successor in time',
      [squid('a'), squid('bb', { endByMs: nowMs + 2 * bootMs })],
      ['create cheap squid x1'],
    ],
    ['and stays until its life is over', [squid('a'), squid('cc'), squid('bb', { endByMs: nowMs + 1 })], []],
  ])('%s', (_, vms, lines) => {
    expect(textsOf(plan({ vms: vms.map(kept) }))).toEqual(lines)
  })

  it('end where no site wants them, the youngest first, and never by a list that is not believed', () => {
    const vms = [
      squid('a'),
      squid('bb', { endByMs: nowMs + 7_200_000 }),
      sampleVm('cc', { service: 'squid', intendedMs: nowMs }),
    ]
    expect(textsOf(plan({ vms: vms.map(kept), services: [wish({ count: 1 })] }))).toEqual([
      'retire vm-aaaaaaaaaa: 3 of 1 wanted squid VMs at home',
      'retire vm-ccaaaaaaaa: 3 of 1 wanted squid VMs at home',
    ])
    expect(textsOf(plan({ vms: [kept(squid('a'))], services: [] }))).toEqual([
      'retire vm-aaaaaaaaaa: no squid is wanted at home',
    ])
    const frozen = cloudView({ reading: { failure: 'away', implausible: '' } })
    expect(textsOf(plan({ vms: [kept(squid('a'))], services: [], clouds: [frozen] }))).toEqual([
      'hold frozen: nothing is ended: the cloud could not be read: away',
    ])
  })

  it('take from the limits before any worker, and are no room for jobs', () => {
    const queues = [{ queue: sampleQueue(alice), waiting: 5, topPriority: 0, oldestMs: nowMs }]
    const clouds = [cloudView({ limits: { maxVms: 3, maxCores: 100, maxCreatesPerStep: 10 } })]
    const lines = textsOf(plan({ queues, clouds, vms: [kept(squid('a'))] }))
    expect(lines.slice(0, 2)).toEqual(['create cheap squid x1', 'create cheap worker x1'])
    expect(lines.slice(2).every((line) => line.startsWith('hold'))).toBe(true)
  })

  it('say why there are none, and are tried elsewhere when a breaker is open', () => {
    const open: Breaker = { state: 'open', untilMs: nowMs + 60_000, backoffMs: 60_000, why: 'no' }
    const scope: BreakerScope = 'image:here/cheap/plain/squid'
    expect(textsOf(plan({ services: [wish({ count: 1 })], breakers: new Map([[scope, open]]) }))).toEqual([
      'create dear squid x1',
    ])
    const lines = plan({ services: [wish({ count: 1, flavor: 'cheap' })], breakers: new Map([[scope, open]]) })
    expect(textsOf(lines)).toEqual([
      'hold breaker: site home has 0 of 1 wanted squid VMs: image here/cheap/plain/squid: open until 1970-01-01T00:17:40.000Z (no)',
    ])
  })
})

describe('the squids that serve', () => {
  it.each<[string, Vm, readonly string[]]>([
    ['by its first address', squid('a', { addresses: ['10.0.0.7', '192.0.2.1'] }), ['http://10.0.0.7:3128']],
    ['in brackets', squid('a', { addresses: ['fd00::7'] }), ['http://[fd00::7]:3128']],
    ['not without an address', squid('a', { addresses: undefined }), []],
    ['not before it is up', sampleVm('a', { service: 'squid', addresses: ['10.0.0.7'] }), []],
    ['not a worker', activeVm('a', { addresses: ['10.0.0.7'] }), []],
    ['not of another site', squid('a', { site: 'away' }), []],
    ['not one that is ill', squid('a', { beat: { ...heartbeat, unhealthy: 'squid-gone' } }), []],
    ['not one whose life is over', squid('a', { endByMs: nowMs }), []],
  ])('%s', (_, vm, squids) => {
    expect(squidsAt([kept(vm)], 'home', nowMs)).toEqual(squids)
  })

  it('come in one order', () => {
    const [a, b] = [kept(squid('a')), kept(squid('bb'))]
    for (const vms of [
      [a, b],
      [b, a],
    ]) {
      expect(squidsAt(vms, 'home', nowMs)).toEqual(['http://10.0.0.1:3128', 'http://10.0.0.2:3128'])
    }
  })
})
