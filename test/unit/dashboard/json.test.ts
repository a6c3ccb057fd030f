import { afterEach, beforeEach, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { alice, bob, sampleSpec } from '../../../sim/samples.ts'
import { openTestDashboard, type TestDashboard, run } from './test-dashboard.ts'

let dashboard: TestDashboard

beforeEach(async () => {
  dashboard = await openTestDashboard()
})
afterEach(() => dashboard.stop())

type Body = {
  readonly code?: string
  readonly violations?: unknown
  readonly total?: number
  readonly jobs: readonly { readonly id: number; readonly vo: string }[]
  readonly nextBefore: number | null
  readonly facts: readonly { readonly seq: number }[]
  readonly lastSeq: number
}

async function get(url: string, role: 'user' | 'operator' = 'operator', owner = alice) {
  const authorization = `Bearer ${await dashboard.token(owner, role)}`
  const answer = await dashboard.app.inject({ url: `/api${url}`, headers: { authorization } })
  return { status: answer.statusCode, body: answer.json<Body>(), text: answer.body }
}

const routes = ['/status', '/queues', '/vms', '/vms?ended=true', '/clouds', '/facts', '/jobs', '/jobs/1'] as const

it('answers every route to a bearer and to a session, and to no other caller', async () => {
  await dashboard.submit([sampleSpec()])
  const cookie = await dashboard.signIn(await dashboard.token(alice))
  for (const route of routes) {
    expect([route, (await get(route)).status]).toEqual([route, 200])
    expect((await dashboard.app.inject({ url: `/api${route}`, headers: { cookie } })).statusCode).toBe(200)
    const anonymous = await dashboard.app.inject({ url: `/api${route}` })
    expect(anonymous.statusCode).toBe(401)
    expect(anonymous.json()).toEqual({
      code: 'unauthenticated',
      message: expect.stringContaining('sign in'),
      violations: [],
    })
  }
  const bad = await dashboard.app.inject({ url: '/api/status', headers: { authorization: 'Basic x', cookie } })
  expect(bad.statusCode).toBe(401)
})

it('lists every wrong parameter with its path, value and rule', async () => {
  const { status, body } = await get('/jobs?state=Sleeping&limit=5000&colour=red')
  expect(status).toBe(400)
  expect(body.code).toBe('invalid-argument')
  expect(body.violations).toEqual(
    expect.arrayContaining([
      { path: 'colour', value: 'red', rule: 'additionalProperties', accepted: expect.any(String) },
      { path: 'state', value: 'Sleeping', rule: 'enum', accepted: expect.stringContaining('Waiting, Held') },
      { path: 'limit', value: '5000', rule: 'maximum', accepted: 'must be <= 1000' },
    ]),
  )
  for (const wrong of ['/jobs/0', '/jobs/1e99', '/facts?after=-2', '/vms?ended=perhaps', '/status?x=1', '/events?after=x']) {
    expect([wrong, (await get(wrong)).status]).toEqual([wrong, 400])
  }
  for (const unknown of ['/jobs/77', '/vms/vm-aaaaaaaaaa', '/vms/nothing', '/nowhere']) {
    expect([unknown, (await get(unknown)).status, (await get(unknown)).body.code]).toEqual([unknown, 404, 'not-found'])
  }
})

it('shows no activation key, no argument and no environment', async () => {
  const secret = 'hidden-word'
  const [id] = await dashboard.submit([sampleSpec({ arguments: [secret], environment: { WORD: secret } })])
  const activation = { keyHash: secret, untilMs: dashboard.clock.nowMs() + 1000, nonceHash: secret }
  const vm = await dashboard.addVm('one', { activation })
  await dashboard.addEndedVm('two', 'it broke', { activation })
  await run(dashboard, id as JobId, vm.id)
  const cookie = await dashboard.signIn(await dashboard.token(alice, 'operator'))
  for (const route of [...routes, `/jobs/${id}`, `/vms/${vm.id}`]) expect((await get(route)).text).not.toContain(secret)
  for (const page of ['/', '/vms', `/vms/${vm.id}`, `/jobs/${id}`])
    expect((await dashboard.page(page, cookie)).text).not.toContain(secret)
})

it('shows users their own VO and operators all', async () => {
  await dashboard.submit([sampleSpec(), sampleSpec()])
  const [foreign] = await dashboard.submit([sampleSpec()], bob)
  const vm = await dashboard.addVm('one')
  await run(dashboard, foreign as JobId, vm.id)
  const vos = async (role: 'user' | 'operator') => {
    const { body } = await get('/jobs', role)
    return [...new Set(body.jobs.map(({ vo }) => vo))].sort()
  }
  expect(await vos('user')).toEqual(['lhcb'])
  expect(await vos('operator')).toEqual(['belle', 'lhcb'])
  expect((await get('/queues', 'user')).body.total).toBe(1)
  expect((await get('/facts', 'user')).text).not.toMatch(/belle|job:3/)
  expect((await get('/facts', 'operator')).text).toMatch(/job:3/)
  expect((await get('/status', 'user')).text).not.toContain('belle')
  expect((await get(`/vms/${vm.id}`, 'user')).body).toMatchObject({ jobs: [], hiddenJobs: 1 })
  expect((await get('/jobs?vo=belle', 'user')).body.code).toBe('forbidden')
  expect((await get(`/jobs/${foreign}`, 'user')).body.code).toBe('not-found')
})

it('shows users the VMs of their own VO and those of every VO, and no other', async () => {
  const plain = await dashboard.addVm('plain')
  const own = await dashboard.addVm('own', { vos: ['lhcb'] })
  const foreign = await dashboard.addVm('foreign', { vos: ['belle'] })
  const gone = await dashboard.addEndedVm('gone', 'it broke', { vos: ['belle'] })
  const consoleFact = { kind: 'console', data: { text: 'secret' } }
  await dashboard.store.emit(
    [
      { ...consoleFact, subject: `vm:${foreign.id}` },
      { kind: 'plan', subject: 'cloud:here', data: { why: 'secret' } },
    ],
    1,
  )
  const ids = async (url: string, role: 'user' | 'operator') =>
    ((await get(url, role)).body as unknown as { vms: { id: string }[] }).vms.map(({ id }) => id).sort()
  expect(await ids('/vms', 'user')).toEqual([own.id, plain.id].sort())
  expect(await ids('/vms', 'operator')).toEqual([own.id, plain.id, foreign.id].sort())
  expect(await ids('/vms?ended=true', 'user')).toEqual([])
  expect(await ids('/vms?ended=true', 'operator')).toEqual([gone.id])
  for (const { id } of [foreign, gone]) {
    expect((await get(`/vms/${id}`, 'user')).body.code).toBe('not-found')
    expect((await get(`/vms/${id}`, 'operator')).status).toBe(200)
  }
  expect((await get('/facts', 'user')).text).toContain(own.id)
  expect((await get('/facts', 'user')).text).not.toMatch(new RegExp(`secret|${foreign.id}|${gone.id}`))
  expect((await get('/facts', 'operator')).text).toContain('secret')
})

it('answers a job whole, and jobs and facts page by page', async () => {
  const ids = await dashboard.submit(Array.from({ length: 25 }, () => sampleSpec()))
  const seen: number[] = []
  let before: number | null = null
  do {
    const { body } = await get(`/jobs?limit=10${before === null ? '' : `&before=${before}`}`)
    seen.push(...body.jobs.map(({ id }) => id))
    before = body.nextBefore
  } while (before !== null)
  expect(seen).toEqual([...ids].reverse())
  const { body } = await get(`/jobs/${ids[0]}`)
  expect(body).toMatchObject({
    job: { id: ids[0], state: 'Waiting', vo: 'lhcb' },
    history: [{ kind: 'Submitted' }],
    explain: { summary: expect.stringContaining('waits'), places: [{ fits: true }] },
  })
  const fact = { subject: 'cloud:here' as const, kind: 'plan', data: {} }
  await dashboard.store.emit([fact, fact, fact], 1)
  const first = (await get('/facts?after=0&limit=2')).body
  const rest = (await get(`/facts?after=${first.lastSeq}`)).body
  const seqs = [...first.facts, ...rest.facts].map(({ seq }) => seq)
  expect(seqs).toHaveLength(4)
  expect(new Set(seqs).size).toBe(4)
})

it('keeps the reason of an internal error inside', async () => {
  await dashboard.stop()
  dashboard = await openTestDashboard(async () => {
    throw new Error('the password is hidden-word')
  })
  const { status, body, text } = await get('/clouds')
  expect([status, body.code]).toEqual([500, 'internal'])
  expect(text).not.toContain('hidden-word')
  const cookie = await dashboard.signIn(await dashboard.token(alice))
  const page = await dashboard.page('/clouds', cookie)
  expect(page.status).toBe(500)
  expect(page.text).not.toContain('hidden-word')
})

it('reads what is dear once a second, however many ask', async () => {
  let reads = 0
  await dashboard.stop()
  dashboard = await openTestDashboard(async () => {
    reads += 1
    return { clouds: [], plan: [] }
  })
  await Promise.all(Array.from({ length: 10 }, () => get('/clouds')))
  expect(reads).toBe(1)
  await dashboard.clock.advance(1001)
  await get('/clouds')
  expect(reads).toBe(2)
})

it.each([
  ['Bearer', 200],
  ['bearer', 200],
  ['BEARER ', 200],
  ['Basic', 401],
  ['Bearerx', 401],
  ['', 401],
])('reads the scheme %j of a token as status %i', async (scheme, status) => {
  const authorization = `${scheme} ${await dashboard.token(alice, 'operator')}`.trim()
  const answer = await dashboard.app.inject({ url: '/api/status', headers: { authorization } })
  expect(answer.statusCode).toBe(status)
})
