/**
 * Plain requests to a real OpenStack, past every driver of ours: what is really there, and what only its administrator may
 * see or set. One login for each; tokens live longer than tests.
 */

import type { OpenStackFacts } from './openstack-peer.ts'

const services = { compute: 'nova', network: 'neutron', image: 'glance' } as const

export type RawAnswer = { readonly status: number; readonly body: Record<string, unknown> }
export type Raw = (
  service: keyof typeof services,
  method: string,
  path: string,
  body?: object,
  headers?: Readonly<Record<string, string>>,
) => Promise<RawAnswer>

type Token = {
  readonly id: string
  readonly catalog: readonly { name: string; endpoints: readonly { interface: string; url: string }[] }[]
}

const json = { 'content-type': 'application/json' }

/** As the user in the project `peer`. */
export function openRaw({ authUrl, user, projects }: OpenStackFacts): Raw {
  return session(authUrl, user, { id: projects.peer.id })
}

export function openRawAdmin({ authUrl, admin }: OpenStackFacts): Raw {
  return session(authUrl, { ...admin, domain: 'Default' }, { name: admin.project, domain: { name: 'Default' } })
}

type Login = { readonly name: string; readonly domain: string; readonly password: string }

function session(authUrl: string, { name, domain, password }: Login, project: object): Raw {
  let token: Promise<Token> | undefined
  const login = async (): Promise<Token> => {
    const who = { name, domain: { name: domain }, password }
    const auth = { identity: { methods: ['password'], password: { user: who } }, scope: { project } }
    const answer = await fetch(`${authUrl}/auth/tokens`, { method: 'POST', headers: json, body: JSON.stringify({ auth }) })
    const { token: given } = (await answer.json()) as { token: Token }
    return { ...given, id: answer.headers.get('x-subject-token') ?? '' }
  }
  return async (service, method, path, body, more) => {
    token ??= login()
    const { id, catalog } = await token
    const endpoints = catalog.find((one) => one.name === services[service])?.endpoints ?? []
    const base = endpoints.find((one) => one.interface === 'public')?.url
    if (base === undefined) throw new Error(`the catalogue has no ${services[service]}`)
    const version = service === 'network' ? '/v2.0' : ''
    const headers = { ...json, ...more, 'x-auth-token': id }
    const answer = await fetch(`${base}${version}${path}`, { method, headers, body: bodyOf(body) })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json') ?? false
    return { status: answer.status, body: isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {} }
  }
}

export async function ourServers(raw: Raw, installation: string): Promise<readonly string[]> {
  const { body } = await raw('compute', 'GET', '/servers/detail')
  const servers = body.servers as readonly { id: string; metadata: Record<string, string> }[]
  return servers.filter(({ metadata }) => metadata['pilotage-installation'] === installation).map(({ id }) => id)
}

/** Bytes as they are. */
function bodyOf(body: object | undefined): string | Uint8Array<ArrayBuffer> | undefined {
  return body instanceof Uint8Array ? new Uint8Array(body) : body && JSON.stringify(body)
}

/** Servers, ports and addresses that bear the installation's mark, by whatever it may be seen. */
export async function leftOf(raw: Raw, installation: string): Promise<readonly string[]> {
  const servers = await ourServers(raw, installation)
  const found = await Promise.all(
    ['ports', 'floatingips'].map(async (kind) => {
      const { body } = await raw('network', 'GET', `/${kind}`)
      const all = body[kind] as readonly { id: string; description?: string }[]
      return all.filter(({ description = '' }) => description.includes(` ${installation} `)).map(({ id }) => `${kind} ${id}`)
    }),
  )
  return [...servers, ...found.flat()]
}
