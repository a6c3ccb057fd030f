import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Identity } from '../../../core/model/owner.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { tokenSkewMs } from '../../../core/kernel/limits.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { joseTokens, newSigningKey } from '../../../services/adapters/tokens/jose/jose-tokens.ts'
import { alice } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const user: Identity = { kind: 'user', owner: alice, roles: ['user', 'operator'] }
const hour = 60 * 60 * 1000
const clock = virtualClock()
let key: string
let tokens: Tokens

beforeAll(async () => {
  key = await newSigningKey()
  tokens = await joseTokens(key, 'here', clock)
})

it.each<Identity>([user, { kind: 'vm', vmId: 'vm-abcdefghjk' as VmId }])('verifies what it issued: %o', async (identity) => {
  const token = await tokens.issue(identity, clock.nowMs() + hour)
  expect(await tokens.verify(token)).toEqual(identity)
  expect(await tokens.verify(token)).toEqual(identity)
})

it('refuses a token that has expired, also one that it has seen before, with a minute for clocks', async () => {
  const own = virtualClock()
  const here = await joseTokens(key, 'here', own)
  const token = await here.issue(user, own.nowMs() + hour)
  await here.verify(token)
  await own.advance(hour + tokenSkewMs - 2000)
  expect(await here.verify(token)).toEqual(user)
  await own.advance(4000)
  await expect(here.verify(token)).rejects.toMatchObject({ code: 'unauthenticated', message: 'the token has expired' })
})

it.each(['', 'ada\u202e', 'ada\u009b', 'a\u200bda'])('takes %j for no user, though the key has signed it', async (name) => {
  for (const part of ['owner', 'group', 'vo']) {
    const owner = { ...alice, [part]: name }
    const token = await tokens.issue({ kind: 'user', owner, roles: ['user'] }, clock.nowMs() + hour)
    await expect(tokens.verify(token)).rejects.toMatchObject({ code: 'unauthenticated' })
  }
})

describe('refuses with one text', () => {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = () => ({
    sub: 'eve',
    vo: 'lhcb',
    group: 'user',
    roles: ['admin'],
    iss: 'here',
    aud: 'pilotage',
    exp: 9_999_999_999,
  })

  it.each<[string, () => Promise<string> | string]>([
    ['an empty one', () => ''],
    ['a long one', () => 'a.b.c'.repeat(10_000)],
    ['no signature', () => `${encode({ alg: 'none' })}.${encode(claims())}.`],
    [
      'one that is signed with the public key as a secret',
      () => {
        const { d: _, ...publicKey } = JSON.parse(key) as Record<string, string>
        const body = `${encode({ alg: 'HS256' })}.${encode(claims())}`
        return `${body}.${createHmac('sha256', JSON.stringify(publicKey)).update(body).digest('base64url')}`
      },
    ],
    [
      'one of another key',
      async () => (await joseTokens(await newSigningKey(), 'here', clock)).issue(user, clock.nowMs() + hour),
    ],
    ['one of another installation', async () => (await joseTokens(key, 'there', clock)).issue(user, clock.nowMs() + hour)],
    [
      'one that was changed',
      async () => {
        const [head, , signature] = (await tokens.issue(user, clock.nowMs() + hour)).split('.')
        return `${head}.${encode(claims())}.${signature}`
      },
    ],
  ])('%s', async (_, make) => {
    const text = 'the token is not valid here'
    await expect(tokens.verify(await make())).rejects.toMatchObject({ code: 'unauthenticated', message: text })
  })
})
