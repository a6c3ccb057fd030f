/**
 * A connection to NATS: made in the background, and made again for ever when it is lost, with jitter.
 *
 * Decides when to try and what the log says of it; refuses to know what it is used for. Every connection is a new one: what
 * was subscribed to is subscribed to again by `onUp`, and nothing waits for a connection in a queue. A server that hangs is
 * noticed within a quarter of a minute. There is no credential in any line of the log.
 */

import { checkServerIdentity as identityError, type PeerCertificate } from 'node:tls'
import { type ConnectionOptions, connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { PilotageError, shown, type Violation } from '../../../../core/kernel/errors.ts'
import type { Log } from '../../../../core/ports/log.ts'
import { jitter, type Random } from '../../../../core/kernel/random.ts'
import { checkToken } from './subjects.ts'

export type NatsCredentials =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  /** The text of a `.creds` file: a JWT and its seed. */
  | { readonly kind: 'creds'; readonly text: string }

export type NatsOptions = {
  /**
   * `nats://host:port`, `tls://host:port` or `host:port`, without credentials. Name all of a cluster: one that answers will
   * do.
   */
  readonly servers: readonly string[]
  readonly installation: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly credentials?: NatsCredentials
  /** The authority of the servers' certificates, PEM. With it, and with a `tls://` address, no plain connection is made. */
  readonly caPem?: string
}

export type NatsLink = {
  /** The connection that stands at this moment. */
  current(): NatsConnection | undefined
  /** Throws `unavailable` where there is none within that time, or the signal was aborted. */
  connected(withinMs: number, signal?: AbortSignal): Promise<NatsConnection>
  /** What was sent is out, and nothing is tried any more. Never throws, and ends within seconds. */
  close(): Promise<void>
}

const connectMs = 5000
/** Two pings without an answer are the end of a connection. */
const pingEveryMs = 5000
const firstDelayMs = 100
/** With its jitter 3 s at most: latency is back within 5 s of the server. */
const maxDelayMs = 2000
/** A connection that lived for this time was a good one: the next loss begins with the first delay again. */
const steadyMs = 10_000
const drainMs = 2000

/** Returns at once, whether NATS is there or not. Throws `invalid-argument` for options that can never work. */
export function openNatsLink(options: NatsOptions, onUp: (connection: NatsConnection) => void = () => {}): NatsLink {
  const { clock, random, log, servers } = options
  const wanted = connectionOptions(options)
  const closing = new AbortController()
  const arrivals = bell(clock)
  let connection: NatsConnection | undefined
  let awaySinceMs: number | undefined
  let delayMs = firstDelayMs

  function up(made: NatsConnection): void {
    connection = made
    const awayMs = awaySinceMs === undefined ? 0 : Math.round(clock.monotonicMs() - awaySinceMs)
    log.info({ server: made.getServer(), awayMs }, awaySinceMs === undefined ? 'connected to NATS' : 'NATS is back')
    awaySinceMs = undefined
    onUp(made)
    arrivals.ring()
  }

  /** One connection from its beginning to its end: answers why it ended. */
  async function hold(): Promise<string> {
    try {
      const made = await connect(wanted)
      if (closing.signal.aborted) {
        await made.close()
        return 'closed'
      }
      const upMs = clock.monotonicMs()
      up(made)
      const error = await made.closed()
      if (clock.monotonicMs() - upMs >= steadyMs) delayMs = firstDelayMs
      return error instanceof Error ? error.message : 'the connection ended'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    } finally {
      connection = undefined
    }
  }

  async function keep(): Promise<void> {
    while (!closing.signal.aborted) {
      const reason = await hold()
      if (closing.signal.aborted) return
      if (awaySinceMs === undefined) {
        awaySinceMs = clock.monotonicMs()
        log.warn({ servers, reason }, 'NATS is away')
      }
      await sleep(clock, jitter(delayMs, random), closing.signal)
      delayMs = Math.min(delayMs * 2, maxDelayMs)
    }
  }

  const running = keep()
  return {
    current: () => connection,
    async connected(withinMs, signal) {
      if (!connection && !closing.signal.aborted) await arrivals.next(withinMs, signal)
      if (connection) return connection
      throw new PilotageError('unavailable', `NATS cannot be reached at ${servers.join(', ')}`, {
        retryAfterMs: maxDelayMs,
      })
    },
    close() {
      closing.abort()
      arrivals.ring()
      return drained(connection, running, clock)
    },
  }
}

/** Wakes every caller that waits for it. */
function bell(clock: Clock): { next(withinMs: number, signal?: AbortSignal): Promise<void>; ring(): void } {
  const waiting = new Set<() => void>()
  return {
    async next(withinMs, signal) {
      if (signal?.aborted) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const wake = (): void => resolve()
      const timer = clock.after(withinMs, wake)
      signal?.addEventListener('abort', wake, { once: true })
      waiting.add(wake)
      await promise
      waiting.delete(wake)
      signal?.removeEventListener('abort', wake)
      timer.cancel()
    },
    ring() {
      for (const wake of waiting) wake()
    },
  }
}

/** Bounded at every step: a server that hangs answers none of them. A try that is under way ends by its own time-out. */
async function drained(last: NatsConnection | undefined, running: Promise<void>, clock: Clock): Promise<void> {
  const bounded = async (work: Promise<unknown> | undefined): Promise<void> => {
    const leaving = new AbortController()
    await Promise.race([work?.catch(() => undefined), sleep(clock, drainMs, leaving.signal)])
    leaving.abort()
  }
  await bounded(last?.drain())
  await bounded(last?.close())
  await bounded(running)
}

function connectionOptions({ servers, installation, credentials, caPem }: NatsOptions): ConnectionOptions {
  checkToken('nats.installation', installation)
  checkServers(servers)
  const isSecured = caPem !== undefined || servers.some((server) => server.startsWith('tls://'))
  return {
    servers: [...servers],
    name: `pilotage-${installation}`,
    // A connection that is lost is not mended but replaced: a mended one would queue what is sent in between, without bound.
    reconnect: false,
    // What this process says it has heard already.
    noEcho: true,
    noAsyncTraces: true,
    timeout: connectMs,
    pingInterval: pingEveryMs,
    maxPingOut: 2,
    ...(isSecured ? { tls: tlsOptions(servers, caPem) } : {}),
    ...credentialOptions(credentials),
  }
}

/**
 * The driver does not give Node the address of a server that it was given by number: so a certificate is held to what we
 * know.
 */
function tlsOptions(servers: readonly string[], ca: string | undefined) {
  const hosts = servers.map((server) =>
    new URL(`nats://${server.replace(/^\w+:\/\//, '')}`).hostname.replace(/^\[|\]$/g, ''),
  )
  const checkServerIdentity = (_: string, certificate: PeerCertificate): Error | undefined => {
    const [wrong, ...others] = hosts.map((host) => identityError(host, certificate))
    return others.includes(undefined) ? undefined : wrong
  }
  return { ca, checkServerIdentity }
}

function credentialOptions(credentials: NatsCredentials | undefined): ConnectionOptions {
  switch (credentials?.kind) {
    case undefined:
      return {}
    case 'password':
      return { user: credentials.user, pass: credentials.password }
    case 'token':
      return { token: credentials.token }
    case 'creds':
      return { authenticator: credsAuthenticator(Buffer.from(credentials.text)) }
  }
}

function checkServers(servers: readonly string[]): void {
  const accepted = 'nats://host:port, tls://host:port or host:port, without credentials'
  const violations = servers.flatMap((server, at): readonly Violation[] => {
    const path = `nats.servers[${at}]`
    // Addresses are shown in logs and errors: what is secret has a place of its own.
    if (server.includes('@')) return [{ path, value: '(not shown)', rule: 'credentials in an address', accepted }]
    if (/^(?:(?:nats|tls):\/\/)?[^\s/?#]+$/.test(server)) return []
    return [{ path, value: shown(server), rule: 'not an address', accepted }]
  })
  if (servers.length === 0) violations.push({ path: 'nats.servers', value: '', rule: 'empty', accepted })
  if (violations.length > 0) throw new PilotageError('invalid-argument', 'the addresses of NATS', { violations })
}
