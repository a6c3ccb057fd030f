/**
 * Where machines get the agents' programs: `GET /agents/SHA256`, over plain HTTP, so that a site's proxies may keep them.
 *
 * Nothing here is secret and nobody is believed: a machine checks the digest that its context names. Only files that were
 * named at the start are served, each under its own digest for ever.
 */

import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import { PilotageError } from '../core/errors.ts'

export type ServedFile = { readonly path: string; readonly sha256: string }

export type BundleServer = { readonly port: number; stop(): Promise<void> }

const connectionsMost = 500

/** `port` 0: any that is free. Throws `unavailable` where it cannot be had. */
export async function startBundleServer(host: string, port: number, files: readonly ServedFile[]): Promise<BundleServer> {
  const paths = new Map(files.map(({ path, sha256 }) => [sha256, path]))
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 })
  server.maxConnections = connectionsMost
  server.on('request', (request, response) => answer(paths, request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  }).catch((cause: unknown) => {
    throw new PilotageError('unavailable', `the agents' port ${host}:${port} cannot be had`, { cause })
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function answer(paths: ReadonlyMap<string, string>, { method, url = '' }: IncomingMessage, response: ServerResponse): void {
  const path = paths.get(/^\/agents\/([0-9a-f]{64})$/.exec(url)?.[1] ?? '')
  const size = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size
  if ((method !== 'GET' && method !== 'HEAD') || path === undefined || size === undefined) {
    response.writeHead(404, { 'content-length': 0 }).end()
    return
  }
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    // What a digest names never changes.
    'cache-control': 'public, max-age=31536000, immutable',
  })
  if (method === 'HEAD') response.end()
  // Who hangs up in the middle asks again.
  else pipeline(createReadStream(path), response, () => undefined)
}

export async function servedFile(path: string): Promise<ServedFile> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return { path, sha256: hash.digest('hex') }
}
