/**
 * The permission table over HTTP: every route and page is asked for as every kind of caller, towards what is the caller's
 * own, of the same VO, and foreign.
 *
 * The routes and what each cell must answer come from the tables of routes and of actions, so a new route is tried by
 * itself. A route without a way to ask for it does not compile.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ActionRow, actions, reachOf } from '../../../core/access/actions.ts'
import type { Reach } from '../../../core/access/reach.ts'
import type { Identity, Owner } from '../../../core/model/owner.ts'
import { readAssets } from '../../../services/dashboard/assets.ts'
import { type Route, routeActions } from '../../../services/dashboard/routes.ts'
import { alice, sampleSpec } from '../../../sim/samples.ts'
import { type TestDashboard, form, openTestDashboard } from './test-dashboard.ts'

/** `roleless`: a valid token of the VO that gives no role. */
const callers = ['anonymous', 'roleless', 'vm', 'user', 'operator', 'admin'] as const
type Caller = (typeof callers)[number]
const targets = ['own', 'vo', 'foreign'] as const
type Target = (typeof targets)[number]
type Class = 'allowed' | 'not-found' | 'forbidden' | 'unauthenticated'

const ownerOf: Readonly<Record<Target, Owner>> = {
  own: { vo: 'lhcb', group: 'users', owner: 'ada' },
  vo: { vo: 'lhcb', group: 'users', owner: 'ben' },
  foreign: { vo: 'belle', group: 'users', owner: 'eve' },
}
const identities: Readonly<Record<Exclude<Caller, 'anonymous'>, Identity>> = {
  roleless: { kind: 'user', owner: ownerOf.own, roles: [] },
  vm: { kind: 'vm', vmId: 'vm-aaaaaaaaaa' as never },
  user: { kind: 'user', owner: ownerOf.own, roles: ['user'] },
  operator: { kind: 'user', owner: ownerOf.own, roles: ['operator'] },
  admin: { kind: 'user', owner: ownerOf.own, roles: ['admin'] },
}

/** Of each target: a job and a VM that serves its VO alone. */
type Given = { readonly target: Target; readonly jobId: number; readonly vmId: string }
type Trial = {
  readonly url?: (given: Given) => string
  /** Whether an answer shows the target; absent: no target can be named, or it is named in the path. */
  readonly seen?: (text: string, given: Given) => boolean
  /** A job that the caller may read, and this not, is refused by name. */
  readonly isOnJob?: true
}

const plain: Trial = {}
const job = ({ jobId }: Given) => `/jobs/${jobId}`
const vm = ({ vmId }: Given) => `/vms/${vmId}`
const shows = (what: (given: Given) => string): Trial['seen'] => {
  return (text, given) => text.includes(what(given))
}
const ownerName = ({ target }: Given): string => ownerOf[target].owner
const voName = ({ target }: Given): string => `demand of ${ownerOf[target].vo}`
const vmName = ({ vmId }: Given): string => vmId

const trials: Readonly<Record<Route, Trial>> = {
  'GET /health': plain,
  'GET /assets/:file': { url: () => assetPath },
  'GET /sign-in': plain,
  'POST /sign-in': plain,
  'POST /sign-out': plain,
  'GET /': { seen: shows(({ jobId }) => `/jobs/${jobId}"`) },
  'GET /queues': { seen: shows(ownerName) },
  'GET /vms': { seen: shows(vmName) },
  'GET /vms/:id': { url: vm },
  'GET /clouds': { seen: shows(voName) },
  'GET /jobs': { seen: shows(ownerName) },
  'GET /jobs/:id': { url: job },
  'GET /jobs/:id/spec': { url: (given) => `${job(given)}/spec`, isOnJob: true },
  'GET /api/status': { seen: shows(({ target }) => `"vo":"${ownerOf[target].vo}"`) },
  'GET /api/queues': { seen: shows(ownerName) },
  'GET /api/vms': { seen: shows(vmName) },
  'GET /api/vms/:id': { url: (given) => `/api${vm(given)}` },
  'GET /api/clouds': { seen: shows(voName) },
  'GET /api/images': plain,
  'GET /api/jobs': { seen: shows(ownerName) },
  'GET /api/jobs/:id': { url: (given) => `/api${job(given)}` },
  'GET /api/jobs/:id/spec': { url: (given) => `/api${job(given)}/spec`, isOnJob: true },
  'GET /api/facts': { seen: shows(({ jobId }) => `"job:${jobId}"`) },
  // Its answer has no end: what it sends is tried in events.test.ts.
  'GET /api/events': { url: () => '/api/events?after=x' },
}

let dashboard: TestDashboard
let assetPath: string
const given = new Map<Target, Given>()
const tokens = new Map<Caller, string>()
const cookies = new Map<Caller, string>()

beforeAll(async () => {
  const row = (vo: string) => {
    const common = { atMs: 1, action: 'hold', cause: { why: 'limit', words: 'full' }, count: 1 } as const
    return { ...common, subject: `demand of ${vo}`, byVo: { [vo]: 1 } }
  }
  dashboard = await openTestDashboard(async () => ({ clouds: [], plan: [row('lhcb'), row('belle')] }))
  assetPath = (await readAssets()).paths['icon.svg']
  for (const target of targets) {
    const [jobId = 0] = await dashboard.submit([sampleSpec()], ownerOf[target])
    const { id } = await dashboard.addVm(target, { vos: [ownerOf[target].vo] })
    await dashboard.store.emit([{ subject: `job:${jobId}` as never, kind: 'console', data: {} }], 1)
    given.set(target, { target, jobId, vmId: id })
  }
  const untilMs = dashboard.clock.nowMs() + 3_600_000
  for (const [caller, identity] of Object.entries(identities) as [Caller, Identity][]) {
    const token = await dashboard.tokens.issue(identity, untilMs)
    tokens.set(caller, token)
    cookies.set(caller, await dashboard.signIn(token))
  }
})
afterAll(() => dashboard.stop())

async function outcome(route: Route, caller: Caller, target: Target): Promise<Class | string> {
  const [method = '', path = ''] = route.split(' ')
  const { url, seen } = trials[route]
  const what = given.get(target) as Given
  const token = path.startsWith('/api') ? tokens.get(caller) : undefined
  const cookie = cookies.get(caller) ?? ''
  const answer = await dashboard.app.inject({
    ...(method === 'POST' ? form({ token: await dashboard.token(alice) }) : {}),
    method: method as 'GET' | 'POST',
    url: url?.(what) ?? path,
    headers: {
      ...(method === 'POST' ? form({}).headers : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      // A sign-out ends the session: it has none here.
      ...(cookie === '' || method === 'POST' ? {} : { cookie }),
    },
  })
  const isSentToSignIn = method === 'GET' && answer.statusCode === 303
  if (answer.statusCode === 401 || isSentToSignIn) return 'unauthenticated'
  if (answer.statusCode === 403) return 'forbidden'
  if (answer.statusCode === 404) return 'not-found'
  // The parameters are looked at after the caller.
  if (answer.statusCode === 400 && route === 'GET /api/events') return 'allowed'
  if (answer.statusCode !== 200 && answer.statusCode !== 303) return `${answer.statusCode} ${answer.body}`
  return seen && !seen(answer.body, what) ? 'not-found' : 'allowed'
}

const fromNear: readonly Reach[] = ['none', 'own', 'vo', 'any']
const reached: Readonly<Record<Reach, readonly Target[]>> = { none: [], own: ['own'], vo: ['own', 'vo'], any: targets }

/** What the tables say that a cell answers: the least of what the route's actions allow. */
function expected(route: Route, caller: Caller, target: Target): Class {
  const rows: readonly ActionRow[] = routeActions[route].map((action) => actions[action])
  if (rows.every(({ anonymous }) => anonymous === 'any')) return 'allowed'
  const identity = caller === 'anonymous' ? undefined : identities[caller]
  if (reachOf('dashboard.use', identity) === 'none') return 'unauthenticated'
  const reaches = routeActions[route].map((action) => fromNear.indexOf(reachOf(action, identity)))
  const reach = fromNear[Math.min(...reaches)] ?? 'none'
  if (reach === 'none') return 'forbidden'
  const { url, seen, isOnJob } = trials[route]
  const isTargetless = route === 'GET /api/events' || (!url && !seen)
  if (isTargetless || reached[reach].includes(target)) return 'allowed'
  return isOnJob && reached[reachOf('job.read', identity)].includes(target) ? 'forbidden' : 'not-found'
}

describe('access over HTTP', () => {
  it.each(Object.keys(routeActions) as Route[])('%s lets in each caller as far as its actions reach', async (route) => {
    // Strangers of one address wait for their turn.
    await dashboard.clock.advance(1000)
    const found: Record<string, readonly string[]> = {}
    const wanted: Record<string, readonly string[]> = {}
    for (const caller of callers) {
      const cells: string[] = []
      for (const target of targets) cells.push(await outcome(route, caller, target))
      found[caller] = cells
      wanted[caller] = targets.map((target) => expected(route, caller, target))
    }
    expect(found).toEqual(wanted)
  })
})
