/**
 * A session with one project of one OpenStack: requests to its services with a good token, answers as data.
 *
 * Decides when a token is too old and gets a new one: before its end, and once when a service refuses it all the same (it
 * was revoked, or Keystone's keys changed). Repeats nothing else: a request that was refused for its token was not done. One
 * login serves all who wait for it. Secrets are in no error.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Http, HttpAnswer, HttpRequest } from '../kit/http.ts'
import { deadline, type Deadline, inTime } from '../kit/deadline.ts'
import { failureOf, loginFailureOf, oddAnswer } from './errors.ts'
import { endpointOf, hasEndpoint, loginRequest, readToken, secretOf, type Service, type Token } from './identity.ts'
import type { Access } from './options.ts'

export type ApiRequest = {
  readonly service: Service
  readonly method: HttpRequest['method']
  /** Behind the service's version, with a slash at the beginning. */
  readonly path: string
  readonly body?: object
  /** Of Nova. */
  readonly microversion?: string
  /** Statuses above 299 that are an answer and no failure. */
  readonly answers?: readonly number[]
  readonly doing: string
  /** Of the body: what must not be quoted. */
  readonly secrets?: readonly string[]
  /** It concerns one order: see failureOf. */
  readonly isOrder?: boolean
}

export type ApiAnswer = {
  readonly status: number
  /** Empty where there is nothing, or nothing that is JSON. */
  readonly body: Readonly<Record<string, unknown>>
  /** When it was answered, by the clock that stamps what is in it; NaN where it does not say. */
  readonly dateMs: number
}

export type Session = {
  send(request: ApiRequest, until: Deadline): Promise<ApiAnswer>
  projectId(until: Deadline): Promise<string>
}

/** What a catalogue lacks that is younger is refused. */
const catalogueMs = 60_000
/** Before its end: for the request that it goes with, and the services that get it handed on. */
const renewMs = 60_000

type Kept = { readonly token: Token; readonly gotMs: number; readonly endMs: number }

export function openSession(http: Http, access: Access, clock: Clock): Session {
  let kept: Kept | undefined
  let coming: Promise<Kept> | undefined
  const secret = secretOf(access.login)

  async function login(): Promise<Kept> {
    const doing = `logging in at ${access.authUrl}`
    const sentMs = clock.monotonicMs()
    // In its own time, as several calls wait for it.
    const answer = await http.send(loginRequest(access), doing, deadline(clock).leftMs(doing))
    if (answer.status !== 201 && answer.status !== 200) throw loginFailureOf(answer, doing, [secret])
    const token = readToken(answer.headers.get('x-subject-token'), answer.text, doing)
    return { token, gotMs: sentMs, endMs: sentMs + Math.max(token.lifeMs - renewMs, token.lifeMs / 2) }
  }

  async function token(until: Deadline): Promise<Token> {
    if (kept && clock.monotonicMs() < kept.endMs) return kept.token
    coming ??= login()
      .then((got) => {
        kept = got
        return got
      })
      .finally(() => {
        coming = undefined
      })
    const waiting = 'waiting for a login'
    return (await inTime(coming, clock, until.leftMs(waiting), waiting)).token
  }

  /** A service may have come into the catalogue after the token was made, which is good for hours. */
  async function tokenWith(service: Service, until: Deadline): Promise<Token> {
    const using = await token(until)
    if (kept?.token.id !== using.id || clock.monotonicMs() - kept.gotMs < catalogueMs) return using
    if (hasEndpoint(using, service, access)) return using
    kept = undefined
    return token(until)
  }

  async function sent(request: ApiRequest, until: Deadline, using: Token): Promise<HttpAnswer> {
    const { service, method, path, body, microversion, doing } = request
    const headers: Record<string, string> = { 'x-auth-token': using.id, accept: 'application/json' }
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (microversion !== undefined) {
      headers['openstack-api-version'] = `compute ${microversion}`
      headers['x-openstack-nova-api-version'] = microversion
    }
    const url = `${endpointOf(using, service, access)}${path}`
    const text = body === undefined ? undefined : JSON.stringify(body)
    return http.send({ method, url, headers, body: text }, doing, until.leftMs(doing))
  }

  return {
    async send(request, until) {
      let using = await tokenWith(request.service, until)
      let answer = await sent(request, until, using)
      if (answer.status === 401) {
        if (kept?.token.id === using.id) kept = undefined
        using = await token(until)
        answer = await sent(request, until, using)
      }
      const { status } = answer
      if ((status < 200 || status > 299) && !request.answers?.includes(status)) {
        throw failureOf(answer, request.doing, [secret, using.id, ...(request.secrets ?? [])], request.isOrder)
      }
      return { status, body: bodyOf(answer, request), dateMs: Date.parse(answer.headers.get('date') ?? '') }
    },
    projectId: async (until) => (await token(until)).projectId,
  }
}

function bodyOf({ status, text }: HttpAnswer, { doing }: ApiRequest): ApiAnswer['body'] {
  if (text === '') return {}
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as ApiAnswer['body']
  } catch {
    // Reported below.
  }
  if (status > 299) return {}
  throw oddAnswer(doing, `status ${status} with something else than a document`)
}

/** Never a part of a list: what is no list is an error. */
export function listIn<T>({ body }: ApiAnswer, key: string, doing: string): readonly T[] {
  const list = body[key]
  if (!Array.isArray(list)) throw oddAnswer(doing, `the answer has no list of ${key}`)
  return list as readonly T[]
}

export function objectIn<T>({ body }: ApiAnswer, key: string, doing: string): T {
  const object = body[key]
  if (typeof object !== 'object' || object === null) throw oddAnswer(doing, `the answer has no ${key}`)
  return object as T
}
