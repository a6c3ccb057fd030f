/**
 * The dashboard: the operator's pages and their JSON over HTTP, read-only. Builds the server over the use cases and stops it
 * within a bounded time, open event streams included.
 *
 * Nothing that a page needs comes from anywhere else, and the headers here forbid a browser to fetch, run or frame anything
 * that does. Refuses to know how jobs are matched and VMs are made.
 */

import type { AddressInfo } from 'node:net'
import { fastify, type FastifyInstance } from 'fastify'
import { assert } from '../../core/kernel/assert.ts'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { hostPort, isLoopback } from '../../core/kernel/endpoints.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import { type Random, systemRandom } from '../../core/kernel/random.ts'
import type { CloudStatus } from '../vms/list-clouds.ts'
import type { Catalogue } from '../images/catalogue.ts'
import { listImages } from '../images/list-images.ts'
import type { JobPorts } from '../jobs/ports.ts'
import type { ServedTls } from '../../core/ports/served-tls.ts'
import { admit } from './admission.ts'
import { readAssets } from './assets.ts'
import { openAuthenticator } from './authenticator.ts'
import { factFeed } from './fact-feed.ts'
import { fairPlaces } from './fair-places.ts'
import { hearing } from '../access/hearing.ts'
import { type HttpServer, httpServer } from './http-server.ts'
import { jsonRoutes, type StreamPlace } from './json-routes.ts'
import { streamLimits } from './limits.ts'
import { pageRoutes } from './page-routes.ts'
import { readings } from './readings.ts'
import { addRoute, demandActions } from './routes.ts'

export type DashboardOptions = {
  readonly ports: JobPorts
  readonly images: Catalogue
  readonly tokens: Tokens
  readonly cloudStatus: () => Promise<CloudStatus>
  readonly log: Log
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Absent: plain. */
  readonly tls?: ServedTls
  /** Whether the store answers: the answer of `GET /health`. */
  readonly isReady: () => boolean
  readonly version: string
  /** For the ids of sessions. */
  readonly random?: Random
}

export type Dashboard = { readonly url: string; stop(): Promise<void> }

/** A token has some 400 characters; a form has little else. */
const bodyBytes = 8 * 1024
/** How long requests under way get to end. */
const stopMs = 2000

const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/** Rejects when the port is taken. `stop` may be called more than once. */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { app, stop } = await buildDashboard(options)
  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (error) {
    await stop()
    throw error
  }
  const { address, port, family } = app.server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return { url: `${options.tls ? 'https' : 'http'}://${host}:${port}`, stop }
}

/** Browsers that were here by TLS come back by TLS for a year. This machine's own name belongs to other programs as well. */
const secureHeader = { 'strict-transport-security': 'max-age=31536000' } as const

type App = { readonly app: FastifyInstance } & Pick<HttpServer, 'connections' | 'stopHearing'>

function newApp(tls: DashboardOptions['tls'], clock: Clock): App {
  let made: HttpServer | undefined
  const app = fastify({
    logger: false,
    bodyLimit: bodyBytes,
    serverFactory(handle) {
      made = httpServer(tls, clock, handle)
      return made.server
    },
    routerOptions: { maxParamLength: 100 },
    // A wrong or unknown parameter is reported, never dropped.
    ajv: { customOptions: { removeAdditional: false, allErrors: true } },
  })
  assert(made !== undefined, 'the server is made with its application')
  return { app, connections: made.connections, stopHearing: made.stopHearing }
}

/** The server before it listens: what tests inject requests into. */
export async function buildDashboard(options: DashboardOptions): Promise<{ app: FastifyInstance; stop(): Promise<void> }> {
  const { ports, images, tokens, cloudStatus, version, tls, isReady, random = systemRandom() } = options
  const { clock, store, bus } = ports
  const log = options.log.with({ part: 'dashboard' })
  const { app, connections, stopHearing } = newApp(tls, clock)
  app.removeAllContentTypeParsers()
  demandActions(app)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    if (tls && !isLoopback(hostPort(request.hostname, 1))) reply.headers(secureHeader)
  })
  const authenticator = openAuthenticator(tokens, clock, random, tls !== undefined)
  const admission = admit(app, { authenticator, connections, clock })
  const streams = fairPlaces<StreamPlace>({ ...streamLimits, ownFull: 'refuse', gives: 'newest' })
  const heard = hearing(store)
  const shared = {
    authenticator,
    readings: readings(ports, { cloudStatus, images: () => listImages(images) }, heard),
    clock,
    log,
    version,
  }
  const feed = factFeed({ store, bus, clock, log })
  const assets = await readAssets()
  pageRoutes(app, { ...shared, assets })
  app.register(async (scope) => jsonRoutes(scope, { ...shared, feed, hearing: heard, startedMs: clock.nowMs(), streams }), {
    prefix: '/api',
  })
  // For supervisors of processes: asks for no token, and answers nothing about the installation.
  addRoute(app, 'GET /health', {}, async (_, reply) => {
    const ready = isReady()
    return reply.code(ready ? 200 : 503).send({ ready })
  })
  await app.ready()

  async function stop(): Promise<void> {
    stopHearing()
    admission.stop()
    await feed.stop()
    for (const stream of streams.items()) stream.end()
    const closed = app.close()
    const waiting = new AbortController()
    const ended = closed.then(() => waiting.abort())
    if ((await sleep(clock, stopMs, waiting.signal)) === 'slept') app.server.closeAllConnections()
    await ended
  }
  let stopped: Promise<void> | undefined
  return {
    app,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}
