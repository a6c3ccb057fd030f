/**
 * A real nats-server with JetStream for a test: a process on loopback with a directory of its own, or a running server that
 * another program keeps. Of the latter only subjects and streams with a fresh prefix are used, and the streams removed.
 *
 * A server that was killed comes back on its port with its streams. After `stop` no process and no file of it is left, or
 * `stop` throws.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, errors } from '@nats-io/transport-node'
import type { Clock } from '../../core/kernel/clock.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { isRunning } from '../support/processes.ts'
import type { Place } from './peer.ts'
import { quietPorts } from './quiet-ports.ts'
import { type ServerProcess, serverProcess } from './server-process.ts'

export type NatsServer = {
  readonly url: string
  /** 0 where another program keeps the server. */
  readonly pid: number
  /** A beginning for names of streams and subjects that are not used yet: letters and digits. */
  newPrefix(): string
  /** SIGKILL. Not for a server that is not ours; likewise `start`. */
  kill(): Promise<void>
  /** SIGTERM, by which the server says goodbye to its clients. Its streams stay. */
  quit(): Promise<void>
  /** Again, on the same port and the same streams. */
  start(): Promise<void>
  /** For good. */
  stop(): Promise<void>
}

export type NatsOrder = {
  readonly clock: Clock
  readonly place: Place
  /** Where its directory is made. */
  readonly dir: string
  /** Beside our own; a running server that is not ours has its own and no others. */
  readonly arguments?: readonly string[]
}

const maxStarts = 3

export async function openNats({ clock, place, dir, arguments: more = [] }: NatsOrder): Promise<NatsServer> {
  if (place.kind === 'url') return foreign(place.url)
  for (let starts = 1; ; starts += 1) {
    const home = mkdtempSync(join(dir, 'nats-'))
    const [port = 0] = await quietPorts(1)
    const url = `nats://127.0.0.1:${port}`
    const server = serverProcess({
      clock,
      program: place.program,
      arguments: ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(home, 'store'), ...more],
      dir: home,
      port,
      answers: () => answers(url),
    })
    try {
      await server.start()
      return own(home, url, server)
    } catch (error) {
      // Another process may have taken the port since we looked.
      await remove(home, server)
      if (starts === maxStarts) throw error
    }
  }
}

function own(home: string, url: string, server: ServerProcess): NatsServer {
  return {
    url,
    get pid() {
      return server.pid
    },
    newPrefix,
    kill: () => server.kill(),
    quit: () => server.stop(),
    start: () => server.start(),
    stop: () => remove(home, server),
  }
}

async function remove(home: string, server: ServerProcess): Promise<void> {
  await server.kill()
  rmSync(home, { recursive: true, force: true })
  if (server.pid > 0 && isRunning(server.pid)) throw new Error(`nats-server is left running: ${server.pid}`)
}

function foreign(url: string): NatsServer {
  const prefixes: string[] = []
  const notOurs = async (): Promise<never> => {
    throw new Error('a NATS server that others keep is not stopped by tests')
  }
  return {
    url,
    pid: 0,
    newPrefix() {
      const prefix = newPrefix()
      prefixes.push(prefix)
      return prefix
    },
    kill: notOurs,
    quit: notOurs,
    start: notOurs,
    async stop() {
      const connection = await connect({ servers: url, timeout: 5000 })
      try {
        const manager = await jetstreamManager(connection)
        for await (const { config } of manager.streams.list()) {
          if (prefixes.some((prefix) => config.name.startsWith(prefix))) await manager.streams.delete(config.name)
        }
      } finally {
        await connection.close()
      }
    },
  }
}

function newPrefix(): string {
  return `pilotagetest${systemRandom().letters(12)}`
}

/**
 * Whether it serves, JetStream included. One that wants a password from us serves: how JetStream is, it answers to others.
 */
async function answers(url: string): Promise<boolean> {
  const connecting = connect({ servers: url, timeout: 2000, reconnect: false })
  const connection = await connecting.catch((error: unknown) => {
    if (error instanceof errors.AuthorizationError) return undefined
    throw error
  })
  if (!connection) return true
  try {
    await (await jetstreamManager(connection)).getAccountInfo()
    return true
  } finally {
    await connection.close()
  }
}
