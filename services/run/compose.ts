/**
 * The composition root: puts the engines and the edges that a process has roles for on the ports that its configuration
 * names, and stops all of it cleanly.
 *
 * `startService` is for a process that has something else to do as well (the demo, a replay, a test): every role, over the
 * embedded store unless its configuration says otherwise. `start` is for a process of its own (serve.ts).
 */

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { bundleAgents } from '../../agents/bundle.ts'
import { fitting } from '../../contextualization/size.ts'
import { type Clock, sleep, systemClock } from '../../core/kernel/clock.ts'
import { hostPort } from '../../core/kernel/endpoints.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import { tokenMaxMs } from '../../core/kernel/limits.ts'
import { type ProcessRole, processRoles } from '../../core/model/process-role.ts'
import type { Cloud } from '../../core/ports/cloud.ts'
import type { Log } from '../../core/ports/log.ts'
import type { FactStore, Store } from '../../core/ports/store.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { pinoLog } from '../adapters/log/pino/pino-log.ts'
import { joseTokens, newSigningKey } from '../adapters/tokens/jose/jose-tokens.ts'
import { startApi } from '../api/grpc/server.ts'
import { type BundleServer, servedNodes, startBundleServer } from '../api/http/agent-files.ts'
import type { Config } from '../config/document.ts'
import type { CloudConfig } from '../config/clouds.ts'
import { checkRoles } from '../config/arguments.ts'
import { startDashboard } from '../dashboard/server.ts'
import type { AgentFiles } from '../context/sources.ts'
import { checkSizes } from '../context/size-check.ts'
import { vmContext } from '../context/vm-context.ts'
import type { DriverNotes } from '../adapters/cloud/kit/driver.ts'
import { compileConfig } from './configuration.ts'
import { configuredProxies, contextSources } from './context-sources.ts'
import { isolatedConfig } from './local-isolation.ts'
import { type Disposables, openDisposables } from './disposables.ts'
import { type DirectedCloud, directorDefaults } from '../director/options.ts'
import { cloudStatus } from '../vms/list-clouds.ts'
import { startHealth } from '../api/http/health.ts'
import { openTrust } from '../images/trust.ts'
import { agreeOn, type Installation, openInstallation, writeWhole } from './installation.ts'
import { openBus, openCloud, openFactStream, openStore, type PortOptions, readSecretsFor } from './ports.ts'
import { siteProxies } from '../context/site-proxies.ts'
import { startPublisher } from './publisher.ts'
import { type Readiness, startReadiness } from './readiness.ts'
import { type Environment, readTlsPair } from './secrets.ts'
import { servedTls } from './served-tls.ts'
import { buildRuntime, type Runtime, startLoops } from './runtime.ts'

export type Service = {
  /** host:port of the gRPC edge. */
  readonly server: string
  readonly adminToken: string
  readonly dashboardUrl: string
  readonly dataDir: string
  /** Of payloads on this machine's own cloud; absent: it has none. */
  readonly isolation?: string
  stop(): Promise<void>
}

export type ServiceOptions = {
  readonly dataDir: string
  /** As a configuration file would say it; ports may be 0 for free ones. */
  readonly config?: object
  readonly environment?: Environment
  readonly log?: Log
}

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }

/** For a process with other work: on free ports unless the configuration names some, its log in the data directory. */
export async function startService({ dataDir, config = {}, environment = {}, log }: ServiceOptions): Promise<Service> {
  const free = { grpc: { port: 0 }, dashboard: { port: 0 } }
  const own = log ?? pinoLog('info', join(resolve(dataDir), 'service.log'))
  const onFailed = (error: PilotageError): void => own.error({ err: error }, 'the store failed')
  const compiled = compileConfig({ ...free, ...config })
  // The jobs of a demo, a replay and a test belong to the user who starts it.
  const options = { config: compiled, roles: processRoles, environment, mayBePlain: true, log: own, onFailed }
  return start({ ...options, dataDir: resolve(dataDir) })
}

export type Start = {
  readonly dataDir: string
  readonly config: Config
  readonly roles: readonly ProcessRole[]
  /** Holds the secrets that the configuration names by a variable. */
  readonly environment: Environment
  /** Payloads may go without isolation where this machine has none, also as root. */
  readonly mayBePlain?: boolean
  readonly log: Log
  /** The embedded store acknowledges nothing any more. */
  readonly onFailed: (error: PilotageError) => void
}

export async function start(options: Start): Promise<Service> {
  const { dataDir, config: given, roles, environment, mayBePlain = false, log, onFailed } = options
  checkRoles(given, roles, processRoles)
  const secrets = readSecretsFor(given, roles, environment)
  const clock = systemClock()
  const isAlone = given.store.kind === 'sqlite'
  const installation = await openInstallation(dataDir, { makeKey: newSigningKey, alone: isAlone })
  const disposables = openDisposables(log)
  disposables.add(() => installation.unlock())
  // The lock keeps every other process out: what the last start held is ours at once.
  const holder = isAlone ? installation.name : `${hostname()}:${process.pid}:${systemRandom().letters(6)}`
  try {
    const { config, isolation } = roles.includes('director')
      ? await isolatedConfig(given, installation, mayBePlain, log)
      : { config: given, isolation: undefined }
    const ports: PortOptions = { config, secrets, installation, holder, clock, log }
    const tokens = await joseTokens(installation.signingKey, installation.name, clock)
    const { store, sandbox, blobs, live } = await reachStore(ports, onFailed)
    disposables.add(() => store.close())
    const readiness = startReadiness(store, clock)
    disposables.add(() => readiness.stop())
    const { bus, close } = openBus(ports)
    disposables.add(close)
    const at: Place = { endpoint: config.grpc.advertise.join(), agents: config.context.agents.advertise }
    const agents = await agentFiles(ports, roles)
    const runtime = await buildRuntime({
      roles,
      holder,
      store,
      bus,
      clock,
      log,
      sandbox,
      live,
      blobs,
      policy: {
        ...config.queue,
        maxSandboxBytes: config.sandbox.maxBytesPerOwner,
        keepRecordsMs: config.accounting.keepRecordsMs,
      },
      shares: config.shares,
      director: await directing(ports, roles, at, agents, notesIn(store)),
      trust: openTrust(secrets.endorsers),
    })
    const serving = await startEdges({ ports, roles, runtime, tokens, readiness, disposables })
    // If the configuration does not say otherwise, VMs go where we listen.
    if (at.endpoint === '') at.endpoint = serving.grpc ?? ''
    const bundles = await serveBundles(ports, roles, agents, store)
    if (bundles) disposables.add(() => bundles.stop())
    if (at.agents.length === 0 && bundles) at.agents = [`http://${hostPort(config.context.agents.host, bundles.port)}`]
    const adminToken = await issueAdminToken(installation, tokens, clock)
    const loops = startLoops(runtime, config.director.intervalMs)
    disposables.add(() => loops.stop())
    if (roles.includes('sweeper')) publish(ports, runtime, disposables)
    log.info({ version, roles, holder, dataDir, ...serving }, 'serving')
    const { grpc = '', dashboard = '' } = serving
    return { server: grpc, adminToken, dashboardUrl: dashboard, dataDir, isolation, stop: disposables.all }
  } catch (error) {
    await disposables.all()
    throw error
  }
}

/** A shared store may be unreachable at the start, because of an election or a restart: a running process retries too. */
const reachWithinMs = 30_000
const reachEveryMs = 1000

async function reachStore(ports: PortOptions, onFailed: Start['onFailed']): ReturnType<typeof openStore> {
  const { config, installation, clock, log } = ports
  if (config.store.kind === 'sqlite') return openStore(ports, onFailed)
  const endMs = clock.monotonicMs() + reachWithinMs
  for (;;) {
    try {
      const opened = await openStore(ports, onFailed)
      try {
        await agreeOn(installation, opened.store)
        return opened
      } catch (error) {
        await opened.store.close()
        throw error
      }
    } catch (thrown) {
      const error = asPilotageError(thrown, 'opening the store')
      if (error.code !== 'unavailable' || clock.monotonicMs() > endMs) throw thrown
      log.warn({ message: error.message }, 'store unreachable, retrying')
      await sleep(clock, reachEveryMs)
    }
  }
}

/** Where the agents find the service, and where machines find the agents. */
type Place = { endpoint: string; agents: readonly string[] }

async function directing(
  ports: PortOptions,
  roles: readonly ProcessRole[],
  at: Place,
  agents: AgentFiles | undefined,
  notes: DriverNotes,
): Promise<Parameters<typeof buildRuntime>[0]['director']> {
  const { config, secrets, installation } = ports
  const sources = () => {
    if (!agents) throw new PilotageError('internal', 'rendering a context: this process is no director')
    const given = { texts: secrets.contextTexts, caPem: secrets.caPem, dataDir: installation.path('') }
    return contextSources({ config, agents, ...given, endpoint: at.endpoint, bases: at.agents })
  }
  // A context that its cloud would refuse is found before it fails a VM.
  if (roles.includes('director'))
    checkSizes(
      config.clouds.flatMap(({ offerings }) => offerings),
      sources(),
    )
  return {
    random: systemRandom(),
    clouds: await Promise.all(config.clouds.map((cloud) => directed(cloud, ports, roles, notes))),
    services: config.context.services,
    render: (vm, offering, squids) => {
      const { text, limit, carrier } = vmContext({ vm, offering, squids }, sources())
      return fitting(carrier, limit, text)
    },
    policy: {
      ...directorDefaults,
      settleMs: config.director.settleMs,
      listStaleMs: config.director.listStaleMs,
      heartbeatTimeoutMs: config.vm.heartbeatTimeoutMs,
    },
  }
}

type Edges = {
  readonly ports: PortOptions
  readonly roles: readonly ProcessRole[]
  readonly runtime: Runtime
  readonly tokens: Tokens
  readonly readiness: Readiness
  readonly disposables: Disposables
}

/** Where each listens; absent: it does not. */
type Serving = { readonly grpc?: string; readonly dashboard?: string; readonly health?: string }

async function startEdges({ ports, roles, runtime, tokens, readiness, disposables }: Edges): Promise<Serving> {
  const { config, secrets, clock, log } = ports
  const { jobs, matching, ledger, weights } = runtime
  const configured = config.clouds.map(({ name, driver, site, limits }) => ({ name, kind: driver.kind, site, limits }))
  // A caller that learns that we serve finds us ready, unless the store is not.
  await readiness.asked
  const status = () => cloudStatus(jobs.store, configured, clock.nowMs())
  const served = servedTls({ read: readTlsPair, clock, log }, disposables.add)
  const shared = { ports: jobs, images: runtime.catalogue, tokens, log, version, cloudStatus: status }
  let serving: Serving = {}
  if (matching) {
    const { heartbeatIntervalMs } = config.vm
    const { host, port } = config.grpc
    const tls = served('grpc.tls', config.grpc.tls, secrets.grpcTls)
    const watchReady = readiness.watch
    const startedMs = clock.nowMs()
    const api = await startApi({
      ...shared,
      matching,
      shares: { ledger, weights, halfLifeMs: config.shares.halfLifeMs },
      heartbeatIntervalMs,
      host,
      port,
      tls,
      bounds: config.grpc.limits,
      watchReady,
      startedMs,
    })
    disposables.add(() => api.stop())
    serving = { ...serving, grpc: hostPort(host, api.port) }
  }
  if (roles.includes('dashboard')) {
    const { host, port } = config.dashboard
    const { isReady } = readiness
    const tls = served('dashboard.tls', config.dashboard.tls, secrets.dashboardTls)
    const dashboard = await startDashboard({ ...shared, host, port, tls, isReady })
    disposables.add(() => dashboard.stop())
    serving = { ...serving, dashboard: dashboard.url }
  }
  if (config.health) {
    const { host, port } = config.health
    const health = await startHealth(host, port, readiness.isReady)
    disposables.add(health.stop)
    serving = { ...serving, health: hostPort(host, health.port) }
  }
  return serving
}

/** Facts go to a stream that readers outside can follow, if one is configured. */
function publish(ports: PortOptions, { jobs }: Runtime, disposables: Disposables): void {
  const stream = openFactStream(ports)
  if (!stream) return
  disposables.add(() => stream.close())
  const publisher = startPublisher({ ...jobs, stream, holder: ports.holder })
  disposables.add(() => publisher.stop())
}

/** Anew at each start, in a file that only the owner reads: a reader of it could read the signing key beside it. */
async function issueAdminToken({ adminTokenPath }: Installation, tokens: Tokens, clock: Clock): Promise<string> {
  const owner = { vo: 'pilotage', group: 'admin', owner: 'admin' }
  const token = await tokens.issue({ kind: 'user', owner, roles: ['user', 'operator', 'admin'] }, clock.nowMs() + tokenMaxMs)
  writeWhole(adminTokenPath, `${token}\n`)
  return token
}

/** Only who makes VMs, or hands the agents to machines, pays for bundling them. */
async function agentFiles(
  { config, installation }: PortOptions,
  roles: readonly ProcessRole[],
): Promise<AgentFiles | undefined> {
  const isServing = hasMachines(config) && roles.includes('api')
  if (!roles.includes('director') && !isServing) return undefined
  const agents = await bundleAgents(installation.path('agents'))
  return hasMachines(config) ? { ...agents, nodes: await servedNodes(config.context.agents.nodes) } : agents
}

function hasMachines({ clouds }: Config): boolean {
  return clouds.some(({ traits }) => !traits.isOnThisMachine)
}

async function serveBundles(
  { config, clock }: PortOptions,
  roles: readonly ProcessRole[],
  agents: AgentFiles | undefined,
  store: Store,
): Promise<BundleServer | undefined> {
  if (!agents || !hasMachines(config) || !roles.includes('api')) return undefined
  const { host, port } = config.context.agents
  const files = [agents.pilot, agents.monitor, ...(agents.nodes ?? [])]
  const squidSites = new Set(config.context.services.map(({ site }) => site))
  const configured = (site: string) => configuredProxies(config, site)
  return startBundleServer(host, port, { files, proxiesOf: siteProxies({ store, clock, configured, squidSites }) })
}

/** Notes of drivers, for the next process that drives the cloud. */
function notesIn(store: FactStore): DriverNotes {
  return { read: (name) => store.note(name), write: (name, text) => store.keepNote(name, text) }
}

async function directed(
  cloud: CloudConfig,
  ports: PortOptions,
  roles: readonly ProcessRole[],
  notes: DriverNotes,
): Promise<DirectedCloud> {
  const { limits, offerings } = cloud
  const { vm, breaker } = ports.config
  return {
    cloud: roles.includes('director') ? await openCloud(cloud, { ...ports, notes }) : cloudOfOthers(cloud.name),
    offerings,
    startsImages: cloud.traits.startsImages,
    limits,
    bootMs: cloud.bootTimeoutMs ?? vm.bootTimeoutMs,
    lifeMs: vm.maxLifetimeMs,
    breaker,
  }
}

/** Other processes only know by it what there is: they have neither a way to it nor its credentials. */
function cloudOfOthers(name: string): Cloud {
  const refuse = (): Promise<never> => Promise.reject(new PilotageError('internal', `${name}: this process is no director`))
  return { name, create: refuse, list: refuse, destroy: refuse, consoleLog: refuse, quota: refuse }
}
