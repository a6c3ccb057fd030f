/**
 * Who is signed in: a random id in the browser, and here what it stands for. Nothing of it outlives the process.
 *
 * A session ends with its time, with its token's, or when it is closed. The token is held in memory only, because nothing
 * but `verify` may say whether it still counts. Bounded: the oldest session makes room for the newest.
 */

import type { Clock } from '../../core/clock.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import type { Random } from '../../core/random.ts'
import { type Viewer, viewerOf } from './viewer.ts'

/** A working day. */
export const sessionMs = 12 * 60 * 60 * 1000
const sessionsMost = 1000
/** 160 random bits. */
const idLength = 32

export type Sessions = {
  /** The new session's id. Throws as `verify` and `viewerOf` do. */
  open(token: string): Promise<string>
  /** undefined: there is no such session, or none any more. */
  find(id: string): Promise<Viewer | undefined>
  close(id: string): void
}

export function sessions(tokens: Tokens, clock: Clock, random: Random): Sessions {
  const held = new Map<string, { readonly token: string; readonly untilMs: number }>()

  return {
    async open(token) {
      viewerOf(await tokens.verify(token))
      const oldest = held.keys().next()
      if (held.size >= sessionsMost && !oldest.done) held.delete(oldest.value)
      const id = random.letters(idLength)
      held.set(id, { token, untilMs: clock.nowMs() + sessionMs })
      return id
    },

    async find(id) {
      const session = held.get(id)
      if (!session) return undefined
      try {
        if (clock.nowMs() < session.untilMs) return viewerOf(await tokens.verify(session.token))
      } catch {
        // The token no longer counts, so the session does not either.
      }
      held.delete(id)
      return undefined
    },

    close(id) {
      held.delete(id)
    },
  }
}

/** Bad tokens a minute from one address: enough for a person's mistakes. Guessing is hopeless anyway; this bounds its cost. */
const failuresMost = 20
const windowMs = 60_000
const addressesMost = 1000

export type FailureLimit = {
  /** Milliseconds until this address may try again; 0: now. */
  waitMs(address: string): number
  failed(address: string): void
}

export function failureLimit(clock: Clock): FailureLimit {
  const windows = new Map<string, { failures: number; readonly endMs: number }>()

  return {
    waitMs(address) {
      const window = windows.get(address)
      return window && window.failures >= failuresMost ? Math.max(0, window.endMs - clock.monotonicMs()) : 0
    },
    failed(address) {
      const nowMs = clock.monotonicMs()
      const window = windows.get(address)
      if (window && nowMs < window.endMs) {
        window.failures += 1
        return
      }
      windows.delete(address)
      const oldest = windows.keys().next()
      if (windows.size >= addressesMost && !oldest.done) windows.delete(oldest.value)
      windows.set(address, { failures: 1, endMs: nowMs + windowMs })
    },
  }
}
