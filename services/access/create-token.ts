/** A token for a user, issued by the administrator: checked whole, and refused with every field that is wrong. */

import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'
import { tokenMaxMs, tokenMs } from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { isName } from '../../core/kernel/text.ts'
import { type UserRole, userRoles } from '../../core/model/owner.ts'
import type { Tokens } from '../../core/ports/tokens.ts'

export type TokenRequest = {
  readonly subject: string
  readonly vo: string
  readonly group: string
  /** Empty: a user. */
  readonly roles: readonly string[]
  /** 0: the default. */
  readonly lifetimeMs: number
}

export type IssuedToken = { readonly token: string; readonly expiresMs: number }

/** Throws `invalid-argument`. */
export async function createToken(
  { tokens, clock }: { readonly tokens: Pick<Tokens, 'issue'>; readonly clock: Clock },
  request: TokenRequest,
): Promise<IssuedToken> {
  const { subject, vo, group } = request
  const roles = request.roles.length === 0 ? ['user'] : request.roles
  const lifetimeMs = request.lifetimeMs === 0 ? tokenMs : request.lifetimeMs
  const violations = wrongs({ subject, vo, group, roles, lifetimeMs })
  if (violations.length > 0) throw new PilotageError('invalid-argument', 'no token was issued', { violations })
  const expiresMs = clock.nowMs() + lifetimeMs
  const identity = { kind: 'user', owner: { vo, group, owner: subject }, roles: roles as readonly UserRole[] } as const
  return { token: await tokens.issue(identity, expiresMs), expiresMs }
}

function wrongs({ roles, lifetimeMs, ...names }: TokenRequest): readonly Violation[] {
  const violations: Violation[] = []
  const wrong = (path: string, value: unknown, rule: string, accepted: string): void => {
    violations.push({ path, value: shown(value), rule, accepted })
  }
  for (const [path, name] of Object.entries(names)) {
    if (!isName(name)) wrong(path, name, 'not a name', 'letters, digits and . _ : / + -')
  }
  roles.forEach((role, at) => {
    if (!userRoles.some((known) => known === role)) wrong(`roles[${at}]`, role, 'not a role', userRoles.join(', '))
  })
  if (lifetimeMs > tokenMaxMs) wrong('lifetime', durationText(lifetimeMs), 'too long', `at most ${durationText(tokenMaxMs)}`)
  return violations
}
