/**
 * The ports, opened as the configuration names them. With `main.ts`, which puts the engines and the edges on them, the
 * composition root: nobody else knows an adapter.
 *
 * What is opened is closed by whoever asked for it. Secrets come as values, read before anything is opened.
 */

import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import type { PilotageError } from '../../core/kernel/errors.ts'
import { activationKeepMs } from '../../core/kernel/limits.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Cloud } from '../../core/ports/cloud.ts'
import type { FactStream } from '../../core/ports/fact-stream.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { TlsPair } from '../../core/ports/served-tls.ts'
import type { Store } from '../../core/ports/store.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { localBus } from '../adapters/bus/local/local-bus.ts'
import { natsFactStream } from '../adapters/bus/nats/fact-stream.ts'
import { natsBus } from '../adapters/bus/nats/nats-bus.ts'
import type { NatsOptions } from '../adapters/bus/nats/nats-link.ts'
import { localCloud } from '../adapters/cloud/local/cloud.ts'
import type { Login } from '../adapters/cloud/openstack/options.ts'
import { fileSandbox } from '../adapters/sandbox/files/file-sandbox.ts'
import { gridSandbox } from '../adapters/store/mongo/grid-sandbox.ts'
import { openMongoStore } from '../adapters/store/mongo/mongo-store.ts'
import { openSqliteStore } from '../adapters/store/sqlite/sqlite-store.ts'
import type { Config } from '../config/document.ts'
import { mayLeaveMachine } from '../config/plaintext.ts'
import type { CloudConfig } from '../config/clouds.ts'
import type { Ec2Config } from '../config/ec2.ts'
import type { OpenNebulaConfig } from '../config/opennebula.ts'
import type { OpenStackConfig } from '../config/openstack.ts'
import type { SshConfig } from '../config/ssh.ts'
import { contextFiles } from '../context/contexts.ts'
import type { Installation } from './installation.ts'
import { mongoUrl } from './mongo-access.ts'
import { type NatsAccess, readNatsAccess } from './nats-access.ts'
import type { ProcessRole } from './runtime.ts'
import { type Environment, readSecrets, type SecretReader } from './secrets.ts'

export type Secrets = {
  readonly grpcTls?: TlsPair
  readonly dashboardTls?: TlsPair
  /** Whom VMs trust. */
  readonly caPem?: string
  readonly mongoUrl?: string
  readonly nats?: NatsAccess
  /** The public keys of whom we trust to endorse images, by name. */
  readonly endorsers: ReadonlyMap<string, string>
  /** Of whom machines without cloud-init let in. */
  readonly deliveryKey?: string
  /** Of files that contexts carry, by their paths. */
  readonly contextTexts: ReadonlyMap<string, string>
  /** By the cloud's name. */
  readonly clouds: ReadonlyMap<string, CloudSecrets>
}

/** Of one cloud, by the key that names it in the configuration. */
export type CloudSecrets = Readonly<Record<string, string>>

/** What a process of these roles needs, and no more. Throws `invalid-argument` with every file that cannot be used. */
export function readSecretsFor(
  { grpc, dashboard, store, nats, clouds, context, images }: Config,
  roles: readonly ProcessRole[],
  env: Environment,
): Secrets {
  const reader = readSecrets(env)
  const secrets: Secrets = {
    grpcTls: grpc.tls && roles.includes('api') ? reader.tls('grpc.tls', grpc.tls) : undefined,
    dashboardTls: dashboard.tls && roles.includes('dashboard') ? reader.tls('dashboard.tls', dashboard.tls) : undefined,
    caPem:
      grpc.caFile !== undefined && roles.includes('director') ? reader.certificate('grpc.caFile', grpc.caFile) : undefined,
    mongoUrl: store.kind === 'mongo' ? mongoUrl(store, reader) : undefined,
    nats: nats && readNatsAccess(nats, reader),
    // Whoever takes entries in, starts VMs from them, or tells what may be started.
    endorsers: new Map(
      roles.some((role) => role !== 'sweeper')
        ? images.trusted.map(({ name, file }) => [name, reader.endorserKey(`images.trusted ${name}`, file)])
        : [],
    ),
    deliveryKey:
      context.ssh && roles.includes('director')
        ? reader.privateKey('context.ssh.privateKey', context.ssh.privateKey)
        : undefined,
    contextTexts: new Map(
      roles.includes('director') ? contextFiles(context).map(({ key, file }) => [file, reader.text(key, file)]) : [],
    ),
    clouds: new Map(roles.includes('director') ? clouds.map((one) => [one.name, cloudSecrets(one, reader)]) : []),
  }
  reader.settle()
  return secrets
}

function cloudSecrets({ name, driver }: CloudConfig, reader: SecretReader): CloudSecrets {
  switch (driver.kind) {
    case 'local':
      return {}
    case 'openstack':
      return openStackSecrets(driver, `clouds.${name}.openstack`, reader)
    case 'opennebula':
      return openNebulaSecrets(driver, `clouds.${name}.opennebula`, reader)
    case 'ec2':
      return ec2Secrets(driver, `clouds.${name}.ec2`, reader)
    case 'ssh':
      return { privateKey: reader.privateKey(`clouds.${name}.ssh.privateKey`, driver.privateKey) }
  }
}

function ec2Secrets({ caFile, credentials }: Ec2Config, path: string, reader: SecretReader): CloudSecrets {
  const { kind, ...sources } = credentials
  const keys = Object.entries(sources).map(([key, source]) => [key, reader.secret(`${path}.${key}`, source)])
  const caPem = caFile === undefined ? {} : { caPem: reader.certificate(`${path}.caFile`, caFile) }
  return { ...Object.fromEntries(kind === 'keys' ? keys : []), ...caPem }
}

function openStackSecrets({ caFile, secret }: OpenStackConfig, path: string, reader: SecretReader): CloudSecrets {
  const login = reader.secret(`${path}.${secret.key}`, secret.source)
  return caFile === undefined ? { login } : { login, caPem: reader.certificate(`${path}.caFile`, caFile) }
}

function openNebulaSecrets({ caFile, password }: OpenNebulaConfig, path: string, reader: SecretReader): CloudSecrets {
  const secret = reader.secret(`${path}.password`, password)
  return { password: secret, ...(caFile === undefined ? {} : { caPem: reader.certificate(`${path}.caFile`, caFile) }) }
}

export type PortOptions = {
  readonly config: Config
  readonly secrets: Secrets
  readonly installation: Installation
  readonly holder: string
  readonly clock: Clock
  readonly log: Log
}

/** `onFailed`: the embedded store acknowledges nothing any more. */
export async function openStore(
  { config, secrets, installation, holder, clock, log }: PortOptions,
  onFailed: (error: PilotageError) => void,
): Promise<{ readonly store: Store; readonly sandbox: Sandbox }> {
  if (config.store.kind === 'mongo') {
    const { database, plaintext } = config.store
    const url = secrets.mongoUrl ?? ''
    const mayLeave = mayLeaveMachine(url, plaintext)
    const { store, db } = await openMongoStore({ url, mayLeave, database, clock, log, holder })
    return { store, sandbox: gridSandbox(db) }
  }
  const store = await openSqliteStore(installation.path('pilotage.db'), clock, onFailed)
  return { store, sandbox: fileSandbox(installation.path('sandbox')) }
}

export function openBus(options: PortOptions): { readonly bus: Bus; close(): Promise<void> } {
  const own = localBus(options.clock)
  const nats = natsOptions(options)
  if (!nats) return { bus: own, close: async () => {} }
  const bus = natsBus({ ...nats, own })
  return { bus, close: () => bus.close() }
}

/** What was published and not acknowledged is published again; so long the stream knows it. Outages of minutes, a restart. */
const duplicateMs = 5 * 60_000
const publishMs = 5000

/** Absent: there is no NATS. */
export function openFactStream(options: PortOptions): (FactStream & { close(): Promise<void> }) | undefined {
  const nats = natsOptions(options)
  const { config } = options
  if (!nats || !config.nats) return undefined
  return natsFactStream({ ...nats, limits: { ...config.nats.facts, duplicateMs }, timeoutMs: publishMs })
}

function natsOptions({ secrets, installation, clock, log }: PortOptions): NatsOptions | undefined {
  return secrets.nats && { ...secrets.nats, installation: installation.name, clock, random: systemRandom(), log }
}

function withSecret(login: OpenStackConfig['login'], secret: string): Login {
  switch (login.method) {
    case 'password':
      return { ...login, password: secret }
    case 'application-credential':
      return { ...login, secret }
    case 'token':
      return { ...login, token: secret }
  }
}

/** What a driver keeps for whoever drives the cloud next. */
export type Keep = {
  read(name: string): Promise<string | undefined>
  write(name: string, text: string): Promise<void>
}

export type CloudOptions = Pick<PortOptions, 'installation' | 'clock' | 'secrets' | 'log'> & {
  readonly keep: Keep
  /** What is told to its machines by SSH; absent: nothing is. */
  readonly config?: Pick<Config, 'context' | 'vm'>
}

export async function openCloud(cloud: CloudConfig, options: CloudOptions): Promise<Cloud> {
  const driver = await openDriver(cloud, options)
  const { context, vm } = options.config ?? {}
  const used = new Set(cloud.offerings.map(({ image }) => image))
  const images = new Set([...(context?.images ?? [])].flatMap(([name, one]) => (one.isDelivered ? [name] : [])))
  const isNeeded = ['openstack', 'opennebula', 'ec2'].includes(cloud.driver.kind) && [...images].some((one) => used.has(one))
  if (!isNeeded || !context?.ssh || !vm) return driver
  const { deliveringCloud } = await import('../adapters/cloud/ssh/deliver.ts')
  const { user, sudo, port } = context.ssh
  const login = { user, sudo, privateKey: options.secrets.deliveryKey ?? '' }
  const { clock, log } = options
  const keepMs = Math.max(activationKeepMs, cloud.bootMs ?? vm.bootMs)
  return deliveringCloud(driver, { clock, log, login, port, images, keepMs })
}

/** Each kind of cloud brings its driver, loaded only where it is used. */
async function openDriver(cloud: CloudConfig, options: CloudOptions): Promise<Cloud> {
  const { name, driver, references } = cloud
  const { installation, clock, secrets, log } = options
  // Two clouds of ours may share a project: neither may take the other's machines for its own.
  const mark = `${installation.name}.${name}`
  switch (driver.kind) {
    case 'local': {
      const directory = installation.path(join('clouds', name))
      const quota = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
      const { bootDelayMs } = driver
      return localCloud({ name, installation: installation.name, directory, clock, bootDelayMs, quota })
    }
    case 'opennebula': {
      const { openNebulaCloud } = await import('../adapters/cloud/opennebula/cloud.ts')
      const { password = '', caPem } = secrets.clouds.get(name) ?? {}
      const kit = { name, installation: mark, clock, log, references }
      return openNebulaCloud({ ...driver, ...kit, password, caPem })
    }
    case 'ec2': {
      const { openEc2Cloud } = await import('../adapters/cloud/ec2/cloud.ts')
      const { accessKeyId = '', secretAccessKey = '', sessionToken, caPem } = secrets.clouds.get(name) ?? {}
      const keys = { kind: 'keys' as const, accessKeyId, secretAccessKey, sessionToken }
      const credentials = driver.credentials.kind === 'keys' ? keys : driver.credentials
      const common = { name, installation: installation.name, clock, log, references }
      return openEc2Cloud({ ...driver, ...common, credentials, caPem })
    }
    case 'openstack': {
      const { openStackCloud } = await import('../adapters/cloud/openstack/cloud.ts')
      const { login: secret = '', caPem } = secrets.clouds.get(name) ?? {}
      const kit = { name, installation: mark, clock, log, references }
      return openStackCloud({ ...kit, ...driver, access: { ...driver, caPem, login: withSecret(driver.login, secret) } })
    }
    case 'ssh':
      return openHosts(cloud, driver, options)
  }
}

async function openHosts(
  { name, offerings }: CloudConfig,
  { user, sudo, hosts }: SshConfig,
  { installation, clock, secrets, log, keep }: CloudOptions,
): Promise<Cloud> {
  const { sshCloud, sshTimes } = await import('../adapters/cloud/ssh/cloud.ts')
  const { privateKey = '' } = secrets.clouds.get(name) ?? {}
  const sizes = new Map(offerings.map(({ flavor, cores, memoryBytes }) => [flavor, { cores, memoryBytes }]))
  const kit = { name, installation: `${installation.name}.${name}`, clock, log, keep }
  return sshCloud({ ...kit, login: { user, privateKey, sudo }, hosts, sizes, ...sshTimes })
}
