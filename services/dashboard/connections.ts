/**
 * The dashboard's connections: bounded per address and in all, and the newcomer comes in where another one may go.
 *
 * A connection on which a viewer was recognised is worth more than a stranger's, and one that waits for an answer more than
 * an idle one. A stranger that opens all connections of an address loses the oldest of them, and signed-in viewers keep
 * theirs. Knows sockets and nothing of requests but that they begin and end.
 */

import type { Server, Socket } from 'node:net'
import { addressOf } from '../../core/kernel/caller-address.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { type Rate, tokenBuckets } from '../../core/kernel/token-bucket.ts'
import { connectionLimits } from './limits.ts'

export type Connections = {
  /** A viewer was recognised on it. */
  known(socket: Socket): void
  /** A request begins. False: too many are under way on this connection, which is then ended. */
  begin(socket: Socket): boolean
  end(socket: Socket): void
  count(): number
}

/** `peer`: a socket that has ended no longer says it. */
type Connection = { readonly socket: Socket; readonly peer: string; isKnown: boolean; underWay: number }
type Limits = {
  readonly perAddress: number
  readonly all: number
  readonly atOnce: number
  /** New connections per address. */
  readonly accept: Rate & { readonly maxKeys: number }
}

/** Must be called before the server listens. With TLS, too: a connection is known by its two ends, not by its object. */
export function boundConnections(server: Server, clock: Clock, limits: Limits = connectionLimits): Connections {
  /** By the peer's address and port. */
  const open = new Map<string, Connection>()
  /** Oldest first. */
  const addresses = new Map<string, Set<Connection>>()
  const accepts = acceptRate(clock, limits.accept)

  /** Ends one that is worth less than a newcomer. False: there is none. */
  function makeRoom(address: string): boolean {
    const all = [...(addresses.get(address) ?? [])]
    const victim =
      all.find(({ isKnown, underWay }) => !isKnown && underWay === 0) ??
      all.find(({ isKnown }) => !isKnown) ??
      all.find(({ underWay }) => underWay === 0)
    if (!victim) return false
    forget(victim, address)
    victim.socket.destroy()
    return true
  }

  function forget(connection: Connection, address: string): void {
    if (open.get(connection.peer) === connection) open.delete(connection.peer)
    const others = addresses.get(address)
    others?.delete(connection)
    if (others?.size === 0) addresses.delete(address)
  }

  function largestAddress(): string {
    let [largest, most] = ['', 0]
    for (const [address, { size }] of addresses) if (size > most) [largest, most] = [address, size]
    return largest
  }

  server.prependListener('connection', (socket: Socket) => {
    const address = addressOf(socket.remoteAddress)
    const own = addresses.get(address)?.size ?? 0
    const isFull = own >= limits.perAddress ? address : open.size >= limits.all ? largestAddress() : undefined
    if (!accepts(address) || (isFull !== undefined && !makeRoom(isFull))) {
      socket.destroy()
      return
    }
    const connection: Connection = { socket, peer: peerOf(socket), isKnown: false, underWay: 0 }
    open.set(connection.peer, connection)
    addresses.set(address, (addresses.get(address) ?? new Set()).add(connection))
    socket.once('close', () => forget(connection, address))
  })

  return {
    known(socket) {
      const connection = open.get(peerOf(socket))
      if (connection) connection.isKnown = true
    },
    begin(socket) {
      const connection = open.get(peerOf(socket))
      // It was ended while its request was read.
      if (!connection || connection.underWay >= limits.atOnce) return false
      connection.underWay += 1
      return true
    },
    end(socket) {
      const connection = open.get(peerOf(socket))
      if (connection && connection.underWay > 0) connection.underWay -= 1
    },
    count: () => open.size,
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Counts a new connection of an address. False: the address has too many per second. */
function acceptRate(clock: Clock, { maxKeys, ...rate }: Limits['accept']): (address: string) => boolean {
  const accepted = tokenBuckets(rate, maxKeys)
  return (address) => {
    const nowMs = clock.monotonicMs()
    if (accepted.waitMs(address, nowMs) > 0) return false
    accepted.spend(address, 1, nowMs)
    return true
  }
}
