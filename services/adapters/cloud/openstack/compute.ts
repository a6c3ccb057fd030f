/**
 * Nova's API, as far as we use it: servers by pages, one server, create, delete, console, limits, flavors. Knows the
 * requests and the form of the answers, and not what they mean for us.
 *
 * The microversion is what both sides have, asked once and remembered. A list of servers is whole or an error: Nova leaves
 * out a cell that does not answer without a word, wherever it filters or pages, so it is asked for that besides.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Deadline } from '../kit/deadline.ts'
import { oddAnswer } from './errors.ts'
import type { LookUpCache } from '../kit/look-up-cache.ts'
import { type ApiAnswer, type ApiRequest, listIn, objectIn, type Session } from './session.ts'

export type Server = {
  readonly id: string
  readonly name?: string
  readonly status?: string
  readonly created?: string
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly fault?: { readonly message?: string; readonly code?: number }
  /** By network. */
  readonly addresses?: Readonly<Record<string, readonly ServerAddress[]>>
  readonly 'OS-EXT-STS:task_state'?: string | null
  /** Until 2.46 its id alone. */
  readonly flavor?: { readonly id?: string; readonly vcpus?: number; readonly ram?: number }
}

export type ServerAddress = { readonly addr?: string; readonly 'OS-EXT-IPS:type'?: string }

/** LookUpCache in MiB, disk in GiB. */
export type Flavor = {
  readonly id: string
  readonly name: string
  readonly vcpus: number
  readonly ram: number
  readonly disk: number
  readonly extra_specs?: Readonly<Record<string, string>>
}

/** Of 2.x: the x. */
export type Microversion = number

export type Compute = {
  version(until: Deadline): Promise<Microversion>
  /** Those that bear all of the tags; without tags, all of the project. */
  servers(tags: readonly string[], until: Deadline): AsyncIterable<Server>
  /** Whether each cell answers: only then a list is whole. */
  proveWhole(until: Deadline): Promise<void>
  server(id: string, until: Deadline): Promise<Server | undefined>
  create(body: object, secrets: readonly string[], until: Deadline): Promise<string>
  /** `force`: also one that is kept for a while after its end. */
  remove(id: string, until: Deadline, force: boolean): Promise<'accepted' | 'absent'>
  console(id: string, until: Deadline): Promise<string>
  limits(until: Deadline): Promise<Readonly<Record<string, number>>>
  flavors(until: Deadline): Promise<readonly Flavor[]>
  serverGroups(until: Deadline): Promise<readonly { readonly id: string; readonly name: string }[]>
}

/** Tags can be given with the order from here on. */
export const tagsSince: Microversion = 52
/** From here on, Nova lists servers of a cell that does not answer, by id and as UNKNOWN. */
const partsSince: Microversion = 69
/** The newest that this driver was written for. */
const newest: Microversion = 79
const maxPages = 1000

export function computeApi(
  session: Session,
  memory: LookUpCache,
  maxVersion: string | undefined,
  pageSize: number,
): Compute {
  async function version(until: Deadline): Promise<Microversion> {
    return memory.get('microversion', async () => {
      const doing = 'asking Nova for its version'
      const answer = await session.send({ service: 'compute', method: 'GET', path: '/', doing }, until)
      return chosen(objectIn(answer, 'version', doing), maxVersion)
    })
  }

  const call: Call = async (request, until) => {
    const microversion = `2.${await version(until)}`
    return session.send({ ...request, service: 'compute', microversion }, until)
  }

  return { version, ...listing(call, version, pageSize), ...serverCalls(call), ...surroundings(call) }
}

type Call = (request: Omit<ApiRequest, 'service' | 'microversion'>, until: Deadline) => Promise<ApiAnswer>

function listing(call: Call, version: Compute['version'], pageSize: number): Pick<Compute, 'servers' | 'proveWhole'> {
  return {
    servers(tags, until) {
      const filter = tags.length > 0 ? `&tags=${encodeURIComponent(tags.join(','))}` : ''
      return paged<Server>(call, 'servers', `/servers/detail?limit=${pageSize}${filter}`, until)
    },
    async proveWhole(until) {
      if ((await version(until)) < partsSince) return
      const doing = 'asking Nova whether all of it answers'
      // What cannot be read stands first in a list that is neither filtered nor paged.
      const servers = listIn<Server>(await call({ method: 'GET', path: '/servers', doing }, until), 'servers', doing)
      const unread = servers.filter(({ status }) => status === 'UNKNOWN').length
      if (unread > 0) throw new PilotageError('cloud-transient', `${doing}: ${unread} servers or more cannot be read`)
    },
  }
}

function serverCalls(call: Call): Pick<Compute, 'server' | 'create' | 'remove' | 'console'> {
  return {
    async server(id, until) {
      const doing = `looking at server ${id}`
      const answer = await call({ method: 'GET', path: serverPath(id), answers: [404], doing }, until)
      if (answer.status !== 404) return objectIn<Server>(answer, 'server', doing)
      checkAbsent(answer, id, doing)
      return undefined
    },
    async create(body, secrets, until) {
      const doing = 'creating a server'
      const answer = await call({ method: 'POST', path: '/servers', body, secrets, doing, isOrder: true }, until)
      const { id } = objectIn<Server>(answer, 'server', doing)
      if (typeof id !== 'string' || id === '') throw oddAnswer(doing, 'the answer has no id')
      return id
    },
    async remove(id, until, force) {
      const doing = `deleting server ${id}`
      const request: Pick<ApiRequest, 'method' | 'path' | 'body'> = force
        ? { method: 'POST', path: `${serverPath(id)}/action`, body: { forceDelete: null } }
        : { method: 'DELETE', path: serverPath(id) }
      const answer = await call({ ...request, answers: [404], doing }, until)
      if (answer.status !== 404) return 'accepted'
      checkAbsent(answer, id, doing)
      return 'absent'
    },
    async console(id, until) {
      const doing = `reading the console of ${id}`
      const body = { 'os-getConsoleOutput': {} }
      // Not there, not up yet, or a hypervisor without one.
      const answers = [404, 409, 501]
      const answer = await call({ method: 'POST', path: `${serverPath(id)}/action`, body, answers, doing }, until)
      return typeof answer.body.output === 'string' ? answer.body.output : ''
    },
  }
}

function surroundings(call: Call): Pick<Compute, 'limits' | 'flavors' | 'serverGroups'> {
  return {
    async limits(until) {
      const doing = 'asking for the limits'
      const answer = await call({ method: 'GET', path: '/limits', doing }, until)
      const { absolute } = objectIn<{ absolute?: Readonly<Record<string, number>> }>(answer, 'limits', doing)
      if (!absolute) throw oddAnswer(doing, 'the answer has no absolute limits')
      return absolute
    },
    async flavors(until) {
      const all: Flavor[] = []
      for await (const one of paged<Flavor>(call, 'flavors', '/flavors/detail?limit=1000', until)) all.push(one)
      return all
    },
    async serverGroups(until) {
      const doing = 'listing server groups'
      return listIn(
        await call({ method: 'GET', path: '/os-server-groups?limit=1000', doing }, until),
        'server_groups',
        doing,
      )
    },
  }
}

/**
 * Servers to the first empty page. Nova's link to a next page is no witness for them: it is missing where a page is short,
 * and a page is short wherever a server is just being built, which Nova counts twice against the page's size and shows once.
 */
async function* paged<T extends { readonly id: string }>(
  call: Call,
  key: 'servers' | 'flavors',
  path: string,
  until: Deadline,
): AsyncIterable<T> {
  const doing = `listing ${key}`
  let marker = ''
  for (let pages = 0; pages < maxPages; pages += 1) {
    const request = { method: 'GET', path: `${path}${marker}`, answers: marker === '' ? [] : [400], doing } as const
    const answer = await call(request, until)
    // The last server of the page before is gone since.
    if (answer.status === 400) throw oddAnswer(doing, 'the next page was not found')
    const page = listIn<T>(answer, key, doing)
    yield* page
    const last = page.at(-1)
    const links = answer.body[`${key}_links`]
    const hasNext = Array.isArray(links) && links.some((link: { rel?: string }) => link?.rel === 'next')
    if (last === undefined) {
      if (hasNext) throw oddAnswer(doing, 'an empty page with a next one')
      return
    }
    if (key === 'flavors' && !hasNext) return
    marker = `&marker=${encodeURIComponent(last.id)}`
  }
  throw oddAnswer(doing, `more than ${maxPages} pages`)
}

function serverPath(id: string): string {
  return `/servers/${encodeURIComponent(id)}`
}

/** A proxy that lost its way says 404 as well: of a server that there may be, only Nova's own word counts. */
function checkAbsent({ body }: ApiAnswer, id: string, doing: string): void {
  if ('itemNotFound' in body || !isUuid(id)) return
  throw oddAnswer(doing, 'a 404 that is not of Nova')
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(text)
}

type VersionRange = { readonly version?: string; readonly min_version?: string }

/** The newest that both have. A Nova that reports no versions has none but 2.1. */
function chosen({ version, min_version }: VersionRange, maxVersion: string | undefined): Microversion {
  const theirs = minorOf(version || '2.1')
  const oldest = minorOf(min_version || '2.1')
  const ours = Math.min(newest, maxVersion === undefined ? newest : minorOf(maxVersion))
  const both = Math.min(theirs, ours)
  if (both >= oldest) return both
  throw new PilotageError('cloud-refused', `Nova speaks 2.${oldest} to 2.${theirs}, and we up to 2.${ours}`)
}

function minorOf(version: string): Microversion {
  const minor = /^2\.(\d+)$/.exec(version)?.[1]
  if (minor === undefined) throw oddAnswer('asking Nova for its version', `it speaks ${version.slice(0, 20)}`)
  return Number(minor)
}
