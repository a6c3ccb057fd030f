/**
 * Keystone v3: what a login is as a request, and what its answer says: the token, how long it is good, and where the
 * services are. Pure; sends nothing.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { HttpRequest } from '../kit/http.ts'
import { oddAnswer } from './errors.ts'
import type { Access, Login, Project } from './options.ts'

export type Service = 'compute' | 'image' | 'network'

export type Token = {
  readonly id: string
  readonly lifeMs: number
  /** Empty where the token has no project. */
  readonly projectId: string
  readonly catalogue: readonly CatalogueService[]
}

type Endpoint = { readonly interface?: string; readonly region?: string; readonly region_id?: string; readonly url?: string }
type CatalogueService = { readonly type?: string; readonly endpoints?: readonly Endpoint[] }

export function loginRequest({ authUrl, login }: Access): HttpRequest {
  const root = authUrl.replace(/\/+$/, '')
  const url = `${/\/v3$/.test(root) ? root : `${root}/v3`}/auth/tokens`
  if (login.method === 'token' && !login.project) {
    // It has its project already: only what it opens is asked for.
    const headers = { accept: 'application/json', 'x-auth-token': login.token, 'x-subject-token': login.token }
    return { method: 'GET', url, headers }
  }
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  return { method: 'POST', url, headers, body: JSON.stringify({ auth: authOf(login) }) }
}

function authOf(login: Login): object {
  switch (login.method) {
    case 'password': {
      const { user, userDomain, password, project } = login
      const identity = { methods: ['password'], password: { user: { name: user, domain: { name: userDomain }, password } } }
      return { identity, scope: scopeOf(project) }
    }
    case 'application-credential': {
      const { credential, secret, user, userDomain } = login
      const who =
        user === undefined ? { id: credential } : { name: credential, user: { name: user, domain: { name: userDomain } } }
      return { identity: { methods: ['application_credential'], application_credential: { ...who, secret } } }
    }
    case 'token': {
      const { token, project } = login
      return { identity: { methods: ['token'], token: { id: token } }, scope: project && scopeOf(project) }
    }
  }
}

export function secretOf(login: Login): string {
  switch (login.method) {
    case 'password':
      return login.password
    case 'application-credential':
      return login.secret
    case 'token':
      return login.token
  }
}

function scopeOf(project: Project): object {
  if (project.by === 'id') return { project: { id: project.id } }
  return { project: { name: project.name, domain: { name: project.domain } } }
}

/** How long it lives is taken from its own two times: the cloud's clock need not be ours. */
export function readToken(id: string | null, text: string, doing: string): Token {
  let token: { expires_at?: string; issued_at?: string; project?: { id?: string }; catalog?: readonly CatalogueService[] }
  try {
    token = (JSON.parse(text) as { token: typeof token }).token
  } catch {
    throw oddAnswer(doing, 'Keystone answered with something else than a token')
  }
  const lifeMs = Date.parse(token?.expires_at ?? '') - Date.parse(token?.issued_at ?? '')
  if (!id || !Number.isFinite(lifeMs)) throw oddAnswer(doing, 'Keystone answered with something else than a token')
  return { id, lifeMs, projectId: token.project?.id ?? '', catalogue: token.catalog ?? [] }
}

const types: Readonly<Record<Service, readonly string[]>> = {
  compute: ['compute'],
  image: ['image'],
  network: ['network'],
}

/** Where a service is, up to and with its version, without a slash at the end. */
export function endpointOf(token: Token, service: Service, access: Access): string {
  const all = endpointsOf(token, service)
  const urls = urlsOf(token, service, access)
  const [url] = urls
  if (url !== undefined && urls.length === 1) return versioned(url.replace(/\/+$/, ''), service)
  const has = all.map((one) => `${one.interface} in ${regionOf(one)}`).join(', ') || 'nothing'
  const wanted = `${access.interface} in ${access.region ?? 'the only region'}`
  // Nothing works without the service: the error is for the whole cloud, like that of a wrong credential.
  throw new PilotageError(
    'cloud-auth',
    `the catalogue has ${urls.length} endpoints for ${service}, ${wanted}; it has: ${has}`,
  )
}

/** Whether `endpointOf` finds one, and only one. */
export function hasEndpoint(token: Token, service: Service, access: Access): boolean {
  return urlsOf(token, service, access).length === 1
}

function endpointsOf({ catalogue }: Token, service: Service): readonly Endpoint[] {
  return catalogue.filter(({ type = '' }) => types[service].includes(type)).flatMap(({ endpoints = [] }) => endpoints)
}

function urlsOf(token: Token, service: Service, access: Access): readonly string[] {
  const fitting = endpointsOf(token, service).filter((one) => one.interface === access.interface && isIn(one, access.region))
  return [...new Set(fitting.map(({ url = '' }) => url).filter((url) => /^https?:/.test(url)))]
}

function isIn(one: Endpoint, region: string | undefined): boolean {
  return region === undefined || regionOf(one) === region
}

function regionOf({ region_id, region }: Endpoint): string {
  return region_id ?? region ?? 'no region'
}

/** Catalogues name the services with a version or without, Nova also with the project behind it. */
function versioned(url: string, service: Service): string {
  switch (service) {
    case 'compute':
      return /^(.*\/v2(?:\.\d+)?)(?:\/|$)/.exec(url)?.[1]?.replace(/\/v2$/, '/v2.1') ?? `${url}/v2.1`
    case 'image':
      return /^(.*\/v2)(?:[./]|$)/.exec(url)?.[1] ?? `${url}/v2`
    case 'network':
      return /\/v2\.0$/.test(url) ? url : `${url}/v2.0`
  }
}
