import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { connectionLimits, loadLimits } from '../../../core/kernel/limits.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import { checkRoles, readRoles } from '../../../services/config/arguments.ts'

function refused(read: () => unknown): PilotageError {
  try {
    read()
  } catch (error) {
    if (error instanceof PilotageError) return error
  }
  throw new Error('it should have been refused')
}

const wrong = (raw: unknown) => refused(() => compileConfig(raw)).violations.map(({ path, rule }) => `${path}: ${rule}`)
const tls = { certFile: 'a.crt', keyFile: '/etc/a.key' }
const startable = { flavors: [{ name: 'one', cores: 1, memory: '2GiB' }], images: [{ name: 'el9' }] }
const opennebula = {
  ...{ name: 'one', kind: 'opennebula', ...startable },
  opennebula: { endpoint: 'https://one.example.org/RPC2', user: 'grid', password: { env: 'WORD' } },
}
const ec2 = { name: 'far', kind: 'ec2', ...startable, ec2: { region: 'eu-west-1', defaultChain: true } }
const openstack = {
  ...{ name: 'stack', kind: 'openstack', ...startable },
  openstack: {
    ...{ authUrl: 'https://keystone.example.org:5000/v3', networks: ['inner'] },
    ...{ user: 'pilot', password: { env: 'WORD' }, project: 'vo' },
  },
}
const ssh = {
  ...{ name: 'rack', kind: 'ssh', flavors: startable.flavors },
  ssh: { user: 'root', privateKey: { env: 'KEY' }, hosts: [{ address: 'desk.example.org', flavor: 'one' }] },
}
const mongo = { kind: 'mongo', url: 'mongodb://db:27017/?replicaSet=rs0&tls=true' }

describe('an edge', () => {
  it('needs no other address where machines reach the one that it has, or are on this machine', () => {
    const at = { host: '10.0.0.1' }
    const grpc = { ...at, plaintext: true }
    for (const raw of [
      { clouds: [{ name: 'here', kind: 'local' }] },
      { grpc, context: { agents: at }, clouds: [opennebula] },
      {
        grpc: { advertise: ['127.0.0.1:7400'] },
        context: { agents: { advertise: ['http://127.0.0.1:7402'] } },
        clouds: [opennebula, ec2, openstack, ssh],
      },
    ])
      expect(compileConfig(raw).grpc.advertise).toHaveLength('clouds' in raw && raw.clouds.length > 1 ? 1 : 0)
  })

  it('listens in plain on this machine', () => {
    for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost']) {
      expect(compileConfig({ grpc: { host }, dashboard: { host } }).grpc.host).toBe(host)
    }
  })

  it('listens elsewhere with TLS, or where the operator takes the network for private', () => {
    const { grpc, dashboard } = compileConfig(
      { grpc: { host: '0.0.0.0', tls, caFile: 'ca.crt' }, dashboard: { host: '10.0.0.1', plaintext: true } },
      '/srv/pilotage',
    )
    expect(grpc).toEqual({
      host: '0.0.0.0',
      port: 7400,
      tls: { certFile: '/srv/pilotage/a.crt', keyFile: '/etc/a.key', minVersion: '1.3' },
      caFile: '/srv/pilotage/ca.crt',
      advertise: [],
      plaintext: false,
      limits: {
        connections: { inAll: connectionLimits.inAll, perAddress: connectionLimits.perAddress },
        maxAgeMs: connectionLimits.maxAgeMs,
        idleMs: connectionLimits.idleMs,
        keepaliveMs: connectionLimits.keepaliveMs,
        callsPerSecond: loadLimits.callsPerSecond,
      },
    })
    expect(dashboard).toEqual({ host: '10.0.0.1', port: 7401 })
  })

  it('serves TLS 1.3 unless 1.2 is asked for, however YAML reads the number', () => {
    const versionOf = (minVersion: unknown) => compileConfig({ dashboard: { tls: { ...tls, minVersion } } }).dashboard.tls
    expect([undefined, '1.3', 1.3, '1.2', 1.2].map((one) => versionOf(one)?.minVersion)).toEqual([
      '1.3',
      '1.3',
      '1.3',
      '1.2',
      '1.2',
    ])
    expect(wrong({ dashboard: { tls: { ...tls, minVersion: 1.1 } } })).toEqual([
      'dashboard.tls.minVersion: not one of the choices',
    ])
  })

  it.each([
    [{ grpc: { host: '0.0.0.0' } }, ['grpc.host: not loopback']],
    [{ dashboard: { host: '::' } }, ['dashboard.host: not loopback']],
    [{ grpc: { host: '127.0.0.1.example' } }, ['grpc.host: not loopback']],
    [{ grpc: { tls } }, ['grpc.caFile: missing']],
    [{ grpc: { tls, caFile: 'ca', plaintext: true } }, ['grpc.plaintext: beside tls']],
    [{ grpc: { tls: { certFile: 'a' }, caFile: 'ca' } }, ['grpc.tls.keyFile: missing']],
    [{ grpc: { limits: { connections: 100 } } }, ['grpc.limits.connectionsPerAddress: too many']],
    [{ grpc: { limits: { callsPerSecond: 1 } } }, ['grpc.limits.callsPerSecond: out of range']],
    [{ grpc: { plaintext: 'yes' } }, ['grpc.plaintext: neither true nor false']],
    [{ grpc: { advertise: ['far.example:7400'] } }, ['grpc.advertise[0]: not loopback']],
    [{ grpc: { advertise: ['127.0.0.1:1', 'b'] } }, ['grpc.advertise[1]: not an address']],
    [{ dashboard: { advertise: [] } }, ['dashboard.advertise: unknown key']],
    [{ health: { port: 100_000 } }, ['health.port: out of range']],
  ])('%j is refused', (raw, expected) => {
    expect(wrong(raw)).toEqual(expected)
  })

  it.each([openstack, opennebula, ec2, ssh])('is not this machine for the machines of another: $kind', (cloud) => {
    expect(wrong({ clouds: [cloud] })).toEqual([
      'grpc.advertise: missing: machines elsewhere cannot reach 127.0.0.1:7400',
      'context.agents.advertise: missing: machines elsewhere cannot reach 127.0.0.1:7402',
    ])
    const everywhere = { grpc: { host: '0.0.0.0', plaintext: true }, context: { agents: { host: '::' } } }
    expect(wrong({ ...everywhere, clouds: [cloud] })).toEqual([
      'grpc.advertise: missing, as 0.0.0.0 is no address',
      'context.agents.advertise: missing, as :: is no address',
    ])
  })
})

describe('the store', () => {
  it('is MongoDB by an address, or by a file that holds one', () => {
    expect(compileConfig({ store: mongo }).store).toEqual({ ...mongo, plaintext: false, database: 'pilotage' })
    expect(compileConfig({ store: { kind: 'mongo', urlFile: 'url', database: 'grid' } }, '/etc').store).toEqual({
      kind: 'mongo',
      urlFile: '/etc/url',
      plaintext: false,
      database: 'grid',
    })
  })

  it.each([
    [{ kind: 'mongo' }, ['store.url: not one of two']],
    [{ ...mongo, urlFile: 'x' }, ['store.url: not one of two']],
    [{ kind: 'mongo', url: 'http://db' }, ['store.url: not an address']],
    [{ kind: 'mongo', url: 'mongodb://ada:hush@db/' }, ['store.url: a secret in the configuration']],
    [{ url: 'mongodb://db' }, ['store.url: of another kind']],
    [{ kind: 'sqlite', urlFile: 'x' }, ['store.urlFile: of another kind']],
    [{ kind: 'postgres' }, ['store.kind: not one of the choices']],
  ])('%j is refused', (store, expected) => {
    expect(wrong({ store })).toEqual(expected)
  })

  it('shows no address that is refused, as it may hold a password', () => {
    for (const url of ['mongodb://ada:hush@db/', 'ada:hush']) {
      const { violations, message } = refused(() => compileConfig({ store: { kind: 'mongo', url } }))
      expect(JSON.stringify([violations, message])).not.toContain('hush')
    }
  })
})

describe('NATS', () => {
  it('takes one way to sign in', () => {
    const servers = ['nats://localhost:4222', '127.0.0.1:4222', 'tls://c:4222']
    const facts = { maxAgeMs: 30 * 24 * 60 * 60 * 1000, maxBytes: 4 * 1024 ** 3, replicas: 1 }
    expect(compileConfig({ nats: { servers } }).nats).toEqual({ servers, facts })
    expect(compileConfig({ nats: { servers, user: 'ada', passwordFile: '/p', caFile: '/ca' } }).nats).toEqual({
      servers,
      facts,
      caFile: '/ca',
      credentials: { kind: 'password', user: 'ada', file: '/p' },
    })
    expect(compileConfig({ nats: { servers, tokenFile: '/t' } }).nats?.credentials).toEqual({ kind: 'token', file: '/t' })
    const small = { facts: { keep: '1h', size: '64MiB', replicas: 3 } }
    expect(compileConfig({ nats: { servers, ...small } }).nats?.facts).toEqual({
      maxAgeMs: 3_600_000,
      maxBytes: 64 * 1024 ** 2,
      replicas: 3,
    })
    expect(compileConfig({ nats: { servers, credsFile: '/c' } }).nats?.credentials).toEqual({ kind: 'creds', file: '/c' })
  })

  it.each([
    [{}, ['nats.servers: missing']],
    [{ servers: [] }, ['nats.servers: empty']],
    [{ servers: ['nats://ada:hush@a:4222'] }, ['nats.servers[0]: a secret in the configuration']],
    [{ servers: ['http://a:4222', 'a'] }, ['nats.servers[0]: not an address', 'nats.servers[1]: not an address']],
    [{ servers: ['localhost:1'], user: 'ada' }, ['nats.passwordFile: missing']],
    [{ servers: ['localhost:1'], passwordFile: 'p' }, ['nats.user: missing']],
    [{ servers: ['localhost:1'], tokenFile: 't', credsFile: 'c' }, ['nats.tokenFile: a second credential']],
  ])('%j is refused', (nats, expected) => {
    expect(wrong({ nats })).toEqual(expected)
    expect(JSON.stringify(refused(() => compileConfig({ nats })).violations)).not.toContain('hush')
  })
})

describe('roles', () => {
  const known = ['api', 'director', 'sweeper', 'dashboard'] as const
  const checked = (raw: object, roles: readonly string[]): readonly string[] => {
    try {
      checkRoles(compileConfig(raw), roles, known)
      return []
    } catch (error) {
      return error instanceof PilotageError ? error.violations.map(({ path, rule }) => `${path}: ${rule}`) : ['?']
    }
  }

  it('are all where none is named, and else those that are', () => {
    expect(readRoles([], known)).toEqual(known)
    expect(readRoles(['sweeper,api', 'api'], known)).toEqual(['api', 'sweeper'])
    const { violations } = refused(() => readRoles(['api,directer', ''], known))
    expect(violations.map(({ path, value }) => `${path} ${value}`)).toEqual(['--role directer', '--role '])
  })

  it('are together in one process over the embedded store', () => {
    expect(checked({}, known)).toEqual([])
    expect(checked({}, ['api', 'director'])).toEqual(['--role: over the embedded store no process does sweeper, dashboard'])
    for (const role of known) expect(checked({ store: mongo, grpc: { advertise: ['127.0.0.1:1'] } }, [role])).toEqual([])
  })

  it('need to know where the API is, where a director is without it or it listens everywhere', () => {
    expect(checked({ store: mongo }, ['director'])).toEqual(['grpc.advertise: missing beside a director alone'])
    expect(checked({ store: mongo }, ['director', 'api'])).toEqual([])
    expect(checked({ store: mongo }, ['dashboard', 'sweeper'])).toEqual([])
    const everywhere = { store: mongo, grpc: { host: '0.0.0.0', plaintext: true } }
    expect(checked(everywhere, ['api'])).toEqual([])
    expect(checked(everywhere, ['api', 'director'])).toEqual(['grpc.advertise: missing, as 0.0.0.0 is no address'])
  })
})
