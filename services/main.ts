/**
 * The composition root: the only place that knows every adapter. Starts a service over the embedded store, the in-process bus
 * and the configured clouds, and stops it cleanly.
 *
 * `startService` is for a process that has something else to do as well (the demo, a replay, a test); `serve` is a process of
 * its own, with signals and a log.
 */

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleAgents } from '../agents/bundle.ts'
import { renderContext } from '../contextualization/render.ts'
import { type Clock, systemClock } from '../core/clock.ts'
import { asPilotageError, PilotageError } from '../core/errors.ts'
import { tokenMaxMs } from '../core/limits.ts'
import type { Log } from '../core/ports/log.ts'
import { systemRandom } from '../core/random.ts'
import { localBus } from './adapters/bus/local/local-bus.ts'
import { localCloud } from './adapters/cloud/local/cloud.ts'
import { pinoLog } from './adapters/log/pino/pino-log.ts'
import { fileSandbox } from './adapters/sandbox/files/file-sandbox.ts'
import { openSqliteStore } from './adapters/store/sqlite/sqlite-store.ts'
import { joseTokens, newSigningKey } from './adapters/tokens/jose/jose-tokens.ts'
import { startApi } from './api/server.ts'
import { type CloudConfig, compileConfig, type Config, readConfigFile } from './config.ts'
import { startDashboard } from './dashboard/server.ts'
import { type DirectedCloud, directorDefaults } from './director/options.ts'
import { cloudStatus } from './director/status.ts'
import { type Installation, openInstallation, writeWhole } from './installation.ts'
import { buildRuntime, processRoles, startLoops } from './runtime.ts'

export type Service = {
  /** host:port of the gRPC edge. */
  readonly server: string
  readonly adminToken: string
  readonly dashboardUrl: string
  readonly dataDir: string
  stop(): Promise<void>
}

export type ServiceOptions = {
  readonly dataDir: string
  /** As a configuration file would say it; ports may be 0 for free ones. */
  readonly config?: object
  readonly log?: Log
}

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }

/** For a process with other work: on free ports unless the configuration names some, its log in the data directory. */
export async function startService({ dataDir, config = {}, log }: ServiceOptions): Promise<Service> {
  const free = { grpc: { port: 0 }, dashboard: { port: 0 } }
  const own = log ?? pinoLog('info', join(resolve(dataDir), 'service.log'))
  const onFailed = (error: PilotageError): void => own.error({ err: error }, 'the store failed')
  return start(resolve(dataDir), compileConfig({ ...free, ...config }), own, onFailed)
}

async function start(dataDir: string, config: Config, log: Log, onFailed: (error: PilotageError) => void): Promise<Service> {
  const clock = systemClock()
  const startedMs = clock.nowMs()
  const installation = await openInstallation(dataDir, newSigningKey)
  // Taken down in the reverse order of building up, whatever has come to stand.
  const downs: (() => Promise<void> | void)[] = [() => installation.unlock()]
  const stop = async (): Promise<void> => {
    // One that fails keeps no other from coming down.
    for (const down of downs.splice(0).reverse()) {
      await Promise.resolve()
        .then(down)
        .catch((error: unknown) => log.error({ err: error }, 'stopping'))
    }
  }
  try {
    const tokens = await joseTokens(installation.signingKey, installation.name, clock)
    const store = await openSqliteStore(installation.path('pilotage.db'), clock, onFailed)
    downs.push(() => store.close())
    const agents = await bundleAgents(installation.path('agents'))
    const bus = localBus(clock)
    let endpoint = ''
    const runtime = await buildRuntime({
      roles: processRoles,
      // The data directory's lock keeps every other process out: what the last start held is ours at once.
      holder: installation.name,
      store,
      bus,
      clock,
      log,
      sandbox: fileSandbox(installation.path('sandbox')),
      queuePolicy: { ...config.queue, beatEveryMs: config.vm.beatEveryMs, vmLifeMs: config.vm.lifeMs },
      director: {
        random: systemRandom(),
        clouds: config.clouds.map((cloud) => directed(cloud, config, installation, clock)),
        endpoint: () => endpoint,
        render: (agent) => renderContext({ config: agent, pilot: sourced(agents.pilot), monitor: sourced(agents.monitor) }),
        policy: {
          ...directorDefaults,
          settleMs: config.director.settleMs,
          listStaleMs: config.director.listStaleMs,
          beatLostMs: config.vm.beatLostMs,
        },
      },
    })
    const configured = config.clouds.map(({ name, kind, site, limits }) => ({ name, kind, site, limits }))
    const clouds = () => cloudStatus(store, configured, clock.nowMs())
    const { queue } = runtime
    const api = await startApi({ queue, tokens, log, ...config.grpc, version, startedMs, cloudStatus: clouds })
    downs.push(() => api.stop())
    endpoint = `${config.grpc.host}:${api.port}`
    const dashboard = await startDashboard({ queue, tokens, cloudStatus: clouds, log, ...config.dashboard, version })
    downs.push(() => dashboard.stop())
    const adminToken = await issueAdminToken(installation, tokens, clock)
    const loops = startLoops(runtime, config.director.everyMs)
    downs.push(() => loops.stop())
    log.info({ version, dataDir, grpc: endpoint, dashboard: dashboard.url }, 'serving')
    return { server: endpoint, adminToken, dashboardUrl: dashboard.url, dataDir, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Anew at each start, in a file that only the owner reads: whoever can read it could read the signing key beside it. */
async function issueAdminToken(
  { adminTokenPath }: Installation,
  tokens: Awaited<ReturnType<typeof joseTokens>>,
  clock: Clock,
): Promise<string> {
  const owner = { vo: 'pilotage', group: 'admin', owner: 'admin' }
  const token = await tokens.issue({ kind: 'user', owner, roles: ['user', 'operator', 'admin'] }, clock.nowMs() + tokenMaxMs)
  writeWhole(adminTokenPath, `${token}\n`)
  return token
}

function sourced({ path, sha256 }: { path: string; sha256: string }) {
  return { source: pathToFileURL(path).href, sha256 }
}

const diskReserveBytes = 256 * 1024 * 1024

function directed(cloud: CloudConfig, { vm, breaker }: Config, installation: Installation, clock: Clock): DirectedCloud {
  const { name, bootDelayMs, limits, offerings } = cloud
  const directory = installation.path(join('clouds', name))
  const quota = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  return {
    cloud: localCloud({ name, installation: installation.name, directory, clock, bootDelayMs, quota }),
    offerings,
    limits,
    bootMs: vm.bootMs,
    lifeMs: vm.lifeMs,
    breaker,
    agent: {
      sizeFrom: 'context',
      powerOff: [],
      policy: {
        idleMs: vm.idleMs,
        leastLifeMs: vm.leastLifeMs,
        deadManMs: vm.deadManMs,
        leastDiskFreeBytes: diskReserveBytes,
      },
    },
  }
}

/** `pilotage serve [--config FILE] [--data DIR]`: until SIGTERM or SIGINT. */
export async function serve(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: { config: { type: 'string' }, data: { type: 'string', default: 'pilotage-data' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log('pilotage serve [--config FILE] [--data DIR]   runs the service until it is told to stop (SIGTERM, SIGINT)')
    return
  }
  let log = pinoLog('info')
  try {
    const config = values.config === undefined ? compileConfig({}) : readConfigFile(values.config)
    log = pinoLog(config.logLevel)
    const stopping = Promise.withResolvers<string>()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.resolve(signal))
    // A service whose store failed acknowledges nothing any more: it ends, and whoever looks after it starts it again.
    const onFailed = (error: PilotageError): void => {
      log.error({ err: error }, 'the store failed')
      process.exitCode = 1
      stopping.resolve('store-failed')
    }
    const service = await start(resolve(values.data), config, log, onFailed)
    log.info({ why: await stopping.promise }, 'stopping')
    await service.stop()
    log.info({}, 'stopped')
    // Everything is down and durable. A machine that hangs may hold its end of a connection for ever: not ours.
    process.exit()
  } catch (thrown) {
    const error = thrown instanceof PilotageError ? thrown : asPilotageError(thrown, 'serving')
    log.error({ err: error, code: error.code, violations: error.violations }, 'the service cannot run')
    process.exitCode = 1
  }
}
