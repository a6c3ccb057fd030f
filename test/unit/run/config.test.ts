import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { cloudCallMs, leaseMs, listLagMs } from '../../../core/kernel/limits.ts'
import { compileConfig, readConfigFile } from '../../../services/run/configuration.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-config-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function refused(read: () => unknown): PilotageError {
  try {
    read()
  } catch (error) {
    if (error instanceof PilotageError) return error
  }
  throw new Error('it should have been refused')
}

const wrong = (raw: unknown) => refused(() => compileConfig(raw)).violations.map(({ path, rule }) => `${path}: ${rule}`)

it('needs no file: one local cloud, loopback, and every limit its default', () => {
  const config = compileConfig(undefined)
  expect(config.grpc).toMatchObject({ host: '127.0.0.1', port: 7400, advertise: [], plaintext: false })
  expect(config.store).toEqual({ kind: 'sqlite' })
  expect(config.nats).toBeUndefined()
  expect(config.health).toBeUndefined()
  expect(config.queue.leaseMs).toBe(leaseMs)
  expect(config.clouds.map(({ name, offerings }) => [name, offerings.map(({ flavor }) => flavor)])).toEqual([
    ['local', ['1-core', '2-core', '4-core']],
  ])
  expect(Object.isFrozen(config.clouds[0]?.offerings[0])).toBe(true)
})

it('lets clouds whose lists lag take longer to show what was made, where nothing else is said', () => {
  expect(compileConfig(undefined).director.settleMs).toBe(1.5 * cloudCallMs)
  expect(compileConfig({ director: { settle: '5s' } }).director.settleMs).toBe(5000)
  const document = {
    grpc: { advertise: ['pilotage.example.org:7400'], plaintext: true },
    context: { agents: { advertise: ['http://pilotage.example.org:7402'] } },
    clouds: [
      {
        name: 'far',
        kind: 'ec2',
        flavors: [{ name: 'f', cores: 2, memory: '4GiB' }],
        images: [{ name: 'el9' }],
        ec2: { region: 'eu-west-1', accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } },
      },
    ],
  }
  expect(compileConfig(document).director.settleMs).toBe(1.5 * cloudCallMs + listLagMs)
})

it('makes an offering of every flavor with every image', () => {
  const [cloud] = compileConfig({
    clouds: [
      {
        name: 'here',
        kind: 'local',
        vos: ['lhcb'],
        flavors: [{ name: 'f', cores: 2, memory: '4GiB', tags: ['ssd'] }],
        images: [{ name: 'a' }, { name: 'b', platform: 'el9', tags: ['cvmfs'] }],
      },
    ],
  }).clouds
  expect(
    cloud?.offerings.map(({ image, platform, tags, memoryBytes, vos }) => [image, platform, tags, memoryBytes, vos]),
  ).toEqual([
    ['a', 'linux', ['ssd'], 4 * 1024 ** 3, ['lhcb']],
    ['b', 'el9', ['ssd', 'cvmfs'], 4 * 1024 ** 3, ['lhcb']],
  ])
})

it('promises of a VM what its flavor and its image say, the image first', () => {
  const flavor = { name: 'f', cores: 2, memory: '4GiB', traits: { architecture: 'x86-64-v3', power: 12.5, glibc: '2.17' } }
  const image = { name: 'a', traits: { os: 'almalinux', osVersion: '9.04', glibc: '2.34', diskRate: '100MB/s' } }
  const offerings = (images: readonly object[]) =>
    compileConfig({ clouds: [{ name: 'here', kind: 'local', flavors: [flavor], images }] }).clouds[0]?.offerings
  expect(offerings([image, { name: 'b' }])?.map(({ traits }) => traits)).toEqual([
    {
      ...{ architecture: 'x86-64', level: { min: 3, max: 3 }, power: 12.5, glibc: '2.34' },
      ...{ os: 'almalinux', osVersion: '9.4', diskRate: 100_000_000 },
    },
    { architecture: 'x86-64', level: { min: 3, max: 3 }, power: 12.5, glibc: '2.17' },
  ])
  // In no benchmark: users' CPU work is what one core of this machine does.
  expect(compileConfig({}).clouds[0]?.offerings[0]?.traits).toEqual({ power: 1 })
  for (const wrong of [{ glibc: 2.34 }, { architecture: 'x86-64-v5' }, { power: 0 }, { diskRate: '1MB' }, { cpu: 'x' }]) {
    const violations = [expect.objectContaining({ path: `clouds[0].images[0].traits.${Object.keys(wrong)[0]}` })]
    expect(() => offerings([{ name: 'a', traits: wrong }])).toThrow(expect.objectContaining({ violations }))
  }
})

it.each([
  [undefined, '90s', '25s', 30_000],
  [undefined, '30s', '10s', 15_000],
  [undefined, '3s', '1s', 1500],
  ['20s', '30s', '10s', 20_000],
])('cuts silent connections before a lease ends: keepalive %s with lease %s', (keepalive, lease, renewEvery, ms) => {
  const limits = keepalive === undefined ? {} : { keepalive }
  const { grpc, queue } = compileConfig({ queue: { lease, renewEvery }, grpc: { limits } })
  expect(grpc.limits.keepaliveMs).toBe(ms)
  expect(grpc.limits.keepaliveMs + queue.renewEveryMs).toBeLessThanOrEqual(queue.leaseMs)
})

describe('refuses', () => {
  it.each([
    ['a word', ': not a mapping'],
    [{ grcp: {} }, 'grcp: unknown key'],
    [{ grpc: { host: '0.0.0.0' } }, 'grpc.host: not loopback'],
    [{ grpc: { port: 70_000 } }, 'grpc.port: out of range'],
    [{ queue: { lease: 90 } }, 'queue.lease: not a quantity'],
    [{ queue: { lease: '30s', renewEvery: '20s' } }, 'queue.renewEvery: too long'],
    [{ vm: { heartbeatInterval: '2m' } }, 'vm.heartbeatInterval: too long'],
    [{ vm: { minLifetime: '8h', maxLifetime: '7h' } }, 'vm.minLifetime: too long'],
    [{ breaker: { backoff: '40m' } }, 'breaker.backoff: too long'],
    [
      { queue: { lease: '30s', renewEvery: '10s' }, grpc: { limits: { keepalive: '21s' } } },
      'grpc.limits.keepalive: too long: a VM that is frozen would be given the job that it lost when queue.lease ended',
    ],
    [{ clouds: {} }, 'clouds: not a list'],
    [{ clouds: [{ kind: 'local' }] }, 'clouds[0].name: missing'],
    [{ clouds: [{ name: 'a', kind: 'openstak' }] }, 'clouds[0].kind: not one of the choices'],
    [
      { clouds: [{ name: 'a', kind: 'local', flavors: [{ name: 'f', cores: 0, memory: '1GiB' }] }] },
      'clouds[0].flavors[0].cores: out of range',
    ],
    [
      {
        clouds: [
          { name: 'a', kind: 'local' },
          { name: 'a', kind: 'local' },
        ],
      },
      'clouds[1].name: used twice',
    ],
    [{ log: { level: 'loud' } }, 'log.level: not one of the choices'],
  ])('%o', (raw, expected) => {
    expect(wrong(raw).join('\n')).toContain(expected)
  })

  it('everything that is wrong at once, and names the key that was meant', () => {
    const error = refused(() => compileConfig({ grpcs: {}, queue: { leese: '9s' }, vm: { idleTimeout: 'soon' } }))
    expect(error.violations.map(({ path, accepted }) => [path, accepted.slice(0, 6)])).toEqual([
      ['grpcs', 'grpc?'],
      ['queue.leese', 'lease?'],
      ['vm.idleTimeout', 'a numb'],
    ])
  })

  it('a file in another encoding, by its name', () => {
    const path = join(directory, 'utf16.yaml')
    writeFileSync(path, Buffer.from('{ log: { level: warn } }\n', 'utf16le'))
    expect(refused(() => readConfigFile(path)).message).toBe(`${path} is UTF-16 text; accepted: UTF-8 text`)
  })

  it('a file that is not YAML, or far too large', () => {
    const path = join(directory, 'pilotage.yaml')
    writeFileSync(path, 'grpc: [')
    const broken = refused(() => readConfigFile(path))
    expect(broken.code).toBe('invalid-argument')
    expect(broken.message).toMatch(/is not YAML: [^\n]+ at line 1, column \d+$/)
    writeFileSync(path, ' '.repeat(2 * 1024 * 1024))
    expect(refused(() => readConfigFile(path)).code).toBe('too-large')
  })
})

describe('squids that are kept', () => {
  const document = (squid: unknown, site = 'far') => ({
    grpc: { advertise: ['pilotage.example.org:7400'], plaintext: true },
    context: { agents: { advertise: ['http://pilotage.example.org:7402'] }, sites: [{ name: site, squid }] },
    clouds: [
      {
        name: 'far',
        kind: 'ec2',
        site: 'far',
        flavors: [{ name: 'f', cores: 2, memory: '4GiB' }],
        images: [{ name: 'el9' }],
        ec2: { region: 'eu-west-1', accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } },
      },
    ],
  })

  it.each([
    ['managed', { count: 1 }],
    [
      { count: 2, flavor: 'f', image: 'el9' },
      { count: 2, flavor: 'f', image: 'el9' },
    ],
    [{ cloud: 'far' }, { count: 1, cloud: 'far' }],
    [{ clients: ['192.0.2.0/24', 'fd00::/8', '192.0.2.7'] }, { count: 1 }],
  ])('%j', (squid, wish) => {
    expect(compileConfig(document(squid)).context.services).toMatchObject([{ service: 'squid', site: 'far', ...wish }])
  })

  it.each([
    ['yes', 'context.sites[0].squid', 'far'],
    [{ count: 0 }, 'context.sites[0].squid.count', 'far'],
    [{ flavor: 'g' }, 'context.sites[0].squid.flavor', 'far'],
    [{ image: 'g' }, 'context.sites[0].squid.image', 'far'],
    [{ cloud: 'near' }, 'context.sites[0].squid.cloud', 'far'],
    ['managed', 'context.sites[0].squid', 'near'],
    [{ clients: ['10.0.0.0/64'] }, 'context.sites[0].squid.clients[0]', 'far'],
    [{ clients: ['anyone'] }, 'context.sites[0].squid.clients[0]', 'far'],
  ])('%j is refused', (squid, path, site) => {
    const { violations } = refused(() => compileConfig(document(squid, site)))
    expect(violations.map((one) => one.path)).toEqual([path])
  })
})

it('is given proxies, or finds them', () => {
  const site = (more: object) => ({ context: { sites: [{ name: 'far', ...more }] } })
  expect(compileConfig(site({ discoverFrom: ['auto'] })).context.sites.get('far')?.discoverFrom).toEqual(['auto'])
  expect(wrong(site({ discoverFrom: ['ftp://a', 'http://a;b'] }))).toEqual([
    'context.sites[0].discoverFrom[0]: no address of a PAC file',
    'context.sites[0].discoverFrom[1]: no address of a PAC file',
  ])
  expect(wrong(site({ discoverFrom: ['auto'], proxies: ['http://a:1'] }))).toEqual([
    'context.sites[0].discoverFrom: cannot be combined with proxies or squid',
  ])
})
