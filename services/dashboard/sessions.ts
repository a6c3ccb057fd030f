/**
 * Who is signed in: a random id in the browser, and here what it stands for. Nothing of it outlives the process.
 *
 * A session ends with its time, with its token's, or when it is closed. The token is held in memory only, because nothing
 * but `verify` may say whether it still counts. Bounded per viewer: its oldest session makes room for its newest, and never
 * the only session of another viewer.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { User } from '../../core/model/owner.ts'
import type { Tokens } from '../../core/ports/tokens.ts'
import type { Random } from '../../core/kernel/random.ts'
import { fairPlaces } from './fair-places.ts'
import { sessionLimits } from './limits.ts'
import { viewerKey, viewerOf } from './viewer.ts'

/** A working day. */
export const sessionMs = 12 * 60 * 60 * 1000
/** Where all places are taken, sessions whose time is over are looked for, at most so often. */
const lookEveryMs = 60_000
/** 160 random bits. */
const idLength = 32

export type Sessions = {
  /** The new session's id. Throws as `verify` and `viewerOf` do, and `overloaded` where every place is taken by others. */
  open(token: string): Promise<string>
  /** undefined: there is no such session, or none any more. */
  find(id: string): Promise<User | undefined>
  close(id: string): void
}

/** `untilMs`: by the monotonic clock, as nothing of it outlives the process. */
type Session = { readonly token: string; readonly owner: string; readonly untilMs: number }

export function sessions(tokens: Tokens, clock: Clock, random: Random): Sessions {
  const held = new Map<string, Session>()
  const places = fairPlaces<string>({ ...sessionLimits, ownFull: 'oldest-goes', gives: 'oldest' })
  let lookedMs = Number.NEGATIVE_INFINITY

  function close(id: string): void {
    const session = held.get(id)
    if (!session) return
    held.delete(id)
    places.free(session.owner, id)
  }

  function closeOver(): void {
    if (held.size < sessionLimits.all || clock.monotonicMs() - lookedMs < lookEveryMs) return
    lookedMs = clock.monotonicMs()
    for (const [id, { untilMs }] of held) if (untilMs <= clock.monotonicMs()) close(id)
  }

  return {
    async open(token) {
      const owner = viewerKey(viewerOf(await tokens.verify(token)))
      closeOver()
      const id = random.letters(idLength)
      const taken = places.take(owner, id)
      if (!taken.ok) {
        const text = `${sessionLimits.all} sessions are open, and no viewer has one to spare`
        throw new PilotageError('overloaded', text, { retryAfterMs: lookEveryMs })
      }
      if (taken.ousted !== undefined) held.delete(taken.ousted)
      held.set(id, { token, owner, untilMs: clock.monotonicMs() + sessionMs })
      return id
    },

    async find(id) {
      const session = held.get(id)
      if (!session) return undefined
      try {
        if (clock.monotonicMs() < session.untilMs) return viewerOf(await tokens.verify(session.token))
      } catch {
        // The token no longer counts, so the session does not either.
      }
      close(id)
      return undefined
    },

    close,
  }
}
