import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { vmSubject } from '../../../core/model/facts.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { CloudStatus } from '../../../services/vms/list-clouds.ts'
import { alice, bob, sampleRequirements, sampleResult, sampleSpec } from '../../../sim/samples.ts'
import { type TestDashboard, nobodys, openTestDashboard, run } from './test-dashboard.ts'

let dashboard: TestDashboard
let clouds: CloudStatus

beforeEach(async () => {
  clouds = nobodys
  dashboard = await openTestDashboard(async () => clouds)
})
afterEach(() => dashboard.stop())

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>&amp;`
const pages = ['/', '/queues', '/vms', '/vms?ended=1', '/clouds', '/jobs'] as const

const cloud = (name: string): CloudStatus['clouds'][number] => ({
  name,
  kind: 'local',
  site: 'home',
  vms: 2,
  maxVms: 4,
  cores: 16,
  maxCores: 32,
  breakers: [],
  measured: [],
  listedMs: dashboard.clock.nowMs() - 3000,
  stuck: [],
})

async function signedIn(role: 'user' | 'operator' = 'operator', owner = alice): Promise<string> {
  return dashboard.signIn(await dashboard.token(owner, role))
}

describe('empty', () => {
  it.each([
    ['/', 'No job was submitted yet.'],
    ['/', 'Nothing has happened yet.'],
    ['/queues', 'Nothing waits.'],
    ['/vms', 'No VM is there.'],
    ['/vms?ended=1', 'No VM has ended yet.'],
    ['/clouds', 'No cloud is configured.'],
    ['/jobs', 'No job was submitted yet.'],
    ['/jobs?state=Done', 'No job is like that.'],
  ])('%s says: %s', async (path, text) => {
    const { status, text: page } = await dashboard.page(path, await signedIn())
    expect(status).toBe(200)
    expect(page).toContain(text)
  })
})

describe('what needs attention', () => {
  it('is a VM that its cloud does not end, on the first page, for whom it concerns', async () => {
    const [ours, theirs] = ['vm-abcdefghjk', 'vm-bcdefghjkm'] as const
    const sinceMs = dashboard.clock.nowMs() - 20 * 60_000
    const stuck = [
      { vmId: ours as VmId, ref: '4711', sinceMs, why: `LCM_INIT ${hostile}`, vos: ['lhcb'] },
      { vmId: theirs as VmId, ref: '4712', sinceMs, why: 'EPILOG', vos: ['belle'] },
    ]
    clouds = { clouds: [{ ...cloud('here'), stuck }], plan: [] }
    const shown = async (role: 'user' | 'operator'): Promise<string> =>
      (await dashboard.page('/', await signedIn(role))).text.replaceAll(/<[^>]*>/g, '')
    const all = await shown('operator')
    expect(all).toContain('Needs attention')
    expect(all).toContain(`Cloud here does not end VM ${ours} (there: 4711), which was asked for 20 min ago: LCM_INIT`)
    expect(all).toContain(theirs)
    expect(await shown('user')).toContain(ours)
    expect(await shown('user')).not.toContain(theirs)
    clouds = { clouds: [cloud('here')], plan: [] }
    await dashboard.clock.advance(60_000)
    expect(await shown('operator')).not.toContain('Needs attention')
  })
})

describe('with data', () => {
  it('shows counts, queues, VMs, clouds and jobs', async () => {
    const cookie = await signedIn()
    const [first, second] = await dashboard.submit([sampleSpec({ name: 'first' }), sampleSpec({ name: 'second' })])
    await dashboard.submit([sampleSpec({ requirements: sampleRequirements({ cores: { min: 64, max: 64 } }) })], bob)
    const vm = await dashboard.addVm('one')
    const waiting = await dashboard.addVm('waits', { said: 'PENDING: [HOST] Not enough CPU on hosts: 0' })
    const lost = await dashboard.addEndedVm('two', 'the cloud no longer lists it')
    await run(dashboard, first as JobId, vm.id)
    const made = { action: 'create', subject: 'here/small/plain', count: 3, reason: '5 jobs wait' } as const
    const plan = { atMs: dashboard.clock.nowMs(), ...made }
    const blocked = { kind: 'image', name: 'here/small/plain', state: 'open', untilMs: 0, why: 'refused' } as const
    clouds = { clouds: [{ ...cloud('here'), breakers: [blocked] }], plan: [plan] }
    const text = async (path: string): Promise<string> => (await dashboard.page(path, cookie)).text

    const overview = await text('/')
    expect(overview).toMatch(/<b>2<\/b>\s*<span>Waiting<\/span>/)
    expect(overview).toMatch(/<b>1<\/b>\s*<span>Running<\/span>/)
    expect(overview).toContain('>lhcb<')
    expect(overview).toContain('>belle<')
    expect(overview).toContain(`href="/jobs/${first}"`)
    expect(await text('/queues')).toContain('64 cores')
    expect(await text('/queues')).toContain('an offering: none fits; closest (cores: wanted 64, offered 8)')
    expect(await text('/vms')).toContain(`href="/vms/${vm.id}"`)
    expect(await text('/vms')).not.toContain(lost.id)
    expect(await text('/vms?ended=1')).toContain(`href="/vms/${lost.id}"`)
    expect(await text('/vms?ended=1')).toContain('the cloud no longer lists it')
    expect(await text(`/vms/${lost.id}`)).toMatch(/Lost[\s\S]*the cloud no longer lists it/)
    expect(await text(`/vms/${waiting.id}`)).toMatch(/Its cloud says[\s\S]*PENDING: \[HOST\] Not enough CPU on hosts: 0/)
    expect(await text(`/vms/${vm.id}`)).not.toContain('Its cloud says')
    const vmText = await text(`/vms/${vm.id}`)
    expect(vmText).toContain('1 / 8')
    expect(vmText).toContain(`href="/jobs/${first}"`)
    expect(await text('/clouds')).toContain('open until 1970-01-01T00:00:00.000Z (refused)')
    expect(await text('/clouds')).toContain('5 jobs wait')
    const jobs = await text('/jobs')
    expect(jobs.indexOf('second')).toBeLessThan(jobs.indexOf('first'))
    expect(await text(`/jobs?state=Waiting&vo=lhcb`)).not.toContain(`href="/jobs/${first}"`)
    expect(await text(`/jobs/${first}`)).toContain(`attempt 1 runs on ${vm.id} with 1 core`)
    expect(await text(`/jobs/${second}`)).toContain('waits for its turn')
  })

  it('shows what was submitted to those who may read its output, and to no other', async () => {
    const cookie = await signedIn('user')
    const spec = sampleSpec({ arguments: ['--secret', '</pre><b>'], environment: { KEY: 'value of it' } })
    const [own] = await dashboard.submit([spec])
    const [foreign] = await dashboard.submit([spec], { ...alice, owner: 'another' })
    expect((await dashboard.page(`/jobs/${own}`, cookie)).text).toContain(`href="/jobs/${own}/spec"`)
    const { text } = await dashboard.page(`/jobs/${own}/spec`, cookie)
    expect(text).toContain('&quot;KEY&quot;: &quot;value of it&quot;')
    expect(text).toContain('&lt;/pre&gt;&lt;b&gt;')
    expect((await dashboard.page(`/jobs/${own}`, cookie)).text).not.toContain('--secret')
    const refused = await dashboard.page(`/jobs/${foreign}/spec`, cookie)
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('its specification is not for this caller')
  })

  it('shows how a job ended and why nothing fits', async () => {
    const cookie = await signedIn()
    const big = sampleSpec({ requirements: sampleRequirements({ cores: { min: 64, max: 64 } }) })
    const [failed, never] = await dashboard.submit([sampleSpec(), big])
    const vm = await dashboard.addVm('one')
    await run(dashboard, failed as JobId, vm.id)
    const result = sampleResult({ exitCode: 3, wallMs: 90_000 })
    await dashboard.store.change(
      [{ kind: 'ended', jobId: failed as JobId, attempt: 1, vmId: vm.id, result }],
      dashboard.clock.nowMs(),
    )
    const { text } = await dashboard.page(`/jobs/${failed}`, cookie)
    expect(text).toContain('exit code 3')
    expect(text).toContain('1 min 30 s')
    expect(text).toMatch(/Submitted[\s\S]*Matched[\s\S]*Running[\s\S]*Failed/)
    const why = (await dashboard.page(`/jobs/${never}`, cookie)).text
    expect(why).toContain(`cannot run: no VM or offering satisfies its requirements; closest: vm ${vm.id}`)
    expect(why).toContain('<td class="no">✗ 8</td>')
  })

  it('pages through jobs and VMs', async () => {
    const cookie = await signedIn()
    const ids = await dashboard.submit(Array.from({ length: 130 }, () => sampleSpec()))
    let path: string | undefined = '/jobs?vo=lhcb'
    const seen: number[] = []
    while (path) {
      const { text } = await dashboard.page(path, cookie)
      seen.push(...[...text.matchAll(/href="\/jobs\/(\d+)"/g)].map(([, id]) => Number(id)))
      path = /rel="next" href="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
    }
    expect(seen).toEqual([...ids].reverse())
    for (let vm = 0; vm < 70; vm += 1) await dashboard.addVm(`n${vm}x`)
    const first = (await dashboard.page('/vms', cookie)).text
    expect(first).toContain('70 live VMs')
    expect(first).toContain('href="/vms?skip=60"')
    expect((await dashboard.page('/vms?skip=60', cookie)).text.match(/href="\/vms\/vm-/g)).toHaveLength(10)
  })
})

it('shows hostile names as text, on every page', async () => {
  const cookie = await signedIn()
  const owner = { vo: hostile, group: hostile, owner: hostile }
  const [id] = await dashboard.submit([sampleSpec({ name: hostile })], owner)
  await dashboard.addEndedVm('two', hostile, { cloud: hostile, flavor: hostile, reason: hostile })
  const vm = await dashboard.addVm('one', {
    cloud: hostile,
    site: hostile,
    flavor: hostile,
    reason: hostile,
    tags: [hostile],
  })
  await run(dashboard, id as JobId, vm.id)
  await dashboard.submit([sampleSpec({ requirements: sampleRequirements({ tags: [hostile] }) })], owner)
  await dashboard.store.emit(
    [{ subject: `cloud:${hostile}`, kind: hostile, data: { why: hostile } }],
    dashboard.clock.nowMs(),
  )
  const line = { atMs: 1, action: 'create', subject: hostile, count: 1, reason: hostile } as const
  const blocked = { kind: hostile, name: hostile, state: 'half-open', why: hostile } as const
  clouds = { clouds: [{ ...cloud(hostile), breakers: [blocked] }], plan: [line] }
  const query = `/jobs?owner=${encodeURIComponent(hostile.slice(0, 64))}`
  for (const path of [...pages, `/jobs/${id}`, `/vms/${vm.id}`, query, `/sign-in?to=${encodeURIComponent(hostile)}`]) {
    const { status, text } = await dashboard.page(path, cookie)
    expect(status).toBe(200)
    expect(text).not.toMatch(/<script>|<img|"'>/)
    expect(text.match(/<script /g)).toHaveLength(1)
    expect(text).not.toMatch(/ style="| on\w+="/)
  }
})

it('keeps every page below 50 KB, however much there is', async () => {
  const cookie = await signedIn()
  const long = 'because '.repeat(60)
  const name = 'n'.repeat(64)
  const owner = { vo: 'v'.repeat(64), group: name, owner: name }
  const specs = Array.from({ length: 200 }, (_, at) =>
    sampleSpec({
      name: 'j'.repeat(128),
      requirements: sampleRequirements({ memoryBytes: (at + 100) * 1024 * 1024, tags: [name] }),
    }),
  )
  const ids = await dashboard.submit(specs, owner)
  for (let at = 0; at < 100; at += 1)
    await dashboard.addVm(`n${at}x`, { reason: long, cloud: name, flavor: name, site: `${at}${name}`, tags: [name] })
  for (let at = 0; at < 100; at += 1)
    await dashboard.addEndedVm(`e${at}x`, long, { reason: long, cloud: name, flavor: name })
  const [vm] = await dashboard.store.liveVms()
  if (!vm) throw new Error('there are VMs')
  for (const id of ids) await run(dashboard, id, vm.vm.id).catch(() => {})
  await dashboard.submit(specs, owner)
  const fact = { subject: vmSubject(vm.vm.id), kind: 'Active', data: { why: long } }
  await dashboard.store.emit(
    Array.from({ length: 200 }, () => fact),
    dashboard.clock.nowMs(),
  )
  const line = { atMs: 1, action: 'hold', cause: { why: 'covered', words: long }, subject: name, count: 1 } as const
  clouds = {
    clouds: Array.from({ length: 30 }, (_, at) => cloud(`${name}${at}`)),
    plan: Array.from({ length: 500 }, () => line),
  }
  await dashboard.clock.advance(1500)
  for (const path of [...pages, `/jobs/${ids[0]}`, `/jobs/${(ids[199] ?? 0) + 5}`, `/vms/${vm.vm.id}`]) {
    const { status, text } = await dashboard.page(path, cookie)
    expect(status).toBe(200)
    expect([path, Buffer.byteLength(text) < 50_000, Buffer.byteLength(text)]).toEqual([path, true, expect.anything()])
  }
})

it('hides the jobs, queues and facts of other VOs from users', async () => {
  const [own] = await dashboard.submit([sampleSpec({ name: 'mine' })])
  const [foreign] = await dashboard.submit([sampleSpec({ name: 'theirs' })], bob)
  const vm = await dashboard.addVm('one')
  await run(dashboard, own as JobId, vm.id)
  await run(dashboard, foreign as JobId, vm.id)
  const cookie = await signedIn('user')
  for (const path of ['/', '/queues', '/jobs', `/vms/${vm.id}`]) {
    const { text } = await dashboard.page(path, cookie)
    expect(text).not.toMatch(/belle|theirs|bob/)
    expect(text).not.toContain(`href="/jobs/${foreign}"`)
  }
  expect((await dashboard.page(`/vms/${vm.id}`, cookie)).text).toContain('And 1 of other VOs.')
  expect((await dashboard.page(`/jobs/${foreign}`, cookie)).status).toBe(404)
  expect((await dashboard.page('/jobs/999', cookie)).text.replaceAll('999', String(foreign))).toContain(`no job ${foreign}`)
  expect((await dashboard.page('/jobs?vo=belle', cookie)).status).toBe(403)
  expect((await dashboard.page(`/jobs/${own}`, cookie)).status).toBe(200)
  expect((await dashboard.page(`/jobs/${foreign}`, await signedIn('operator'))).status).toBe(200)
})

it('says what is wrong with an address', async () => {
  const cookie = await signedIn()
  for (const [path, status] of [
    ['/nowhere', 404],
    ['/vms/vm-aaaaaaaaaa', 404],
    ['/vms/..%2f', 404],
    ['/jobs/abc', 400],
    ['/jobs/0', 400],
    ['/jobs?state=Sleeping', 400],
    ['/jobs?colour=red', 400],
  ] as const) {
    const page = await dashboard.page(path, cookie)
    expect([path, page.status]).toEqual([path, status])
    expect(page.text).toContain('role="alert"')
  }
})

it('shows users of a plan their own demand, and the VMs that concern them', async () => {
  const line = { atMs: 1, count: 9 }
  const limit = { why: 'limit', limit: { name: 'vms', used: 4, max: 4 } } as const
  const unread = { why: 'frozen', reading: { kind: 'never' } } as const
  clouds = {
    clouds: [cloud('here')],
    plan: [
      { ...line, action: 'hold', cause: limit, subject: 'both', byVo: { lhcb: 4, belle: 5 } },
      { ...line, action: 'create', reason: 'full', subject: 'theirs/small/plain', byVo: { belle: 9 } },
      { ...line, action: 'hold', cause: unread, subject: 'everyone' },
      { ...line, action: 'stop', reason: 'full', subject: 'vm-theirsaaaa', vos: ['belle'] },
    ],
  }
  const own = (await dashboard.page('/clouds', await signedIn('user'))).text
  expect(own).toMatch(/both/)
  expect(own).toContain('everyone')
  expect(own).not.toMatch(/theirs/)
  const json = await dashboard.app.inject({
    url: '/api/clouds',
    headers: { authorization: `Bearer ${await dashboard.token(alice)}` },
  })
  expect(json.json<{ plan: unknown[] }>().plan).toEqual([
    { ...line, action: 'hold', why: 'limit', cause: limit, reason: '4 of 4 VMs', subject: 'both', count: 4 },
    {
      ...line,
      action: 'hold',
      why: 'frozen',
      cause: unread,
      reason: expect.stringContaining('not been read'),
      subject: 'everyone',
    },
  ])
  expect((await dashboard.page('/clouds', await signedIn('operator'))).text).toMatch(/theirs/)
})
