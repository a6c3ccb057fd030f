/**
 * A port of its own that says whether this process can work, for supervisors of processes: `GET /health` answers 200 or 503.
 *
 * For processes that have no other port to ask. Node's own server and not the dashboard's: it has one answer, and a director
 * has no use for pages. Its answer holds nothing of the installation, so it asks for no token.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { demandPublic } from './public-actions.ts'

export type Health = { readonly port: number; stop(): Promise<void> }

/** `port` 0: any that is free. Throws `unavailable` where it cannot be had. */
export async function startHealth(host: string, port: number, isReady: () => boolean): Promise<Health> {
  demandPublic('GET /health')
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000, connectionsCheckingInterval: 1000 })
  server.maxConnections = 100
  server.on('request', (request, response) => {
    const isAsked = (request.method === 'GET' || request.method === 'HEAD') && request.url?.split('?')[0] === '/health'
    const status = !isAsked ? 404 : isReady() ? 200 : 503
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' })
    response.end(JSON.stringify({ ready: status === 200 }))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  }).catch((cause: unknown) => {
    throw new PilotageError('unavailable', `the health port ${host}:${port} cannot be had`, { cause })
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
