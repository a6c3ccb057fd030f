/**
 * Signed tokens of this installation. A token is a bearer's proof of who it is until it expires; it is never logged or kept.
 */

import type { Identity } from '../model/owner.ts'

export interface Tokens {
  issue(identity: Identity, expiresMs: number): Promise<string>

  /** Who brought this very token before and was accepted, while it is valid. Costs one look-up. */
  remembered(token: string): Identity | undefined

  /** Throws `unauthenticated`, with one text for every kind of bad token but an expired one. */
  verify(token: string): Promise<Identity>
}
