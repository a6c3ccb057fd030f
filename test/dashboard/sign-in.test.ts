import { afterEach, beforeEach, expect, it } from 'vitest'
import type { VmId } from '../../core/ids.ts'
import { buildDashboard } from '../../services/dashboard/server.ts'
import { alice } from '../support/samples.ts'
import { type Desk, form, openDesk } from './desk.ts'

let desk: Desk

beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.stop())

const post = (fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) => {
  const { headers: own, payload } = form(fields)
  return desk.app.inject({ method: 'POST', url: '/sign-in', headers: { ...own, ...headers }, payload })
}

it('lets a good token in, by a cookie that scripts and other sites cannot use', async () => {
  const answer = await post({ token: await desk.token(alice) })
  expect(answer.statusCode).toBe(303)
  expect(answer.headers.location).toBe('/')
  expect(answer.headers['set-cookie']).toMatch(
    /^pilotage_session=[a-z0-9]{32}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
  )
  const cookie = String(answer.headers['set-cookie']).split(';')[0] ?? ''
  expect((await desk.page('/', cookie)).status).toBe(200)
})

it('refuses every bad token with one text', async () => {
  const bad = [
    '',
    'nonsense',
    await desk.token(alice, 'user', -1),
    await desk.tokens.issue({ kind: 'vm', vmId: 'vm-aaaaaaaaaa' as VmId }, desk.clock.nowMs() + 1000),
    await desk.tokens.issue({ kind: 'user', owner: alice, roles: [] }, desk.clock.nowMs() + 1000),
  ]
  for (const token of bad) {
    const answer = await post({ token })
    expect(answer.statusCode).toBe(401)
    expect(answer.headers['set-cookie']).toBeUndefined()
    expect(answer.body).toContain('This token is not valid here.')
    expect(token === '' || !answer.body.includes(token)).toBe(true)
  }
})

it('leads whoever is not signed in to the door and back, and never to another site', async () => {
  for (const path of ['/', '/queues', '/vms', '/clouds', '/jobs', '/jobs/12', '/vms/vm-aaaaaaaaaa']) {
    const answer = await desk.app.inject({ url: path, headers: { cookie: 'pilotage_session=unknown' } })
    expect(answer.statusCode).toBe(303)
    const to = path === '/' ? '' : `?to=${encodeURIComponent(path)}`
    expect(answer.headers.location).toBe(`/sign-in${to}`)
  }
  const token = await desk.token(alice)
  const places = [
    ['/jobs/12', '/jobs/12'],
    ['//evil.example', '/'],
    ['https://evil.example/jobs', '/'],
    ['/\\evil.example', '/'],
    ['/jobs/../..//x', '/'],
    ['/sign-out', '/'],
  ] as const
  for (const [to, location] of places) expect((await post({ token, to })).headers.location).toBe(location)
})

it('ends a session with its token, with its day, and with the sign-out', async () => {
  const short = await desk.signIn(await desk.token(alice, 'user', 60_000))
  const long = await desk.signIn(await desk.token(alice, 'user', 48 * 3_600_000))
  const closed = await desk.signIn(await desk.token(alice))
  expect((await desk.page('/', short)).status).toBe(200)
  await desk.app.inject({ method: 'POST', url: '/sign-out', headers: { cookie: closed } })
  expect((await desk.page('/', closed)).status).toBe(303)
  await desk.clock.advance(61_000)
  expect((await desk.page('/', short)).status).toBe(303)
  expect((await desk.page('/', long)).status).toBe(200)
  await desk.clock.advance(12 * 3_600_000)
  expect((await desk.page('/', long)).status).toBe(303)
})

it('lets an address with too many bad tokens wait a minute, and no longer', async () => {
  const token = await desk.token(alice)
  for (let failure = 0; failure < 20; failure += 1) expect((await post({ token: 'bad' })).statusCode).toBe(401)
  expect((await post({ token })).statusCode).toBe(429)
  expect((await desk.app.inject({ url: '/api/status', headers: { authorization: `Bearer ${token}` } })).statusCode).toBe(429)
  await desk.clock.advance(60_001)
  expect((await post({ token })).statusCode).toBe(303)
})

it('refuses forms of other sites, large ones, and other kinds of content', async () => {
  const token = await desk.token(alice)
  expect((await post({ token }, { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
  expect((await post({ token }, { 'sec-fetch-site': 'same-origin' })).statusCode).toBe(303)
  expect((await post({ token: 'a'.repeat(9000) })).statusCode).toBe(413)
  expect((await post({ token }, { 'content-type': 'application/json' })).statusCode).toBe(400)
})

it('forbids a browser everything that is not of this page', async () => {
  const cookie = await desk.signIn(await desk.token(alice))
  const style = /href="(\/assets\/[^"]+\.css)"/.exec((await desk.page('/', cookie)).text)?.[1] ?? ''
  for (const url of ['/', '/sign-in', '/nowhere', '/api/status', '/api/nowhere', style]) {
    const { headers } = await desk.app.inject({ url, headers: { cookie } })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|data:|\*/)
    expect(headers).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
    expect(headers['cache-control']).toBe(url === style ? 'public, max-age=31536000, immutable' : 'no-store')
  }
})

it('tells everybody whether it is ready, and nothing more', async () => {
  const answer = await desk.app.inject({ url: '/health' })
  expect([answer.statusCode, answer.body, answer.headers['cache-control']]).toEqual([200, '{"ready":true}', 'no-store'])
  const { app, stop } = await buildDashboard({ ...desk.options, isReady: () => false })
  expect((await app.inject({ url: '/health' })).statusCode).toBe(503)
  await stop()
})
