/**
 * The ports, opened as the configuration names them. With `main.ts`, which puts the engines and the edges on them, the
 * composition root: no other file knows an adapter.
 *
 * What is opened is closed by its caller. Secrets come as values, read before anything is opened.
 */

import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import type { PilotageError } from '../../core/kernel/errors.ts'
import { activationKeepMs } from '../../core/kernel/limits.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Cloud } from '../../core/ports/cloud.ts'
import type { FactStream } from '../../core/ports/fact-stream.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { TlsPair } from '../../core/ports/served-tls.ts'
import type { Store } from '../../core/ports/store.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { localBus } from '../adapters/bus/local/local-bus.ts'
import { natsFactStream } from '../adapters/bus/nats/fact-stream.ts'
import { natsBus } from '../adapters/bus/nats/nats-bus.ts'
import type { NatsOptions } from '../adapters/bus/nats/nats-link.ts'
import type { CloudSecrets, Driver, DriverNotes } from '../adapters/cloud/kit/driver.ts'
import { fileBlobs } from '../adapters/sandbox/files/file-blobs.ts'
import { fileSandbox } from '../adapters/sandbox/files/file-sandbox.ts'
import { memoryLiveOutput } from '../adapters/live-output/memory/memory-live-output.ts'
import { gridBlobs } from '../adapters/store/mongo/grid-blobs.ts'
import { gridSandbox } from '../adapters/store/mongo/grid-sandbox.ts'
import { mongoLiveOutput } from '../adapters/store/mongo/live-output.ts'
import { openKeptMongoStore } from './mongo-upkeep.ts'
import { openSqliteStore } from '../adapters/store/sqlite/sqlite-store.ts'
import type { Config } from '../config/document.ts'
import { mayLeaveMachine } from '../config/plaintext.ts'
import type { CloudConfig } from '../config/clouds.ts'
import { contextFiles } from '../context/vm-context.ts'
import { delivery, drivers } from './drivers.ts'
import type { Installation } from './installation.ts'
import { mongoUrl } from './mongo-access.ts'
import { type NatsAccess, readNatsAccess } from './nats-access.ts'
import { openSandboxHome, readSandboxSecrets, type SandboxSecrets } from './sandbox-home.ts'
import type { ProcessRole } from '../../core/model/process-role.ts'
import { type Environment, readSecrets, type SecretReader } from './secrets.ts'

export type Secrets = {
  readonly grpcTls?: TlsPair
  readonly dashboardTls?: TlsPair
  /** Whom VMs trust. */
  readonly caPem?: string
  readonly mongoUrl?: string
  readonly sandbox: SandboxSecrets
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

/** What a process of these roles needs, and no more. Throws `invalid-argument` with every file that cannot be used. */
export function readSecretsFor(
  { grpc, dashboard, store, sandbox, nats, clouds, context, images }: Config,
  roles: readonly ProcessRole[],
  env: Environment,
  known: readonly Driver[] = drivers,
): Secrets {
  const reader = readSecrets(env)
  const secrets: Secrets = {
    grpcTls: grpc.tls && roles.includes('api') ? reader.tls('grpc.tls', grpc.tls) : undefined,
    dashboardTls: dashboard.tls && roles.includes('dashboard') ? reader.tls('dashboard.tls', dashboard.tls) : undefined,
    caPem:
      grpc.caFile !== undefined && roles.includes('director') ? reader.certificate('grpc.caFile', grpc.caFile) : undefined,
    mongoUrl: store.kind === 'mongo' ? mongoUrl(store, reader) : undefined,
    sandbox: readSandboxSecrets(sandbox, reader),
    nats: nats && readNatsAccess(nats, reader),
    // Processes that take entries in, start VMs from them, or show what may be started.
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
    clouds: new Map(roles.includes('director') ? clouds.map((one) => [one.name, cloudSecrets(one, reader, known)]) : []),
  }
  reader.settle()
  return secrets
}

function cloudSecrets({ name, driver }: CloudConfig, reader: SecretReader, known: readonly Driver[]): CloudSecrets {
  return driverOf(driver.kind, known).secrets(driver.options, `clouds.${name}.${driver.kind}`, reader)
}

function driverOf(kind: string, known: readonly Driver[]): Driver {
  const driver = known.find((one) => one.kind === kind)
  if (!driver) throw new Error(`assertion failed: a configuration was read with a driver for ${kind}`)
  return driver
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
): Promise<{
  readonly store: Store
  readonly sandbox: Sandbox
  readonly blobs: Blobs
  readonly live: LiveOutput
}> {
  if (config.store.kind === 'mongo') {
    const { database, plaintext } = config.store
    const url = secrets.mongoUrl ?? ''
    const mayLeave = mayLeaveMachine(url, plaintext)
    const { store, db } = await openKeptMongoStore({ url, mayLeave, database, clock, log, holder })
    const home = await openSandboxHome(config.sandbox, secrets.sandbox, clock, () => ({
      sandbox: gridSandbox(db),
      blobs: gridBlobs(db),
    }))
    return { store, ...home, live: mongoLiveOutput(db) }
  }
  const store = await openSqliteStore(installation.path('pilotage.db'), clock, onFailed)
  const home = await openSandboxHome(config.sandbox, secrets.sandbox, clock, () => ({
    sandbox: fileSandbox(installation.path('sandbox')),
    blobs: fileBlobs(installation.path('sandbox-files')),
  }))
  return { store, ...home, live: memoryLiveOutput() }
}

export function openBus(options: PortOptions): { readonly bus: Bus; close(): Promise<void> } {
  const own = localBus(options.clock)
  const nats = natsOptions(options)
  if (!nats) return { bus: own, close: async () => {} }
  const bus = natsBus({ ...nats, own })
  return { bus, close: () => bus.close() }
}

/**
 * What was published and not acknowledged is published again; for this time the stream knows it. Outages of minutes, a
 * restart.
 */
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

export type CloudOptions = Pick<PortOptions, 'installation' | 'clock' | 'secrets' | 'log'> & {
  readonly notes: DriverNotes
  /** What is delivered to its VMs over SSH; absent: nothing is. */
  readonly config?: Pick<Config, 'context' | 'vm'>
}

export async function openCloud(
  cloud: CloudConfig,
  options: CloudOptions,
  known: readonly Driver[] = drivers,
): Promise<Cloud> {
  const driver = await openDriver(cloud, options, known)
  const { context, vm } = options.config ?? {}
  const used = new Set(cloud.offerings.map(({ image }) => image))
  const images = new Set([...(context?.images ?? [])].flatMap(([name, one]) => (one.isDelivered ? [name] : [])))
  const isNeeded = cloud.traits.takesDelivery && [...images].some((one) => used.has(one))
  if (!isNeeded || !context?.ssh || !vm) return driver
  const { user, sudo, port } = context.ssh
  const login = { user, sudo, privateKey: options.secrets.deliveryKey ?? '' }
  const { clock, log } = options
  const keepMs = Math.max(activationKeepMs, cloud.bootTimeoutMs ?? vm.bootTimeoutMs)
  return delivery.around(driver, { clock, log, login, port, images, keepMs })
}

function openDriver(
  { name, driver, references, offerings }: CloudConfig,
  options: CloudOptions,
  known: readonly Driver[],
): Promise<Cloud> {
  const { installation, clock, secrets, log, notes } = options
  return driverOf(driver.kind, known).open(driver.options, {
    name,
    installation: installation.name,
    clock,
    log,
    references,
    offerings,
    secrets: secrets.clouds.get(name) ?? {},
    directory: installation.path(join('clouds', name)),
    notes,
  })
}
