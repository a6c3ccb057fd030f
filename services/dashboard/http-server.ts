/**
 * The HTTP server beneath the pages: how long a head, a request and a silence may last, how many connections there are, and
 * with which certificate. Everything that is not a request of its own is ended here, before any of our code looks at it.
 */

import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Clock } from '../../core/kernel/clock.ts'
import type { ServedTls } from '../../core/ports/served-tls.ts'
import { boundConnections, type Connections } from './connections.ts'
import { headerBytes, httpTimes } from './limits.ts'

export type HttpServer = {
  readonly server: Server
  readonly connections: Connections
  /** No new certificate is taken any more. */
  stopHearing(): void
}

export function httpServer(tls: ServedTls | undefined, clock: Clock, handle: RequestListener): HttpServer {
  const times = {
    headersTimeout: httpTimes.headers,
    requestTimeout: httpTimes.request,
    keepAliveTimeout: httpTimes.keepAlive,
    connectionsCheckingInterval: httpTimes.headers / 10,
    maxHeaderSize: headerBytes,
  }
  const guarded: RequestListener = (request, response) => {
    const { socket } = request
    if (!connections.begin(socket)) {
      socket.destroy()
      return
    }
    response.once('close', () => connections.end(socket))
    handle(request, response)
  }
  let server: Server
  let stopHearing = (): void => {}
  if (tls) {
    const secure: TlsServer = createTlsServer({ ...times, ...tls.context(), handshakeTimeout: httpTimes.handshake }, guarded)
    stopHearing = tls.onChange((context) => secure.setSecureContext(context))
    // What takes a server with or without TLS has the type of the latter.
    server = secure as unknown as Server
  } else server = createServer(times, guarded)
  server.timeout = httpTimes.idle
  const connections = boundConnections(server, clock)
  return { server, connections, stopHearing }
}
