import { afterEach, beforeEach, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { httpTimes, sessionLimits, strangerLimits, viewerLimits } from '../../../services/dashboard/limits.ts'
import { buildDashboard } from '../../../services/dashboard/server.ts'
import { alice, bob } from '../../../sim/samples.ts'
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

it('leads a visitor without a session to the sign-in page and back, and never to another site', async () => {
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

it('lets strangers beyond the burst wait their turn, and refuses no valid token for what others bring', async () => {
  const known = await desk.token(alice)
  const cookie = await desk.signIn(known)
  const authorization = `Bearer ${await desk.token(alice, 'operator')}`
  const asked = () => desk.app.inject({ url: '/api/status', headers: { authorization } })
  expect((await asked()).statusCode).toBe(200)
  const bad = Array.from({ length: strangerLimits.burst + 50 }, (_, at) => post({ token: `bad-${at}` }))
  const late = post({ token: known })
  // A known viewer does not wait; a stranger's last answer comes with time.
  expect((await desk.page('/', cookie)).status).toBe(200)
  expect((await asked()).statusCode).toBe(200)
  let lateAnswer = 0
  late.then(({ statusCode }) => {
    lateAnswer = statusCode
  })
  await desk.clock.settle()
  expect(lateAnswer).toBe(0)
  await desk.clock.advance((60 * 1000) / strangerLimits.perSecond)
  expect((await late).statusCode).toBe(303)
  expect(new Set((await Promise.all(bad)).map(({ statusCode }) => statusCode))).toEqual(new Set([401]))
})

it("gives a viewer's newest session a place by its oldest, and takes none of another viewer", async () => {
  const others = await desk.signIn(await desk.token(bob))
  const cookies: string[] = []
  for (let at = 0; at < sessionLimits.perOwner + 3; at += 1) cookies.push(await desk.signIn(await desk.token(alice)))
  const statuses = await Promise.all(cookies.map(async (cookie) => (await desk.page('/', cookie)).status))
  expect(statuses).toEqual(cookies.map((_, at) => (at < 3 ? 303 : 200)))
  expect((await desk.page('/', others)).status).toBe(200)
})

it('lets a viewer who asks too much wait, and no other viewer', async () => {
  const cookie = await desk.signIn(await desk.token(alice))
  const others = await desk.signIn(await desk.token(bob))
  const ask = () => desk.app.inject({ url: '/api/status', headers: { cookie } }).then(({ statusCode }) => statusCode)
  for (let at = 0; at < viewerLimits.burst; at += 1) expect(await ask()).toBe(200)
  let late = 0
  const waits = ask().then((status) => {
    late = status
  })
  expect((await desk.page('/', others)).status).toBe(200)
  expect(late).toBe(0)
  await desk.clock.advance(1000 / viewerLimits.perSecond)
  await waits
  expect(late).toBe(200)
})

it.each<[Record<string, string>, number]>([
  [{}, 303],
  [{ 'sec-fetch-site': 'same-origin' }, 303],
  [{ 'sec-fetch-site': 'none' }, 303],
  [{ 'sec-fetch-site': 'cross-site' }, 403],
  [{ 'sec-fetch-site': 'same-site' }, 403],
  [{ origin: 'http://pilotage.example:7401' }, 303],
  // A proxy in front speaks TLS.
  [{ origin: 'https://pilotage.example:7401' }, 303],
  [{ origin: 'http://pilotage.example' }, 403],
  [{ origin: 'http://evil.example:7401' }, 403],
  [{ origin: 'http://pilotage.example:7401.evil.example' }, 403],
  [{ origin: 'null' }, 403],
  [{ origin: '' }, 403],
  [{ origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' }, 303],
])('answers a form with the headers %j by %i, on every path that changes something', async (headers, status) => {
  const host = 'pilotage.example:7401'
  const token = await desk.token(alice)
  expect((await post({ token }, { host, ...headers })).statusCode).toBe(status)
  const cookie = await desk.signIn(token)
  const out = await desk.app.inject({ method: 'POST', url: '/sign-out', headers: { host, cookie, ...headers } })
  expect(out.statusCode).toBe(status)
  expect((await desk.page('/', cookie)).status).toBe(status === 303 ? 303 : 200)
  const nowhere = await desk.app.inject({ method: 'DELETE', url: '/api/jobs', headers: { host, cookie, ...headers } })
  expect(nowhere.statusCode === 403).toBe(status === 403)
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

it('gives a head, a request and a silence a bounded time', () => {
  const { headersTimeout, requestTimeout, keepAliveTimeout, timeout } = desk.app.server
  expect({ headersTimeout, requestTimeout, keepAliveTimeout, timeout }).toEqual({
    headersTimeout: httpTimes.headers,
    requestTimeout: httpTimes.request,
    keepAliveTimeout: httpTimes.keepAlive,
    timeout: httpTimes.idle,
  })
})

it('shows no name that turns a line around or acts on a terminal, on a page and in JSON', async () => {
  const why = 'a\u202eb\u009b\u200bc'
  await desk.store.emit([{ subject: 'cloud:here', kind: 'noted', data: { why } }], desk.clock.nowMs())
  const cookie = await desk.signIn(await desk.token(alice, 'operator'))
  const { text } = await desk.page('/', cookie)
  const json = await desk.app.inject({ url: '/api/facts', headers: { cookie } })
  expect(text).toContain('a\\u202eb\\u009b\\u200bc')
  expect(json.json().facts.at(-1).text).toBe('noted: why a\\u202eb\\u009b\\u200bc')
  for (const shown of [text, json.body]) {
    expect(shown).not.toMatch(/[\u0080-\u009f\u200b\u202e]/)
  }
  const vm = await desk.addEndedVm('one', why)
  const other = await desk.app.inject({ url: `/api/vms/${vm.id}`, headers: { cookie } })
  expect(other.body).not.toMatch(/[\u0080-\u009f\u200b\u202e]/)
  expect(other.json().vm.why).toBe(why)
})

it('answers every caller whether it is ready, and nothing more', async () => {
  const answer = await desk.app.inject({ url: '/health' })
  expect([answer.statusCode, answer.body, answer.headers['cache-control']]).toEqual([200, '{"ready":true}', 'no-store'])
  const { app, stop } = await buildDashboard({ ...desk.options, isReady: () => false })
  expect((await app.inject({ url: '/health' })).statusCode).toBe(503)
  await stop()
})
