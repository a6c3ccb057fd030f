/**
 * Tokens that are wrong in every way that a token can be: each must be distinguished from a right one, and not from each
 * other.
 */

import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JobServiceService, ListJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Case, refused } from './case.ts'
import type { World } from './world.ts'

type Claims = Readonly<Record<string, unknown>>
type Signing = { readonly header?: Claims; readonly with?: (input: Buffer) => Buffer }

const hourSeconds = 3600

/** The service's own key, as a thief has it who read the data directory; and what a right token of ada's says. */
function forger({ dataDir, clock }: World) {
  const jwk = JSON.parse(readFileSync(join(dataDir, 'signing-key.json'), 'utf8')) as Record<string, string>
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  const nowSeconds = Math.floor(clock.nowMs() / 1000)
  const claims: Claims = {
    sub: 'ada',
    vo: 'alpha',
    group: 'users',
    roles: ['user'],
    iss: readFileSync(join(dataDir, 'installation'), 'utf8').trim(),
    aud: 'pilotage',
    iat: nowSeconds,
    exp: nowSeconds + hourSeconds,
  }
  const token = (change: Claims = {}, { header = { alg: 'EdDSA' }, with: signed = signedBy(key) }: Signing = {}): string => {
    const input = `${encoded(header)}.${encoded({ ...claims, ...change })}`
    return `${input}.${signed(Buffer.from(input)).toString('base64url')}`
  }
  return { key, claims, nowSeconds, token }
}

function signedBy(key: KeyObject): (input: Buffer) => Buffer {
  return (input) => sign(null, input, key)
}

function encoded(part: Claims): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

type Forger = ReturnType<typeof forger>

const notValid = /^the token is not valid here$/

function tokenCase(name: string, make: (forger: Forger, world: World) => string, text = notValid): Case {
  return {
    name: `a token ${name}`,
    attempt: (world) =>
      refused(world, JobServiceService.listJobs, [ListJobsRequest.fromPartial({})], { token: make(forger(world), world) }),
    code: 'unauthenticated',
    text,
  }
}

function headerCase(name: string, authorization: string | undefined, text: RegExp): Case {
  return {
    name,
    attempt: (world) => refused(world, JobServiceService.listJobs, [ListJobsRequest.fromPartial({})], { authorization }),
    code: 'unauthenticated',
    text,
  }
}

const publicPem = (key: KeyObject): string => createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
const publicBytes = (key: KeyObject): Buffer =>
  Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')

export const tokenCases: readonly Case[] = [
  headerCase('no token', undefined, /a bearer token is needed/),
  headerCase('a password instead of a token', 'Basic YWRhOmFkYQ==', /must be: Bearer TOKEN/),
  headerCase('an empty token', 'Bearer ', /bearer token/i),
  headerCase('a word instead of a token', 'Bearer hello', notValid),
  headerCase('a token of 8000 characters', `Bearer ${'x.'.repeat(4000)}`, notValid),
  tokenCase(
    'that has expired',
    ({ token, nowSeconds }) => token({ exp: nowSeconds - hourSeconds }),
    /^the token has expired$/,
  ),
  tokenCase('that is not yet valid', ({ token, nowSeconds }) => token({ nbf: nowSeconds + hourSeconds })),
  tokenCase('without an end', ({ token }) => token({ exp: undefined })),
  tokenCase('without a subject', ({ token }) => token({ sub: undefined })),
  tokenCase('without a VO', ({ token }) => token({ vo: undefined })),
  tokenCase('without roles', ({ token }) => token({ roles: undefined })),
  tokenCase('of another installation', ({ token }) => token({ iss: 'pilotage-00000000' })),
  tokenCase('for another audience', ({ token }) => token({ aud: 'another' })),
  tokenCase('of a VM with a user for its name', ({ token }) => token({ vm: true, vo: undefined })),
  tokenCase('without a signature (alg none)', ({ token }) =>
    token({}, { header: { alg: 'none' }, with: () => Buffer.alloc(0) }),
  ),
  tokenCase('signed with the public key as a shared secret (HS256)', ({ token, key }) =>
    token({}, { header: { alg: 'HS256' }, with: (input) => createHmac('sha256', publicPem(key)).update(input).digest() }),
  ),
  tokenCase("signed with the public key's bytes as a shared secret (HS256)", ({ token, key }) =>
    token({}, { header: { alg: 'HS256' }, with: (input) => createHmac('sha256', publicBytes(key)).update(input).digest() }),
  ),
  tokenCase('signed with another key', ({ token }) =>
    token({}, { with: signedBy(generateKeyPairSync('ed25519').privateKey) }),
  ),
  tokenCase('that brings its own key', ({ token }) => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const header = { alg: 'EdDSA', jwk: publicKey.export({ format: 'jwk' }) }
    return token({}, { header, with: signedBy(privateKey) })
  }),
  tokenCase('whose claims were changed after it was signed', ({ claims }, { tokens }) => {
    const [header, , signature] = tokens.eve.split('.')
    return `${header}.${encoded(claims)}.${signature}`
  }),
  {
    name: 'a token with a role that there is not',
    attempt: (world) =>
      refused(world, JobServiceService.listJobs, [ListJobsRequest.fromPartial({})], {
        token: forger(world).token({ roles: ['root'] }),
      }),
    code: 'forbidden',
    text: /^listJobs is not for this caller$/,
  },
]
