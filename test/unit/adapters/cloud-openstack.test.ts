/** The OpenStack driver against a scripted cloud: what a real one cannot be made to do. The contract runs on a real one. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { ErrorCode, PilotageError } from '../../../core/kernel/errors.ts'
import { newVmId, type VmId } from '../../../core/kernel/ids.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { VmOrder } from '../../../core/ports/cloud.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import type { Reference } from '../../../core/model/reference.ts'
import { openStackCloud, type OpenStackCloud } from '../../../services/adapters/cloud/openstack/cloud.ts'
import type { Login, Machines, OpenStackOptions } from '../../../services/adapters/cloud/openstack/options.ts'
import { type Answer, scriptedOpenStack, type ScriptedOpenStack } from './scripted-openstack.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const clock = systemClock()
const password = 'a-very-secret-word'
const login: Login = {
  method: 'password',
  user: 'pilot',
  userDomain: 'Default',
  password,
  project: { by: 'name', name: 'vo', domain: 'Default' },
}
const plain: Machines = {
  networks: ['inner'],
  ownPorts: false,
  securityGroups: [],
  configDrive: false,
  bootFrom: 'image',
  tags: [],
  metadata: {},
}

let there: ScriptedOpenStack
const clouds: OpenStackCloud[] = []
beforeEach(async () => {
  there = await scriptedOpenStack()
})
afterEach(async () => {
  for (const one of clouds.splice(0)) await one.close()
  await there.close()
})

function open(machines: Partial<Machines> = {}, more: Partial<OpenStackOptions> = {}): OpenStackCloud {
  const byName = (name: string): Reference => ({ by: 'name', name })
  const cloud = openStackCloud({
    name: 'there',
    installation: 'test',
    clock,
    log: silentLog(),
    references: {
      flavors: new Map<string, Reference>([
        ['one', byName('one')],
        ['fast', { by: 'properties', properties: { vcpus: '1', hw: 'ssd' } }],
      ]),
    },
    access: { authUrl: there.authUrl, region: 'one', interface: 'public', login },
    machines: { ...plain, ...machines },
    ...more,
  })
  clouds.push(cloud)
  return cloud
}

function order(shape: Partial<VmOrder['shape']> = {}, userData = '#cloud-config\n'): VmOrder {
  const usual = { cloud: 'there', site: 's', flavor: 'one', image: 'el9', platform: 'p', tags: [], vos: [] }
  const size = { cores: 1, ...noAmounts, memoryBytes: 2 ** 31, diskBytes: 10 * 2 ** 30, pricePerHour: 0 }
  const imageRef = { by: 'name', name: 'el9' } as const
  return { vmId: newVmId(systemRandom()), shape: { ...usual, ...size, ...shape }, imageRef, userData }
}

async function failure(call: Promise<unknown>): Promise<PilotageError> {
  return call.then(
    () => expect.unreachable('it should have failed'),
    (error: PilotageError) => error,
  )
}

const isCreate = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'POST' && path.endsWith('/servers')
const isList = ({ path }: { path: string }): boolean => path.includes('/servers/detail')

describe('create', () => {
  it('orders a volume with a type where it boots from one, and joins a group by its id', async () => {
    const group = '11111111-2222-4333-8444-555555555555'
    const made = order({ flavor: 'fast' })
    await open({ bootFrom: 'volume', volumeType: 'ssd', serverGroup: group, metadata: { vo: 'lhcb' } }).create(made)
    const body = there.asked.find(isCreate)?.body
    const volume = { source_type: 'image', uuid: 'i-1', volume_size: 10, volume_type: 'ssd', delete_on_termination: true }
    expect(body).toMatchObject({
      'os:scheduler_hints': { group },
      server: {
        name: made.vmId,
        flavorRef: 'f-1',
        block_device_mapping_v2: [volume],
        networks: [{ uuid: 'n-inner' }],
        metadata: { vo: 'lhcb', 'pilotage-installation': 'test', 'pilotage-vm': made.vmId },
        tags: ['pilotage-installation=test', `pilotage-vm=${made.vmId}`],
        user_data: Buffer.from(made.userData).toString('base64'),
      },
    })
    expect(body?.server).not.toHaveProperty('imageRef')
  })

  it('finds what it made when the answer was lost, and makes nothing twice', async () => {
    const cloud = open()
    there.twist(isCreate, 'lost')
    const made = order()
    const { ref } = await cloud.create(made)
    expect(there.servers.map(({ id }) => id)).toEqual([ref])
    expect(await Promise.all([cloud.create(made), open().create(made)])).toEqual([{ ref }, { ref }])
    expect(there.count('POST', /\/servers$/)).toBe(1)
  })

  it('knows nothing after a failure of the cloud that made nothing, and makes it when asked again', async () => {
    const cloud = open()
    const made = order()
    there.twist(isCreate, { status: 503, body: { message: 'try again' } })
    expect(await failure(cloud.create(made))).toMatchObject({ code: 'cloud-transient', message: /try again/ })
    await cloud.create(made)
    expect(there.servers).toHaveLength(1)
  })

  it('gives all who ask the same of two that are there for one id', async () => {
    const made = order()
    const cloud = open()
    await cloud.create(made)
    const [first] = there.servers
    there.servers.unshift({ ...first, id: '99999999-0000-4000-8000-000000000000', created: '2026-01-02T00:00:00Z' })
    expect(await cloud.create(made)).toEqual({ ref: first?.id })
    expect((await cloud.list()).map(({ vmId }) => vmId)).toEqual([made.vmId, made.vmId])
  })

  it('refuses user data that are too large before it asks anybody', async () => {
    const { code, message } = await failure(open().create(order({}, '#'.repeat(49_152))))
    expect({ code, asked: there.asked.length }).toEqual({ code: 'cloud-refused', asked: 0 })
    expect(message).toContain('65536')
    await open().create(order({}, '#'.repeat(49_149)))
  })

  it('refuses a flavor that has less than was promised, an image that stands for two, and unknown names', async () => {
    there.images.push({ id: 'i-2', name: 'el9', status: 'active' })
    const cloud = open()
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-refused', message: /several .*i-1, i-2/ })
    there.images.pop()
    expect(await failure(cloud.create(order({ cores: 2 })))).toMatchObject({
      code: 'cloud-refused',
      message: /1 and 2048 MiB/,
    })
    for (const imageRef of [undefined, { by: 'name', name: 'el8' } as const]) {
      expect(await failure(cloud.create({ ...order(), imageRef }))).toMatchObject({ code: 'cloud-refused' })
    }
    there.flavors.length = 0
    expect(await failure(open().create(order()))).toMatchObject({ code: 'cloud-refused', message: /no flavor "one"/ })
  })
})

describe('what is kept of a cloud', () => {
  it('refuses nothing by itself: a flavor that was made anew with the promised size is taken at once', async () => {
    const cloud = open()
    expect(await failure(cloud.create(order({ cores: 2 })))).toMatchObject({ code: 'cloud-refused' })
    there.flavors.splice(0, 1, { id: 'f-2', name: 'one', vcpus: 2, ram: 2048, disk: 10 })
    await cloud.create(order({ cores: 2 }))
    expect(there.asked.findLast(isCreate)?.body.server).toMatchObject({ flavorRef: 'f-2' })
  })

  it('is a catalogue as well: a service that it lacks is looked for in a new one, once in a minute', async () => {
    let nowMs = 0
    const cloud = open({}, { clock: { ...clock, monotonicMs: () => nowMs } })
    there.services = ['compute', 'network']
    await cloud.list()
    const logins = () => there.count('POST', /auth\/tokens$/)
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-auth', message: /0 endpoints for image/ })
    expect(logins()).toBe(1)
    there.services = ['compute', 'network', 'image']
    nowMs = 61_000
    await cloud.create(order())
    expect(logins()).toBe(2)
  })
})

describe('failures', () => {
  const words = (message: string): object => ({ forbidden: { code: 403, message } })
  it.each<[string, Answer, ErrorCode]>([
    ['a full quota', { status: 403, body: words('Quota exceeded for cores') as Answer['body'] }, 'cloud-quota'],
    ['a full quota of older clouds', { status: 413, body: { overLimit: { message: 'Quota exceeded' } } }, 'cloud-quota'],
    [
      'a full quota of ports',
      { status: 409, body: { NeutronError: { type: 'OverQuota', message: 'Quota exceeded' } } },
      'cloud-quota',
    ],
    ['a policy', { status: 403, body: words("Policy doesn't allow it") as Answer['body'] }, 'cloud-auth'],
    [
      'no addresses',
      { status: 409, body: { NeutronError: { message: 'No more IP addresses available' } } },
      'cloud-capacity',
    ],
    [
      'a network that is not the only one',
      { status: 409, body: { conflictingRequest: { message: 'Multiple possible networks found, use a Network ID' } } },
      'cloud-refused',
    ],
    [
      'a network that is not for machines',
      {
        status: 403,
        body: words('It is not allowed to create an interface on external network 1') as Answer['body'],
      },
      'cloud-refused',
    ],
    ['no host', { status: 400, body: { badRequest: { message: 'No valid host was found' } } }, 'cloud-capacity'],
    ['a wrong order', { status: 400, body: { badRequest: { message: 'Invalid key_name' } } }, 'cloud-refused'],
    ['a page that moved', { status: 302, body: '', headers: { location: 'http://elsewhere.invalid/' } }, 'cloud-transient'],
    ['too many requests', { status: 429, body: '', headers: { 'retry-after': '7' } }, 'cloud-transient'],
    ['a broken proxy', { status: 502, body: '<html><h1>Bad Gateway</h1></html>' }, 'cloud-transient'],
    ['an answer that is none', { status: 202, body: '<html>welcome</html>' }, 'cloud-transient'],
    ['an answer without an id', { status: 202, body: { server: {} } }, 'cloud-transient'],
  ])('%s', async (_what, answer, code) => {
    const cloud = open()
    there.twist(isCreate, answer)
    const error = await failure(cloud.create(order()))
    expect(error.code).toBe(code)
    expect(error.retryAfterMs).toBe(answer.status === 429 ? 7000 : 0)
  })

  it('of one image are not those of the credential', async () => {
    there.twist(({ path }) => path.includes('/images/i-9'), { status: 403, body: words('Forbidden') as Answer['body'] })
    const made = { ...order(), imageRef: { by: 'id', id: 'i-9' } as const }
    expect(await failure(open().create(made))).toMatchObject({ code: 'cloud-refused', message: /Forbidden/ })
  })

  it('of an end that comes at the wrong time stay unknown', async () => {
    const cloud = open()
    const { ref } = await cloud.create(order())
    there.twist(({ method }) => method === 'DELETE', {
      status: 409,
      body: { conflictingRequest: { message: 'wrong state' } },
    })
    expect(await failure(cloud.destroy(ref))).toMatchObject({ code: 'cloud-transient' })
  })

  it('quote the cloud, but no secret', async () => {
    const cloud = open()
    const made = order({}, '#cloud-config\n# the-activation-key\n')
    const encoded = Buffer.from(made.userData).toString('base64')
    there.twist(isCreate, {
      status: 400,
      body: { badRequest: { message: `user_data. Value: ${encoded}. ${'long '.repeat(200)}` } },
    })
    const { message } = await failure(cloud.create(made))
    expect(message).toContain('user_data. Value: (not shown)')
    expect(message).not.toContain(encoded)
    expect(message.length).toBeLessThan(500)
    there.twist(() => true, { status: 401, body: { error: { message: `no: ${password}` } } })
    expect(await failure(open().list())).toMatchObject({
      code: 'cloud-auth',
      message: expect.not.stringContaining(password),
    })
  })

  it('of the catalogue name what there is', async () => {
    const access = { authUrl: there.authUrl, interface: 'public', login } as const
    const { code, message } = await failure(open({}, { access }).list())
    expect(code).toBe('cloud-auth')
    expect(message).toContain('public in one, internal in one, public in two')
  })

  it('of a Nova of another world are reported', async () => {
    there.version = { version: '2.200', min_version: '2.100' }
    expect((await failure(open().list())).message).toContain('2.100 to 2.200')
  })
})

describe('a token', () => {
  it('that is refused in the middle is got anew once, for all who wait', async () => {
    const cloud = open()
    await cloud.create(order())
    there.tokens.clear()
    const [list, quota] = await Promise.all([cloud.list(), cloud.quota()])
    expect(list).toHaveLength(1)
    expect(quota.vms).toBe(10)
    expect(there.count('POST', /auth\/tokens$/)).toBe(2)
  })

  it('that is refused again is a credential of no use', async () => {
    const cloud = open()
    for (let times = 0; times < 2; times += 1) there.twist(isList, { status: 401, body: '' })
    expect((await failure(cloud.list())).code).toBe('cloud-auth')
    expect(await cloud.list()).toEqual([])
  })

  it('is renewed before it ends', async () => {
    let lateMs = 0
    const later = { ...clock, monotonicMs: () => clock.monotonicMs() + lateMs }
    const cloud = open({}, { clock: later })
    await cloud.list()
    lateMs = 3600_000 - 90_000
    await cloud.list()
    expect(there.count('POST', /auth\/tokens$/)).toBe(1)
    lateMs = 3600_000 - 30_000
    await cloud.list()
    expect(there.count('POST', /auth\/tokens$/)).toBe(2)
  })
})

describe('a list', () => {
  async function filled(count: number): Promise<OpenStackCloud> {
    const cloud = open({}, { pageSize: 2 })
    for (let made = 0; made < count; made += 1) await cloud.create(order())
    return cloud
  }

  it('is read by pages, with what others have left out', async () => {
    const cloud = await filled(5)
    const [first] = there.servers
    there.servers.push({ ...first, id: 'theirs', metadata: { 'pilotage-installation': 'another' } })
    expect((await cloud.list()).map(({ ref }) => ref)).toEqual(there.servers.slice(0, 5).map(({ id }) => id))
  })

  it.each([
    ['No valid host was found. There are not enough hosts available.', 'capacity'],
    ['Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures', 'capacity'],
    ['VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota volumes', 'quota'],
    ['Build of instance was re-scheduled: Image 1 could not be read', undefined],
  ])('says what is to blame for a machine that failed: %s', async (message, failure) => {
    const cloud = open()
    await cloud.create(order())
    Object.assign(there.servers[0] ?? {}, { status: 'ERROR', fault: { message } })
    expect((await cloud.list())[0]).toMatchObject({ power: 'error', detail: message })
    expect((await cloud.list())[0]?.failure).toBe(failure)
  })

  it('says what Nova does with a machine that is built or deleted', async () => {
    const cloud = open()
    await cloud.create(order())
    const [server = {}] = there.servers
    for (const [status, task, power, detail] of [
      ['BUILD', 'block_device_mapping', 'building', 'block_device_mapping'],
      ['ACTIVE', 'deleting', 'ending', 'deleting'],
      ['ACTIVE', null, 'running', ''],
      ['ACTIVE', 'powering-off', 'running', ''],
    ] as const) {
      Object.assign(server, { status, 'OS-EXT-STS:task_state': task })
      expect(await cloud.list()).toMatchObject([{ power, detail }])
    }
  })

  it('lists the addresses, floating ones last', async () => {
    const cloud = await filled(2)
    const floating = { addr: '192.0.2.7', version: 4, 'OS-EXT-IPS:type': 'floating' }
    const fixed = { addr: '10.0.0.7', version: 4, 'OS-EXT-IPS:type': 'fixed' }
    const addresses = { inner: [floating, fixed], outer: [{ addr: 'fd00::7', version: 6 }] }
    Object.assign(there.servers[0] ?? {}, { status: 'ACTIVE', addresses })
    expect((await cloud.list()).map((one) => one.addresses)).toEqual([['10.0.0.7', 'fd00::7', '192.0.2.7'], undefined])
  })

  it('goes on behind a page that is short and has no link to the next one', async () => {
    const cloud = await filled(4)
    there.twist(isList, { status: 200, body: { servers: there.servers.slice(0, 1) } })
    expect(await cloud.list()).toHaveLength(4)
  })

  it.each<[string, Answer]>([
    [
      'loses the machine that its second page begins behind',
      { status: 400, body: { badRequest: { message: 'marker not found' } } },
    ],
    ['fails on its second page', { status: 500, body: '' }],
    ['has half a document for its second page', { status: 200, body: '{"servers": [{"id"' }],
    ['has something else for its second page', { status: 200, body: { hello: [] } }],
    ['ends with a promise of more', { status: 200, body: { servers: [], servers_links: [{ rel: 'next' }] } }],
    ['has a server that Nova cannot read', { status: 200, body: { servers: [{ id: 'x', status: 'UNKNOWN' }] } }],
  ])('that %s is an error', async (_what, answer) => {
    const cloud = await filled(3)
    there.twist(({ path }) => path.includes('marker='), answer)
    expect((await failure(cloud.list())).code).toBe('cloud-transient')
    expect(await cloud.list()).toHaveLength(3)
  })

  it('that lacks a cell which does not answer is an error', async () => {
    const cloud = await filled(1)
    const unread = { servers: [{ id: 'somewhere', status: 'UNKNOWN' }] }
    there.twist(({ path }) => path.endsWith('/servers'), { status: 200, body: unread })
    expect((await failure(cloud.list())).code).toBe('cloud-transient')
  })

  it('reports what Nova says of a failed machine, also where only the machine itself says it', async () => {
    const cloud = await filled(2)
    Object.assign(there.servers[0] ?? {}, { status: 'ERROR' })
    Object.assign(there.servers[1] ?? {}, { status: 'ERROR', fault: { message: 'out of luck' } })
    const fault = { message: 'no\n host' }
    there.twist(({ path }) => path.endsWith(`/servers/${there.servers[0]?.id}`), {
      status: 200,
      body: { server: { ...there.servers[0], fault } },
    })
    for (let times = 0; times < 2; times += 1) {
      expect((await cloud.list()).map(({ power, detail }) => [power, detail])).toEqual([
        ['error', 'no host'],
        ['error', 'out of luck'],
      ])
    }
  })
})

describe('an end', () => {
  it('is not taken from a proxy that lost its way, nor asked for what bears another mark', async () => {
    const cloud = open()
    const { ref } = await cloud.create(order())
    const lost: Answer = { status: 404, body: '<html>no such page</html>' }
    there.twist(({ path }) => path.endsWith(ref), lost)
    expect((await failure(cloud.destroy(ref))).code).toBe('cloud-transient')
    there.servers.push({ ...there.servers[0], id: 'theirs', metadata: {} })
    expect((await failure(cloud.destroy('theirs'))).code).toBe('cloud-refused')
    expect(there.count('DELETE', /./)).toBe(0)
    expect(await cloud.destroy(ref)).toBe('going')
    expect(await cloud.destroy(ref)).toBe('gone')
  })

  it('is for good where Nova keeps deleted servers for a while', async () => {
    const cloud = open()
    const { ref } = await cloud.create(order())
    Object.assign(there.servers[0] ?? {}, { status: 'SOFT_DELETED' })
    expect((await cloud.list())[0]?.power).toBe('ending')
    expect(await cloud.destroy(ref)).toBe('going')
    expect(there.asked.at(-1)?.body).toEqual({ forceDelete: null })
  })
})

describe('ports and addresses of our own', () => {
  const own = { floatingNetwork: 'outer' }

  it('are used again after an unknown outcome, and go before their machine', async () => {
    const cloud = open(own)
    const made = order()
    there.twist(isCreate, { status: 500, body: '' })
    await failure(cloud.create(made))
    const { ref } = await cloud.create(made)
    expect([there.ports.length, there.floatingips.length]).toEqual([1, 1])
    const foreign = { ...there.ports[0], id: 'theirs', description: 'pilotage another vm-0000000000' }
    there.ports.push(foreign)
    await cloud.destroy(ref)
    expect(there.ports).toEqual([foreign])
    expect(there.floatingips).toEqual([])
    expect(there.asked.slice(-3).map(({ method, path }) => `${method} ${path.split('/')[3]}`)).toEqual([
      'DELETE floatingips',
      'DELETE ports',
      'DELETE servers',
    ])
  })

  it('go again when the order was refused', async () => {
    there.twist(isCreate, { status: 403, body: { forbidden: { message: 'Quota exceeded' } } })
    expect((await failure(open(own).create(order()))).code).toBe('cloud-quota')
    expect([there.ports, there.floatingips]).toEqual([[], []])
  })

  it('without a machine are listed when they are old, and removed by the reference that the list gives', async () => {
    const cloud = open(own)
    const vmId = newVmId(systemRandom())
    const leave = (id: string, of: VmId, created_at: string, device_id: string): unknown =>
      there.ports.push({ id, name: 'pilotage test', description: `pilotage test ${of}`, created_at, device_id })
    leave('old', vmId, '2026-01-01T11:00:00', '')
    leave('young', newVmId(systemRandom()), '2026-01-01T11:58:00Z', '')
    leave('used', newVmId(systemRandom()), '2026-01-01T11:00:00Z', 'a-server')
    expect(await cloud.list()).toMatchObject([{ ref: `left-${vmId}`, vmId, power: 'error' }])
    expect(await cloud.destroy(`left-${vmId}`)).toBe('gone')
    expect(there.ports.map(({ id }) => id)).toEqual(['young', 'used'])
  })
})

it('counts what others use against the quota, by figures of all kinds', async () => {
  const cloud = open()
  await cloud.create(order())
  Object.assign(there.servers[0] ?? {}, { flavor: { vcpus: 1, ram: 2048 } })
  there.limits = { ...there.limits, totalInstancesUsed: 4, totalCoresUsed: 4, totalRAMUsed: 8192 }
  expect(await cloud.quota()).toEqual({ vms: 7, cores: Infinity, memoryBytes: (20480 - 6144) * 2 ** 20 })
  Object.assign(there.servers[0] ?? {}, { flavor: { id: 'f-1' } })
  expect((await cloud.quota()).memoryBytes).toBe((20480 - 6144) * 2 ** 20)
})

it('hands on the last 64 KiB of a console, whole letters', async () => {
  const cloud = open()
  const { ref } = await cloud.create(order())
  there.twist(({ path }) => path.endsWith('/action'), { status: 200, body: { output: `${'é'.repeat(40_000)}end` } })
  const text = await cloud.consoleLog(ref)
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(64 * 1024)
  expect(text).toMatch(/^é+end$/)
})
