/**
 * Who a request comes from. A session's cookie for pages and JSON, a bearer's token for JSON alone.
 *
 * Every refusal of a token has one text. How often a stranger may try is not decided here: strangers wait their turn before
 * their token is checked (turns.ts), so a valid token is never refused for what others bring. Knows nothing of the pages.
 */

import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../core/kernel/clock.ts'
import { bearerToken } from '../../core/access/bearer.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { User } from '../../core/model/owner.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import type { Random } from '../../core/kernel/random.ts'
import { sessionMs, sessions } from './sessions.ts'
import { viewerOf } from './viewer.ts'

export type Authenticator = {
  /** The Set-Cookie of a new session. Throws `unauthenticated` or `overloaded`. */
  signIn(token: string): Promise<string>
  /** Ends the session; answers the Set-Cookie that clears its cookie. */
  signOut(request: FastifyRequest): string
  /** By the session's cookie; undefined: not signed in. */
  bySession(request: FastifyRequest): Promise<User | undefined>
  /** By the Authorization header where there is one, else by the cookie. Throws `unauthenticated`. */
  byHeaderOrSession(request: FastifyRequest): Promise<User>
  /**
   * The user if already known, without work that a stranger could cause: by a session, or by a token that was valid before.
   */
  recognised(request: FastifyRequest): Promise<User | undefined>
}

/** Tokens that were good: more scripts than one process serves, 32 bytes each. */
const maxRemembered = 4096

/** `isSecure`: requests come by TLS, and the session's cookie goes no other way and to no other host. */
export function openAuthenticator(tokens: Tokens, clock: Clock, random: Random, isSecure: boolean): Authenticator {
  const open = sessions(tokens, clock, random)
  const good = new Set<string>()
  // A browser takes a name with this beginning only over TLS, for this host alone and for all of its paths.
  const cookieName = isSecure ? '__Host-pilotage_session' : 'pilotage_session'
  const attributes = `Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`

  async function verified<Value>(check: () => Promise<Value>): Promise<Value> {
    try {
      return await check()
    } catch (thrown) {
      const { code } = asPilotageError(thrown, 'a token was looked at')
      if (code !== 'unauthenticated' && code !== 'forbidden') throw thrown
      throw new PilotageError('unauthenticated', 'This token is not valid here.')
    }
  }

  async function byToken(token: string): Promise<User> {
    const viewer = await verified(async () => viewerOf(await tokens.verify(token)))
    const digest = digestOf(token)
    good.delete(digest)
    good.add(digest)
    const [oldest] = good
    if (good.size > maxRemembered && oldest !== undefined) good.delete(oldest)
    return viewer
  }

  async function bySession(request: FastifyRequest): Promise<User | undefined> {
    const id = sessionIn(request.headers.cookie, cookieName)
    return id === undefined ? undefined : open.find(id)
  }

  return {
    async signIn(token) {
      const id = await verified(() => open.open(token))
      return `${cookieName}=${id}; ${attributes}; Max-Age=${sessionMs / 1000}`
    },
    signOut(request) {
      const id = sessionIn(request.headers.cookie, cookieName)
      if (id !== undefined) open.close(id)
      return `${cookieName}=; ${attributes}; Max-Age=0`
    },
    bySession,
    async byHeaderOrSession(request) {
      const token = tokenIn(request)
      if (token !== undefined) return byToken(token)
      const viewer = await bySession(request)
      if (!viewer) throw new PilotageError('unauthenticated', 'sign in, or send the header Authorization: Bearer TOKEN')
      return viewer
    },
    async recognised(request) {
      const token = tokenIn(request)
      if (token === undefined) return bySession(request)
      return good.has(digestOf(token)) ? byToken(token).catch(() => undefined) : undefined
    },
  }
}

/** undefined: there is no such header. Empty: there is one, and it holds no token. */
function tokenIn({ headers: { authorization } }: FastifyRequest): string | undefined {
  if (authorization === undefined) return undefined
  return bearerToken(authorization) ?? ''
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}

function sessionIn(cookies: string | undefined, name: string): string | undefined {
  const pair = cookies?.split(';').find((one) => one.trim().startsWith(`${name}=`))
  return pair?.trim().slice(name.length + 1)
}
