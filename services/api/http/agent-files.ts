/**
 * Where machines get the agents' programs: `GET /agents/SHA256`, over plain HTTP, so that a site's proxies may cache them;
 * and the list of those proxies: `GET /sites/NAME/proxies`, one per line, never cached.
 *
 * Nothing here is secret, and machines trust no answer: they check the digest that their context names, and each line of a
 * list. Only files that were named at the start are served, each under its own digest for ever. A machine trusts what its
 * context names, so a Node is served only under a digest of node-programs.json or of the configuration.
 */

import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import type { NodePlatform } from '../../../core/model/agent-config.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { demandPublic } from './public-actions.ts'

export type ServedFile = { readonly path: string; readonly sha256: string }

export type BundleServer = { readonly port: number; stop(): Promise<void> }

const maxConnections = 500

export type Served = {
  readonly files: readonly ServedFile[]
  /** A site's proxies as they are now, as http://host:port; undefined: there is no such site. */
  readonly proxiesOf: (site: string) => Promise<readonly string[] | undefined>
}

/** `port` 0: any that is free. Throws `unavailable` where it cannot be had. */
export async function startBundleServer(host: string, port: number, { files, proxiesOf }: Served): Promise<BundleServer> {
  demandPublic('GET /agents/:digest', 'GET /sites/:name/proxies')
  const paths = new Map(files.map(({ path, sha256 }) => [sha256, path]))
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 })
  server.maxConnections = maxConnections
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const site = siteIn(request.url ?? '')
    if (site === undefined) answer(paths, request, response)
    else answerProxies(() => proxiesOf(site), request, response)
  })
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

function siteIn(url: string): string | undefined {
  const encoded = /^\/sites\/([^/?#]{1,1000})\/proxies$/.exec(url)?.[1]
  try {
    return encoded && decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function answerProxies(
  read: () => ReturnType<Served['proxiesOf']>,
  { method }: IncomingMessage,
  response: ServerResponse,
): void {
  if (method !== 'GET' && method !== 'HEAD') {
    refuse(response, 404)
    return
  }
  read().then(
    (proxies) => (proxies === undefined ? refuse(response, 404) : show(proxies, method, response)),
    // Who asks keeps what it has: an empty list would be an answer.
    () => refuse(response, 503),
  )
}

function show(proxies: readonly string[], method: string, response: ServerResponse): void {
  const text = proxies.map((proxy) => `${proxy}\n`).join('')
  // A cached list would be out of date.
  const headers = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' }
  response.writeHead(200, headers).end(method === 'HEAD' ? undefined : text)
}

function refuse(response: ServerResponse, status: 404 | 503): void {
  response.writeHead(status, { 'content-length': 0 }).end()
}

function answer(paths: ReadonlyMap<string, string>, { method, url = '' }: IncomingMessage, response: ServerResponse): void {
  const path = paths.get(/^\/agents\/([0-9a-f]{64})$/.exec(url)?.[1] ?? '')
  const size = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.size
  if ((method !== 'GET' && method !== 'HEAD') || path === undefined || size === undefined) {
    refuse(response, 404)
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

export type WantedNode = { readonly platform: NodePlatform; readonly file: string; readonly sha256?: string | undefined }

export type ServedNode = ServedFile & { readonly platform: NodePlatform }

/** The machine number in the program file: bytes 18 and 19 of an ELF file, low byte first. */
const elfMachines: Readonly<Record<NodePlatform, number>> = { 'linux-x64': 0x3e, 'linux-arm64': 0xb7 }

const published = JSON.parse(readFileSync(join(import.meta.dirname, 'node-programs.json'), 'utf8')) as {
  readonly version: string
  readonly sha256: Readonly<Record<NodePlatform, string>>
}

/**
 * `own`: the one that runs this process, which fits machines like this. Throws `invalid-argument` with each that may not be
 * served.
 */
export async function servedNodes(wanted: 'own' | readonly WantedNode[]): Promise<readonly ServedNode[]> {
  const key = 'context.agents.node'
  const platform = process.arch === 'arm64' ? 'linux-arm64' : 'linux-x64'
  const own: WantedNode = { platform, file: process.execPath }
  const violations = gatherViolations()
  const served: ServedNode[] = []
  for (const [at, { platform, file, sha256 }] of (wanted === 'own' ? [own] : wanted).entries()) {
    const path = wanted === 'own' ? key : `${key}[${at}]`
    const why = whyNot(platform, file)
    if (why !== undefined) {
      violations.add(wanted === 'own' ? path : `${path}.file`, file, why, `a program for ${platform}`)
      continue
    }
    const program = await servedFile(file)
    if (program.sha256 === (sha256 ?? published.sha256[platform])) served.push({ platform, ...program })
    else if (sha256 !== undefined) violations.add(`${path}.sha256`, sha256, 'not the digest of the file', program.sha256)
    else
      violations.add(
        path,
        `${file} with the SHA-256 ${program.sha256}`,
        `not Node ${published.version} as published`,
        remedy(platform),
      )
  }
  violations.settle('reading the Node that machines may fetch')
  return served
}

function remedy(platform: NodePlatform): string {
  return `the Node that npm ci installs (SHA-256 ${published.sha256[platform]}), false, or a list with file and sha256`
}

function whyNot(platform: NodePlatform, file: string): string | undefined {
  const head = Buffer.alloc(20)
  try {
    const handle = openSync(file, 'r')
    readSync(handle, head, 0, head.length, 0)
    closeSync(handle)
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`
  }
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return 'no program of Linux'
  return head.readUInt16LE(18) === elfMachines[platform] ? undefined : 'for other machines'
}

export async function servedFile(path: string): Promise<ServedFile> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return { path, sha256: hash.digest('hex') }
}
