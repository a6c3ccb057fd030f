/**
 * A small OpenStack that does what the test asks, over HTTP: for what a real one cannot be made to do. Keeps servers, ports
 * and addresses as plain data, and a log of what it was asked; a script may answer any request otherwise, once.
 */

import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Asked = { readonly method: string; readonly path: string; readonly body: Json; readonly token: string }
export type Answer = { readonly status: number; readonly body?: Json | string; readonly headers?: Record<string, string> }
type Json = { [key: string]: unknown }

/** `lost`: it is done, and the connection closed without an answer. `silent`: nothing is done and nothing said. */
export type Twist = Answer | 'lost' | 'silent'

export type ScriptedOpenStack = {
  readonly authUrl: string
  readonly asked: Asked[]
  readonly servers: Json[]
  readonly ports: Json[]
  readonly floatingips: Json[]
  readonly flavors: Json[]
  readonly images: Json[]
  limits: Json
  version: Json
  /** Tokens that are good now; a new one is `token-N`. */
  readonly tokens: Set<string>
  tokenLifeMs: number
  /** Those that catalogues have from now on. */
  services: readonly string[]
  /** The next request that `which` is true of. */
  twist(which: (asked: Asked) => boolean, how: Twist): void
  count(method: string, path: RegExp): number
  close(): Promise<void>
}

export async function scriptedOpenStack(): Promise<ScriptedOpenStack> {
  const twists: { which: (asked: Asked) => boolean; how: Twist }[] = []
  const http: HttpServer = createServer((request, response) => void serve(request, response))
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done))
  const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const cloud: ScriptedOpenStack = {
    authUrl: `${base}/identity/v3`,
    asked: [],
    servers: [],
    ports: [],
    floatingips: [],
    flavors: [{ id: 'f-1', name: 'one', vcpus: 1, ram: 2048, disk: 10, extra_specs: { hw: 'ssd' } }],
    images: [{ id: 'i-1', name: 'el9', status: 'active' }],
    limits: { maxTotalInstances: 10, totalInstancesUsed: 0, maxTotalCores: -1, totalCoresUsed: 0, maxTotalRAMSize: 20480 },
    version: { version: '2.93', min_version: '2.1' },
    tokens: new Set(),
    tokenLifeMs: 3600_000,
    services: ['compute', 'image', 'network'],
    twist: (which, how) => void twists.push({ which, how }),
    count: (method, path) => cloud.asked.filter((one) => one.method === method && path.test(one.path)).length,
    close: () => new Promise((done) => http.close(() => done()).closeAllConnections()),
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = await readAsked(request)
    cloud.asked.push(asked)
    const at = twists.findIndex(({ which }) => which(asked))
    const how = at < 0 ? undefined : twists.splice(at, 1)[0]?.how
    if (how === 'silent') return
    const answer = how === undefined || how === 'lost' ? usual(cloud, base, asked) : how
    if (how === 'lost') {
      request.socket.destroy()
      return
    }
    const { status, body = '', headers = {} } = answer
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
  return cloud
}

async function readAsked(request: IncomingMessage): Promise<Asked> {
  let text = ''
  for await (const piece of request) text += String(piece)
  const token = String(request.headers['x-auth-token'] ?? '')
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    body: text === '' ? {} : (JSON.parse(text) as Json),
    token,
  }
}

function usual(cloud: ScriptedOpenStack, base: string, asked: Asked): Answer {
  const url = new URL(asked.path, base)
  if (url.pathname === '/identity/v3/auth/tokens') return login(cloud, base)
  if (!cloud.tokens.has(asked.token)) return { status: 401, body: { error: { message: 'The token is not good.' } } }
  const [, service = '', ...rest] = url.pathname.split('/')
  const path = `/${rest.slice(1).join('/')}`
  if (service === 'compute') return compute(cloud, asked, path, url.searchParams)
  if (service === 'image') return images(cloud, path, url.searchParams)
  return network(cloud, asked, path, url.searchParams)
}

function login(cloud: ScriptedOpenStack, base: string): Answer {
  const id = `token-${cloud.tokens.size + 1}-${'x'.repeat(20)}`
  cloud.tokens.add(id)
  const endpoint = (type: string, path: string): Json => ({
    type,
    endpoints: [
      { interface: 'public', region_id: 'one', url: `${base}${path}` },
      { interface: 'internal', region_id: 'one', url: 'http://127.0.0.1:1' },
      { interface: 'public', region_id: 'two', url: 'http://127.0.0.1:1' },
    ],
  })
  const all = [endpoint('compute', '/compute/v2.1/p-1'), endpoint('image', '/image'), endpoint('network', '/network/')]
  const catalog = all.filter(({ type }) => cloud.services.includes(String(type)))
  const issuedMs = Date.UTC(2020, 1, 1)
  const token = {
    issued_at: new Date(issuedMs).toISOString(),
    expires_at: new Date(issuedMs + cloud.tokenLifeMs).toISOString(),
    project: { id: 'p-1' },
    catalog,
  }
  return { status: 201, body: { token }, headers: { 'x-subject-token': id } }
}

const absent: Answer = { status: 404, body: { itemNotFound: { code: 404, message: 'could not be found' } } }

function compute(cloud: ScriptedOpenStack, { method, body }: Asked, path: string, query: URLSearchParams): Answer {
  const [, kind, id] = path.split('/')
  if (path === '/') return { status: 200, body: { version: cloud.version } }
  if (path === '/limits') return { status: 200, body: { limits: { absolute: cloud.limits } } }
  if (path === '/flavors/detail') return { status: 200, body: { flavors: cloud.flavors } }
  if (kind === 'servers' && method === 'POST' && id === undefined) {
    const server = {
      id: newId(cloud.servers.length),
      status: 'BUILD',
      created: '2026-01-01T00:00:00Z',
      ...(body.server as Json),
    }
    cloud.servers.push(server)
    return { status: 202, body: { server: { id: server.id } } }
  }
  if (path === '/servers' || path === '/servers/detail') return { status: 200, body: page(cloud.servers, query) }
  const at = cloud.servers.findIndex((one) => one.id === id)
  const server = cloud.servers[at]
  if (!server) return absent
  if (method === 'DELETE') cloud.servers.splice(at, 1)
  return method === 'GET' ? { status: 200, body: { server } } : { status: 204 }
}

/** As a real one: by all tags, from behind the marker, with a link to the next page as long as a page is full. */
function page(servers: readonly Json[], query: URLSearchParams): Json {
  const tags = query.get('tags')?.split(',') ?? []
  const fitting = servers.filter((one) => tags.every((tag) => (one.tags as string[] | undefined)?.includes(tag)))
  const from = fitting.findIndex(({ id }) => id === query.get('marker')) + 1
  const limit = Number(query.get('limit') ?? 1000)
  const some = fitting.slice(from, from + limit)
  const links = some.length === limit ? { servers_links: [{ rel: 'next', href: 'http://elsewhere.invalid/' }] } : {}
  return { servers: some, ...links }
}

function images(cloud: ScriptedOpenStack, path: string, query: URLSearchParams): Answer {
  const id = path.split('/')[2]
  if (id !== undefined) {
    const image = cloud.images.find((one) => one.id === id)
    return image
      ? { status: 200, body: image }
      : { status: 404, body: '<html><head><title>404</title></head>No image</html>' }
  }
  const filters = [...query].filter(([key]) => key !== 'limit')
  const fitting = cloud.images.filter((one) => filters.every(([key, value]) => one[key] === value))
  return { status: 200, body: { images: fitting } }
}

function network(cloud: ScriptedOpenStack, { method, body }: Asked, path: string, query: URLSearchParams): Answer {
  const [, kind = '', id] = path.split('/')
  if (kind === 'networks')
    return { status: 200, body: { networks: [{ id: `n-${query.get('name')}`, name: query.get('name') }] } }
  if (kind !== 'ports' && kind !== 'floatingips') return { status: 404, body: '' }
  const list = cloud[kind]
  const date = { date: new Date(Date.UTC(2026, 0, 1, 12)).toUTCString() }
  if (method === 'POST') {
    const one = body[kind.slice(0, -1)] as Json
    const made = { id: newId(list.length), created_at: '2026-01-01T11:59:30Z', device_id: '', project_id: 'p-1', ...one }
    list.push(made)
    return { status: 201, body: { [kind.slice(0, -1)]: made } }
  }
  if (method === 'DELETE') list.splice(list.findIndex((one) => one.id === id) >>> 0, 1)
  if (method !== 'GET') return { status: 204 }
  const filters = [...query].filter(([key]) => key !== 'fields')
  const fitting = list.filter((one) => filters.every(([key, value]) => one[key] === value))
  return { status: 200, body: { [kind]: fitting }, headers: date }
}

/** With the form of an id. */
function newId(count: number): string {
  return `00000000-0000-4000-8000-${String(count + 1).padStart(12, '0')}`
}
