/**
 * Tokens as compact JWS, signed with the installation's Ed25519 key. Verifies signature, algorithm, issuer, audience and
 * time; says nothing about what the bearer may do.
 *
 * A token that verified is remembered until it expires: one long stream or ten thousand submits cost one verification.
 */

import { errors, exportJWK, generateKeyPair, importJWK, jwtVerify, type JWK, SignJWT } from 'jose'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { type Identity, type UserRole, userRoles } from '../../../../core/model/owner.ts'
import { isVmId } from '../../../../core/kernel/ids.ts'
import { tokenSkewMs } from '../../../../core/kernel/limits.ts'
import type { Tokens } from '../../../../core/ports/tokens.ts'
import { isPlainText } from '../../../../core/kernel/text.ts'

const algorithm = 'EdDSA'
const audience = 'pilotage'
/** Remembered tokens: more callers than one process serves, at a few hundred bytes each. */
const maxRemembered = 10_000
/** A token of ours has some 400 characters; more is not looked at. */
const maxLength = 4096

/** A new private key, as text for a file with mode 0600. */
export async function newSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return JSON.stringify(await exportJWK(privateKey))
}

export async function joseTokens(signingKey: string, installation: string, clock: Clock): Promise<Tokens> {
  const jwk = JSON.parse(signingKey) as JWK
  const { d: _, ...publicJwk } = jwk
  const [privateKey, publicKey] = await Promise.all([importJWK(jwk, algorithm), importJWK(publicJwk, algorithm)])
  const verified = new Map<string, { readonly identity: Identity; readonly expiresMs: number }>()

  function remember(token: string, identity: Identity, expiresMs: number): void {
    const oldest = verified.keys().next()
    if (verified.size >= maxRemembered && !oldest.done) verified.delete(oldest.value)
    verified.set(token, { identity, expiresMs })
  }

  function remembered(token: string): Identity | undefined {
    const known = verified.get(token)
    if (known && clock.nowMs() < known.expiresMs + tokenSkewMs) return known.identity
    verified.delete(token)
    return undefined
  }

  async function check(token: string): Promise<Identity> {
    const { payload } = await jwtVerify(token, publicKey, {
      algorithms: [algorithm],
      issuer: installation,
      audience,
      clockTolerance: tokenSkewMs / 1000,
      currentDate: new Date(clock.nowMs()),
      requiredClaims: ['exp', 'sub'],
    })
    const identity = identityOf(payload)
    remember(token, identity, Number(payload.exp) * 1000)
    return identity
  }

  return {
    issue: (identity, expiresMs) =>
      new SignJWT(claimsOf(identity))
        .setProtectedHeader({ alg: algorithm })
        .setIssuer(installation)
        .setAudience(audience)
        .setIssuedAt(Math.floor(clock.nowMs() / 1000))
        .setExpirationTime(Math.floor(expiresMs / 1000))
        .sign(privateKey),

    remembered,

    async verify(token) {
      const known = remembered(token)
      if (known) return known
      try {
        if (token.length > maxLength) throw new Error('too long')
        return await check(token)
      } catch (error) {
        if (error instanceof errors.JWTExpired) throw new PilotageError('unauthenticated', 'the token has expired')
        throw new PilotageError('unauthenticated', 'the token is not valid here')
      }
    },
  }
}

type Claims = {
  readonly sub: string
  readonly vo?: string
  readonly group?: string
  readonly roles?: readonly string[]
  readonly vm?: boolean
}

function claimsOf(identity: Identity): Claims {
  if (identity.kind === 'vm') return { sub: identity.vmId, vm: true }
  const { vo, group, owner } = identity.owner
  return { sub: owner, vo, group, roles: identity.roles }
}

function identityOf(payload: Record<string, unknown>): Identity {
  const { sub, vo, group, roles, vm } = payload
  if (typeof sub !== 'string') throw new Error('no subject')
  if (vm === true && isVmId(sub)) return { kind: 'vm', vmId: sub }
  if (typeof vo !== 'string' || typeof group !== 'string' || !Array.isArray(roles)) throw new Error('not a user')
  // Ours are checked when they are issued. Another issuer of this key may have been less careful.
  if (![sub, vo, group].every((name) => name !== '' && isPlainText(name))) throw new Error('a name with hidden characters')
  const known = roles.filter((role): role is UserRole => userRoles.includes(role as UserRole))
  return { kind: 'user', owner: { vo, group, owner: sub }, roles: known }
}
