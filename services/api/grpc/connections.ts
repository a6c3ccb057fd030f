/**
 * The gRPC port's connections: which are let in, and which are cut. The HTTP/2 server behind gets only those that were let
 * in.
 *
 * Until one of its calls has shown a credential, a connection is a stranger's: few are held per address and in all, the
 * oldest makes room for the newest, and none stays for long. So a stranger cannot take the places of users and VMs. A caller
 * whose calls are refused for what they are (see admission.ts) loses its connections above a rate.
 */

import { lookup } from 'node:dns/promises'
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../../../core/kernel/clock.ts'
import { addressOf } from '../../../core/kernel/caller-address.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { connectionLimits } from '../../../core/kernel/limits.ts'
import type { Log } from '../../../core/ports/log.ts'
import { type Rate, type TokenBuckets, tokenBuckets } from '../../../core/kernel/token-bucket.ts'

export type ConnectionBounds = { readonly inAll: number; readonly perAddress: number }

export type ConnectionsOptions = ConnectionBounds & {
  readonly clock: Clock
  readonly log: Log
  /** New connections per address; absent: the default. */
  readonly accept?: Rate
  /** Takes a connection that was let in. */
  serve(socket: Socket): void
}

export type Connections = {
  /** Listens; answers the port. Throws `unavailable`. */
  listen(host: string, port: number): Promise<number>
  /** A call over this connection has shown the credential of `caller`. False: that caller has too many connections. */
  known(peer: string, caller: string, max: number): boolean
  /** A call over this connection was refused for what it is. */
  refused(peer: string, caller: string | undefined): void
  /** Accepts no new connection; open ones stay. */
  close(): void
  cutAll(): void
  counts(): { readonly open: number; readonly strangers: number }
}

type Connection = { readonly socket: Socket; readonly address: string; caller?: string; late: Timer }

const maxAddresses = 10_000
/** One line per address in this time, however many it is about. */
const sayEveryMs = 60_000

export function openConnections(options: ConnectionsOptions): Connections {
  const { clock, log } = options
  const servers: Server[] = []
  const room: Room = {
    options,
    open: new Map(),
    strangers: new Set(),
    perKey: countsPerKey(),
    accepts: tokenBuckets(options.accept ?? connectionLimits.accept, maxAddresses),
    refusals: tokenBuckets(connectionLimits.refusals, maxAddresses),
    say: sayingRarely(clock, log),
  }
  return {
    async listen(host, port) {
      const addresses = await lookup(host, { all: true }).catch((cause: unknown) => {
        throw new PilotageError('unavailable', `the gRPC host ${host} has no address`, { cause })
      })
      let bound = port
      for (const { address } of addresses) {
        const server = createServer((socket) => letIn(room, socket))
        servers.push(server)
        bound = await listening(server, address, bound)
      }
      return bound
    },
    known: (peer, caller, max) => known(room, peer, caller, max),
    refused: (peer, caller) => refused(room, peer, caller),
    close() {
      for (const server of servers) server.close()
    },
    cutAll() {
      for (const { socket } of room.open.values()) socket.destroy()
    },
    counts: () => ({ open: room.open.size, strangers: room.strangers.size }),
  }
}

type Room = {
  readonly options: ConnectionsOptions
  /** By the peer's address and port. */
  readonly open: Map<string, Connection>
  /** Oldest first. */
  readonly strangers: Set<Connection>
  readonly perKey: ReturnType<typeof countsPerKey>
  readonly accepts: TokenBuckets
  readonly refusals: TokenBuckets
  say(address: string, message: string): void
}

function letIn(room: Room, socket: Socket): void {
  const { options, open, strangers, perKey } = room
  socket.on('error', () => {})
  const address = addressOf(socket.remoteAddress)
  const why = objection(room, address)
  if (why !== undefined || socket.remotePort === undefined) {
    socket.destroy()
    if (why !== undefined) room.say(address, `connections are refused: ${why}`)
    return
  }
  const { strangersInAll, strangersPerAddress } = connectionLimits
  if (perKey.count(`strangers ${address}`) >= strangersPerAddress) cutOldestStranger(room, address)
  if (open.size >= options.inAll || strangers.size >= strangersInAll) cutOldestStranger(room)
  const peer = `${socket.remoteAddress}:${socket.remotePort}`
  const late = options.clock.after(connectionLimits.strangerMs, () => socket.destroy())
  const connection: Connection = { socket, address, late }
  open.set(peer, connection)
  strangers.add(connection)
  perKey.add(`all ${address}`, 1)
  perKey.add(`strangers ${address}`, 1)
  socket.once('close', () => {
    open.delete(peer)
    perKey.add(`all ${address}`, -1)
    if (connection.caller !== undefined) perKey.add(connection.caller, -1)
    noStranger(room, connection)
  })
  options.serve(socket)
}

/** Why an address gets no further connection; undefined: it does. */
function objection({ options, open, strangers, perKey, accepts, refusals }: Room, address: string): string | undefined {
  const nowMs = options.clock.monotonicMs()
  if (accepts.waitMs(address, nowMs) > 0) return 'too many new connections per second'
  // An address whose calls have just been refused too often may come back slowly.
  accepts.spend(address, refusals.waitMs(address, nowMs) > 0 ? connectionLimits.suspectCost : 1, nowMs)
  if (perKey.count(`all ${address}`) >= options.perAddress) return 'too many connections of this address'
  return open.size >= options.inAll && strangers.size === 0 ? 'too many connections' : undefined
}

function noStranger({ strangers, perKey }: Room, connection: Connection): void {
  connection.late.cancel()
  if (strangers.delete(connection)) perKey.add(`strangers ${connection.address}`, -1)
}

/** Who has a credential shows it within its first second: it is never the oldest for long. */
function cutOldestStranger(room: Room, address?: string): void {
  const oldest = [...room.strangers].find((one) => address === undefined || one.address === address)
  if (!oldest) return
  // At once, not with its event: the next to come counts it already.
  noStranger(room, oldest)
  oldest.socket.destroy()
}

function known(room: Room, peer: string, caller: string, max: number): boolean {
  const { open, perKey } = room
  const connection = open.get(peer)
  if (!connection || connection.caller === caller) return true
  if (perKey.count(caller) >= max) return false
  if (connection.caller !== undefined) perKey.add(connection.caller, -1)
  connection.caller = caller
  perKey.add(caller, 1)
  noStranger(room, connection)
  return true
}

function refused({ options, open, refusals, say }: Room, peer: string, caller: string | undefined): void {
  const connection = open.get(peer)
  if (!connection) return
  const nowMs = options.clock.monotonicMs()
  const key = caller ?? connection.address
  const isOften = refusals.waitMs(key, nowMs) > 0
  refusals.spend(key, isOften ? 0 : 1, nowMs)
  if (!isOften) return
  connection.socket.destroy()
  // Also where it is a user's: new connections of the address come in slowly while this goes on.
  if (caller !== undefined) refusals.spend(connection.address, connectionLimits.refusals.perSecond, nowMs)
  say(connection.address, 'connections are cut: too many refused calls')
}

function listening(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new PilotageError('unavailable', `the gRPC port ${host}:${port} cannot be opened`, { cause }))
    })
    server.listen({ host, port }, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound ? bound.port : port)
    })
  })
}

function countsPerKey(): { count(key: string): number; add(key: string, by: 1 | -1): void } {
  const counts = new Map<string, number>()
  const count = (key: string): number => counts.get(key) ?? 0
  return {
    count,
    add(key, by) {
      const next = count(key) + by
      if (next > 0) counts.set(key, next)
      else counts.delete(key)
    },
  }
}

/** A line per address and minute at most: a flood must not fill the log. */
export function sayingRarely(clock: Clock, log: Log): (address: string, message: string) => void {
  const said = tokenBuckets({ perSecond: 1000 / sayEveryMs, burst: 1 }, maxAddresses)
  const inAll = tokenBuckets({ perSecond: 1, burst: 20 }, 1)
  return (address, message) => {
    const nowMs = clock.monotonicMs()
    if (said.waitMs(address, nowMs) > 0 || inAll.waitMs('', nowMs) > 0) return
    said.spend(address, 1, nowMs)
    inAll.spend('', 1, nowMs)
    log.warn({ address }, message)
  }
}
