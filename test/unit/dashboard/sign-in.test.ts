import { afterEach, beforeEach, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { httpTimes, sessionLimits, strangerLimits, viewerLimits } from '../../../services/dashboard/limits.ts'
import { buildDashboard } from '../../../services/dashboard/server.ts'
import { alice, bob } from '../../../sim/samples.ts'
import { type TestDashboard, form, openTestDashboard } from './test-dashboard.ts'

let dashboard: TestDashboard

beforeEach(async () => {
  dashboard = await openTestDashboard()
})
afterEach(() => dashboard.stop())

const post = (fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) => {
  const { headers: own, payload } = form(fields)
  return dashboard.app.inject({ method: 'POST', url: '/sign-in', headers: { ...own, ...headers }, payload })
}

it('lets a good token in, by a cookie that scripts and other sites cannot use', async () => {
  const answer = await post({ token: await dashboard.token(alice) })
  expect(answer.statusCode).toBe(303)
  expect(answer.headers.location).toBe('/')
  expect(answer.headers['set-cookie']).toMatch(
    /^pilotage_session=[a-z0-9]{32}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
  )
  const cookie = String(answer.headers['set-cookie']).split(';')[0] ?? ''
  expect((await dashboard.page('/', cookie)).status).toBe(200)
})

it('refuses every bad token with one text', async () => {
  const bad = [
    '',
    'nonsense',
    await dashboard.token(alice, 'user', -1),
    await dashboard.tokens.issue({ kind: 'vm', vmId: 'vm-aaaaaaaaaa' as VmId }, dashboard.clock.nowMs() + 1000),
    await dashboard.tokens.issue({ kind: 'user', owner: alice, roles: [] }, dashboard.clock.nowMs() + 1000),
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
    const answer = await dashboard.app.inject({ url: path, headers: { cookie: 'pilotage_session=unknown' } })
    expect(answer.statusCode).toBe(303)
    const to = path === '/' ? '' : `?to=${encodeURIComponent(path)}`
    expect(answer.headers.location).toBe(`/sign-in${to}`)
  }
  const token = await dashboard.token(alice)
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
  const short = await dashboard.signIn(await dashboard.token(alice, 'user', 60_000))
  const long = await dashboard.signIn(await dashboard.token(alice, 'user', 48 * 3_600_000))
  const closed = await dashboard.signIn(await dashboard.token(alice))
  expect((await dashboard.page('/', short)).status).toBe(200)
  await dashboard.app.inject({ method: 'POST', url: '/sign-out', headers: { cookie: closed } })
  expect((await dashboard.page('/', closed)).status).toBe(303)
  await dashboard.clock.advance(61_000)
  expect((await dashboard.page('/', short)).status).toBe(303)
  expect((await dashboard.page('/', long)).status).toBe(200)
  await dashboard.clock.advance(12 * 3_600_000)
  expect((await dashboard.page('/', long)).status).toBe(303)
})

it("counts a session's day by no clock that may be moved", async () => {
  const cookie = await dashboard.signIn(await dashboard.token(alice, 'user', 48 * 3_600_000))
  dashboard.clock.putBack(3 * 3_600_000)
  await dashboard.clock.advance(12 * 3_600_000 + 1000)
  expect((await dashboard.page('/', cookie)).status).toBe(303)
  const other = await dashboard.signIn(await dashboard.token(alice, 'user', 48 * 3_600_000))
  dashboard.clock.putBack(-13 * 3_600_000)
  expect((await dashboard.page('/', other)).status).toBe(200)
})

it('lets strangers beyond the burst wait their turn, and refuses no valid token for what others bring', async () => {
  const known = await dashboard.token(alice)
  const cookie = await dashboard.signIn(known)
  const authorization = `Bearer ${await dashboard.token(alice, 'operator')}`
  const asked = () => dashboard.app.inject({ url: '/api/status', headers: { authorization } })
  expect((await asked()).statusCode).toBe(200)
  const bad = Array.from({ length: strangerLimits.burst + 50 }, (_, at) => post({ token: `bad-${at}` }))
  const late = post({ token: known })
  // A known viewer does not wait; a stranger's last answer comes with time.
  expect((await dashboard.page('/', cookie)).status).toBe(200)
  expect((await asked()).statusCode).toBe(200)
  let lateAnswer = 0
  late.then(({ statusCode }) => {
    lateAnswer = statusCode
  })
  await dashboard.clock.settle()
  expect(lateAnswer).toBe(0)
  await dashboard.clock.advance((60 * 1000) / strangerLimits.perSecond)
  expect((await late).statusCode).toBe(303)
  expect(new Set((await Promise.all(bad)).map(({ statusCode }) => statusCode))).toEqual(new Set([401]))
})

it("gives a viewer's newest session a place by its oldest, and takes none of another viewer", async () => {
  const others = await dashboard.signIn(await dashboard.token(bob))
  const cookies: string[] = []
  for (let at = 0; at < sessionLimits.perOwner + 3; at += 1)
    cookies.push(await dashboard.signIn(await dashboard.token(alice)))
  const statuses = await Promise.all(cookies.map(async (cookie) => (await dashboard.page('/', cookie)).status))
  expect(statuses).toEqual(cookies.map((_, at) => (at < 3 ? 303 : 200)))
  expect((await dashboard.page('/', others)).status).toBe(200)
})

it('lets a viewer who asks too much wait, and no other viewer', async () => {
  const cookie = await dashboard.signIn(await dashboard.token(alice))
  const others = await dashboard.signIn(await dashboard.token(bob))
  const ask = () => dashboard.app.inject({ url: '/api/status', headers: { cookie } }).then(({ statusCode }) => statusCode)
  for (let at = 0; at < viewerLimits.burst; at += 1) expect(await ask()).toBe(200)
  let late = 0
  const waits = ask().then((status) => {
    late = status
  })
  expect((await dashboard.page('/', others)).status).toBe(200)
  expect(late).toBe(0)
  await dashboard.clock.advance(1000 / viewerLimits.perSecond)
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
  const token = await dashboard.token(alice)
  expect((await post({ token }, { host, ...headers })).statusCode).toBe(status)
  const cookie = await dashboard.signIn(token)
  const out = await dashboard.app.inject({ method: 'POST', url: '/sign-out', headers: { host, cookie, ...headers } })
  expect(out.statusCode).toBe(status)
  expect((await dashboard.page('/', cookie)).status).toBe(status === 303 ? 303 : 200)
  const nowhere = await dashboard.app.inject({ method: 'DELETE', url: '/api/jobs', headers: { host, cookie, ...headers } })
  expect(nowhere.statusCode === 403).toBe(status === 403)
})

it('refuses forms of other sites, large ones, and other kinds of content', async () => {
  const token = await dashboard.token(alice)
  expect((await post({ token }, { 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
  expect((await post({ token }, { 'sec-fetch-site': 'same-origin' })).statusCode).toBe(303)
  expect((await post({ token: 'a'.repeat(9000) })).statusCode).toBe(413)
  expect((await post({ token }, { 'content-type': 'application/json' })).statusCode).toBe(400)
})

it('forbids a browser everything that is not of this page', async () => {
  const cookie = await dashboard.signIn(await dashboard.token(alice))
  const style = /href="(\/assets\/[^"]+\.css)"/.exec((await dashboard.page('/', cookie)).text)?.[1] ?? ''
  for (const url of ['/', '/sign-in', '/nowhere', '/api/status', '/api/nowhere', style]) {
    const { headers } = await dashboard.app.inject({ url, headers: { cookie } })
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
  const { headersTimeout, requestTimeout, keepAliveTimeout, timeout } = dashboard.app.server
  expect({ headersTimeout, requestTimeout, keepAliveTimeout, timeout }).toEqual({
    headersTimeout: httpTimes.headers,
    requestTimeout: httpTimes.request,
    keepAliveTimeout: httpTimes.keepAlive,
    timeout: httpTimes.idle,
  })
})

it('shows no name that turns a line around or acts on a terminal, on a page and in JSON', async () => {
  const why = 'a\u202eb\u009b\u200bc'
  await dashboard.store.emit([{ subject: 'cloud:here', kind: 'noted', data: { why } }], dashboard.clock.nowMs())
  const cookie = await dashboard.signIn(await dashboard.token(alice, 'operator'))
  const { text } = await dashboard.page('/', cookie)
  const json = await dashboard.app.inject({ url: '/api/facts', headers: { cookie } })
  expect(text).toContain('a\\u202eb\\u009b\\u200bc')
  expect(json.json().facts.at(-1).text).toBe('noted: why a\\u202eb\\u009b\\u200bc')
  for (const shown of [text, json.body]) {
    expect(shown).not.toMatch(/[\u0080-\u009f\u200b\u202e]/)
  }
  const vm = await dashboard.addEndedVm('one', why)
  const other = await dashboard.app.inject({ url: `/api/vms/${vm.id}`, headers: { cookie } })
  expect(other.body).not.toMatch(/[\u0080-\u009f\u200b\u202e]/)
  expect(other.json().vm.why).toBe(why)
})

it('answers every caller whether it is ready, and nothing more', async () => {
  const answer = await dashboard.app.inject({ url: '/health' })
  expect([answer.statusCode, answer.body, answer.headers['cache-control']]).toEqual([200, '{"ready":true}', 'no-store'])
  const { app, stop } = await buildDashboard({ ...dashboard.options, isReady: () => false })
  expect((await app.inject({ url: '/health' })).statusCode).toBe(503)
  await stop()
})
