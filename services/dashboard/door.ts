/**
 * The door: who a request comes from. A session's cookie for pages and JSON, a bearer's token for JSON alone.
 *
 * Every refusal of a token has one text, and an address that brought too many bad ones waits. Knows nothing of what lies
 * behind the door.
 */

import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../core/clock.ts'
import { asPilotageError, PilotageError } from '../../core/errors.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import type { Random } from '../../core/random.ts'
import { failureLimit, sessionMs, sessions } from './sessions.ts'
import { type Viewer, viewerOf } from './viewer.ts'

const cookieName = 'pilotage_session'
const attributes = 'Path=/; HttpOnly; SameSite=Strict'
export const clearedCookie = `${cookieName}=; ${attributes}; Max-Age=0`

export type Door = {
  /** The Set-Cookie of a new session. Throws `unauthenticated` or `overloaded`. */
  signIn(token: string, address: string): Promise<string>
  signOut(request: FastifyRequest): void
  /** By the session's cookie; undefined: not signed in. */
  bySession(request: FastifyRequest): Promise<Viewer | undefined>
  /** By the Authorization header where there is one, else by the cookie. Throws `unauthenticated` or `overloaded`. */
  byHeaderOrSession(request: FastifyRequest): Promise<Viewer>
}

/** `isSecure`: requests come by TLS, and the session's cookie goes no other way. */
export function door(tokens: Tokens, clock: Clock, random: Random, isSecure: boolean): Door {
  const open = sessions(tokens, clock, random)
  const limit = failureLimit(clock)

  async function admit<Value>(address: string, check: () => Promise<Value>): Promise<Value> {
    const retryAfterMs = limit.waitMs(address)
    if (retryAfterMs > 0)
      throw new PilotageError('overloaded', 'too many tokens that are not valid here; wait a minute', { retryAfterMs })
    try {
      return await check()
    } catch (thrown) {
      const { code } = asPilotageError(thrown, 'a token was looked at')
      if (code !== 'unauthenticated' && code !== 'forbidden') throw thrown
      limit.failed(address)
      throw new PilotageError('unauthenticated', 'This token is not valid here.')
    }
  }

  async function bySession(request: FastifyRequest): Promise<Viewer | undefined> {
    const id = sessionIn(request.headers.cookie)
    return id === undefined ? undefined : open.find(id)
  }

  return {
    async signIn(token, address) {
      const id = await admit(address, () => open.open(token))
      return `${cookieName}=${id}; ${attributes}${isSecure ? '; Secure' : ''}; Max-Age=${sessionMs / 1000}`
    },
    signOut(request) {
      const id = sessionIn(request.headers.cookie)
      if (id !== undefined) open.close(id)
    },
    bySession,
    async byHeaderOrSession(request) {
      const { authorization } = request.headers
      if (authorization !== undefined) {
        const token = authorization.startsWith('Bearer ') ? authorization.slice('Bearer '.length) : ''
        return admit(request.ip, async () => viewerOf(await tokens.verify(token)))
      }
      const viewer = await bySession(request)
      if (!viewer) throw new PilotageError('unauthenticated', 'sign in, or send the header Authorization: Bearer TOKEN')
      return viewer
    },
  }
}

function sessionIn(cookies: string | undefined): string | undefined {
  const pair = cookies?.split(';').find((one) => one.trim().startsWith(`${cookieName}=`))
  return pair?.trim().slice(cookieName.length + 1)
}

/** Who the door let in with this request; only where it was asked. */
export function viewerOn(request: FastifyRequest): Viewer {
  return request.getDecorator<Viewer>('viewer')
}
