/**
 * Before a request is looked at: a form of another site is refused, a stranger waits for the turn of its address, and a
 * viewer who asks too much for its own. So one address and one viewer take their own share, and no other's.
 */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { addressOf } from '../../core/kernel/caller-address.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Connections } from './connections.ts'
import type { Authenticator } from './authenticator.ts'
import { strangerLimits } from './limits.ts'
import { assertSameOrigin } from './same-origin.ts'
import { openTurns } from './turns.ts'
import { viewerKey } from './viewer.ts'
import { viewerLoad } from './viewer-load.ts'

export type AdmissionOptions = {
  readonly authenticator: Authenticator
  readonly connections: Connections
  readonly clock: Clock
}

/** Answers how to end what waits. */
export function admit(app: FastifyInstance, { authenticator, connections, clock }: AdmissionOptions): { stop(): void } {
  const turns = openTurns(clock, strangerLimits)
  const load = viewerLoad(clock)
  app.addHook('onRequest', async (request, reply) => {
    assertSameOrigin(request.method, request.headers)
    // Asked by what looks after processes, also while strangers crowd in: it costs nothing.
    if (pathOf(request) === '/health') return
    const viewer = await authenticator.recognised(request)
    const { socket } = request.raw
    if (!viewer) return turns.turn(addressOf(request.ip), () => socket.destroyed)
    connections.known(socket)
    const key = viewerKey(viewer)
    await load.turn(key, () => socket.destroyed)
    // An event stream is counted as one, and for as long as it is open.
    if (pathOf(request) === '/api/events') return
    const end = load.begin(key)
    reply.raw.once('finish', end)
    reply.raw.once('close', end)
  })
  return {
    stop() {
      turns.stop()
      load.stop()
    },
  }
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? ''
}
