/** The OpenNebula driver on recorded answers of a real OpenNebula, which a strict server replays. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import { silentLog } from '../../core/ports/log.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { openNebulaCloud } from '../../services/adapters/cloud/opennebula/cloud.ts'
import type { OpenNebulaOptions } from '../../services/adapters/cloud/opennebula/options.ts'
import { type CloudHarness, cloudContract } from '../contract/cloud.ts'
import type { OpenNebulaServer } from './opennebula-server.ts'
import { startOpenNebula } from './servers.ts'
import { noAmounts } from '../../core/model/resources.ts'

const clock = systemClock()
const random = systemRandom()
const gib = 1024 ** 3
const patience = { withinMs: 20_000, everyMs: 20 }

const shape = {
  cloud: 'one',
  site: 'here',
  flavor: 'small',
  image: 'worker',
  platform: 'linux',
  tags: [],
  vos: [],
  cores: 1,
  ...noAmounts,
  memoryBytes: gib / 2,
  diskBytes: 8 * gib,
  pricePerHour: 1,
}

const imageRefs: ReadonlyMap<string, VmOrder['imageRef']> = new Map([
  ['worker', { by: 'name', name: 'worker' }],
  ['nowhere', { by: 'name', name: 'nowhere' }],
  ['debian', { by: 'properties', properties: { NAME: 'debian-12', UNAME: 'oneadmin' } }],
])

const newOrder = (image = 'worker'): VmOrder => ({
  vmId: newVmId(random),
  shape: { ...shape, image },
  imageRef: imageRefs.get(image),
  userData: '#cloud-config\nruncmd: [["echo", "$HOME \\" ]]> ü"]]\n',
})

type Opened = Cloud & { close(): Promise<void> }

function openDriver(server: OpenNebulaServer, more: Partial<OpenNebulaOptions> = {}): Opened {
  return openNebulaCloud({
    name: 'one',
    installation: 'mine',
    clock,
    log: silentLog(),
    references: {
      flavors: new Map([['small', { by: 'name', name: 'small' }]]),
    },
    endpoint: server.url,
    user: server.user,
    password: server.password,
    cpuPerCore: 1,
    // The size of a disk was never recorded in an order.
    disk: 'template',
    networks: [],
    // Nor was the information about a group.
    groupQuota: false,
    powerOffDoubtMs: 0,
    callMs: 4000,
    ...more,
  })
}

async function openHarness(): Promise<CloudHarness> {
  const server = await startOpenNebula()
  const cloud = openDriver(server)
  return {
    cloud,
    order(life) {
      server.setLife(life?.ends ? 'off' : 'up')
      return newOrder()
    },
    async close() {
      await cloud.close()
      await server.close()
      expect(server.strange).toEqual([])
      expect([...server.world.vms.values()].filter((vm) => server.world.stateOf(vm) !== '6/0')).toEqual([])
    },
    skips: {
      'hands on the end of the console': 'OpenNebula hands out no console log',
    },
    provoke: {
      fullQuota: async () => server.setLimits({ vms: 0 }),
      brokenList: async () => server.trouble('one.vmpool.info', 'cut'),
      silence: async () => server.trouble('*', 'silent'),
      impossibleOrder: () => newOrder('nowhere'),
    },
  }
}

cloudContract('opennebula', openHarness, patience)

describe('OpenNebula as recorded', () => {
  let server: OpenNebulaServer
  let cloud: Opened
  const others: Opened[] = []
  beforeEach(async () => {
    server = await startOpenNebula()
    cloud = openDriver(server)
  })
  afterEach(async () => {
    await Promise.all([cloud, ...others.splice(0)].map((one) => one.close()))
    await server.close()
    expect(server.strange).toEqual([])
  })
  const another = (more: Partial<OpenNebulaOptions> = {}): Opened => {
    const opened = openDriver(server, more)
    others.push(opened)
    return opened
  }
  const callsOf = (method: string) => server.calls.filter((call) => call.method === method)
  const codeOf = async (call: Promise<unknown>): Promise<string> => {
    try {
      await call
      return 'none'
    } catch (thrown) {
      return thrown instanceof PilotageError ? thrown.code : String(thrown)
    }
  }
  const reaches = (holds: () => Promise<boolean>) => until(clock, holds, patience)

  it('puts sizes, marks and the whole context into the order, above what the template has', async () => {
    const order = newOrder()
    const { ref } = await another({ cpuPerCore: 0.5, sshKeys: 'ssh-ed25519 AAAA me' }).create(order)
    const vm = server.world.vms.get(Number(ref))
    expect(vm).toMatchObject({ name: order.vmId, cpu: '0.5', vcpu: '1', memoryMb: '512' })
    expect(Object.fromEntries(vm?.attributes ?? [])).toEqual({ PILOTAGE_INSTALLATION: 'mine', PILOTAGE_VM: order.vmId })
    expect(Object.fromEntries(vm?.context ?? [])).toEqual({
      NETWORK: 'YES',
      SSH_PUBLIC_KEY: 'ssh-ed25519 AAAA me',
      USER_DATA: Buffer.from(order.userData).toString('base64'),
      USER_DATA_ENCODING: 'base64',
    })
    expect((await cloud.list())[0]).toMatchObject({ vmId: order.vmId, ref })
  })

  it('keeps what the template has in its context', async () => {
    const { ref } = await cloud.create(newOrder())
    expect(server.world.vms.get(Number(ref))?.context.get('SSH_PUBLIC_KEY')).toBe('$USER[SSH_PUBLIC_KEY]')
  })

  it('takes an image of its own with one template for all, and networks by name', async () => {
    const networks = [new Map([['NETWORK', 'private'], ['NETWORK_UNAME', 'oneadmin']])] // biome-ignore format: pairs
    const own = another({ template: { by: 'id', id: '0' }, networks })
    const { ref } = await own.create(newOrder('debian'))
    const [text] = callsOf('one.template.instantiate').map(({ parameters }) => parameters[3]?.text ?? '')
    expect(text).toContain('DISK=[IMAGE_ID="0"]\n')
    expect(text).toContain('NIC=[NETWORK="private",NETWORK_UNAME="oneadmin"]\n')
    expect(await own.list()).toMatchObject([{ ref }])
  })

  it('finds a VM whose create was never answered, in the same call and in another process', async () => {
    server.trouble('one.template.instantiate', 'lost')
    const order = newOrder()
    const { ref } = await cloud.create(order)
    expect(await another().create(order)).toEqual({ ref })
    expect(await another().list()).toHaveLength(1)
    expect(callsOf('one.template.instantiate')).toHaveLength(1)
  })

  it('leaves alone what is not marked as ours, and counts it against the quota', async () => {
    const foreign = another({ installation: 'theirs' })
    const { ref } = await foreign.create(newOrder())
    server.world.add({ ...(server.world.vms.get(0) ?? never()), name: 'by hand', attributes: new Map() }, 'up')
    expect(await cloud.list()).toEqual([])
    for (const each of [ref, '1']) expect(await cloud.destroy(each)).toBe('gone')
    expect(callsOf('one.vm.action')).toEqual([])
    expect(await foreign.list()).toHaveLength(1)
    server.setLimits({ vms: 5, cpu: 4, memoryMb: 4096 })
    expect(await cloud.quota()).toEqual({ vms: 3, cores: 2, memoryBytes: 3 * gib })
    await cloud.create(newOrder())
    await cloud.list()
    expect(await cloud.quota()).toEqual({ vms: 3, cores: 2, memoryBytes: 3 * gib })
  })

  it('lists the pool once, and reads whole bodies only of VMs that it does not know', async () => {
    const orders = Array.from({ length: 12 }, () => newOrder())
    await Promise.all(orders.map((order) => cloud.create(order)))
    // All were asked for at once: one look for the first, one for all others.
    expect(callsOf('one.vmpool.info').length).toBeLessThanOrEqual(3)
    expect(await reaches(async () => (await cloud.list()).every(({ power }) => power === 'running'))).toBe(true)
    const before = server.calls.length
    expect(await cloud.list()).toHaveLength(12)
    expect(server.calls.slice(before).map(({ method }) => method)).toEqual(['one.vmpool.info'])
    const fresh = another()
    expect(await fresh.list()).toHaveLength(12)
    expect(server.calls.slice(before + 1).map(({ method }) => method)).toEqual(['one.vmpool.info', 'one.vmpool.infoset'])
  })

  it('reports why a VM waits, and why one failed', async () => {
    server.setLife('waits')
    const waiting = await cloud.create(newOrder())
    server.setLife('fails')
    const failing = await cloud.create(newOrder())
    const one = async (ref: string) => (await cloud.list()).find((vm) => vm.ref === ref)
    expect(await reaches(async () => (await one(waiting.ref))?.failure === 'capacity')).toBe(true)
    expect(await one(waiting.ref)).toMatchObject({
      power: 'building',
      detail: 'PENDING: Cannot dispatch VM: No host with enough capacity to deploy the VM',
    })
    expect(await reaches(async () => (await one(failing.ref))?.power === 'error')).toBe(true)
    expect((await one(failing.ref))?.detail).toMatch(/^BOOT_FAILURE: .*DEPLOY/)
    for (const { ref } of [waiting, failing]) {
      expect(await reaches(async () => (await cloud.destroy(ref)) === 'gone')).toBe(true)
    }
  })

  it('does not believe at once that a VM is off, nor at all that one is lost', async () => {
    const doubting = another({ powerOffDoubtMs: 60_000 })
    server.setLife('off')
    const { ref } = await doubting.create(newOrder())
    server.setLife('lost')
    const lost = await doubting.create(newOrder())
    const listed = async (which: string) => (await doubting.list()).find((vm) => vm.ref === which)
    expect(await reaches(async () => (await listed(ref))?.detail === 'POWEROFF')).toBe(true)
    expect(await listed(ref)).toMatchObject({ power: 'running' })
    expect(await reaches(async () => (await listed(lost.ref))?.detail === 'UNKNOWN')).toBe(true)
    expect(await listed(lost.ref)).toMatchObject({ power: 'running' })
  })

  it('asks again for the end of a VM that cannot be ended while it is brought up', async () => {
    const { ref } = await cloud.create(newOrder())
    const vm = server.world.vms.get(Number(ref)) ?? never()
    expect(await reaches(async () => server.world.stateOf(vm) === '3/1')).toBe(true)
    expect(await cloud.destroy(ref)).toBe('going')
    expect(await reaches(async () => (await cloud.destroy(ref)) === 'gone')).toBe(true)
  })

  it('says of a VM that nothing can end in which state it is, until an administrator ends it', async () => {
    server.setLife('stuck')
    const { ref } = await cloud.create(newOrder())
    const vm = server.world.vms.get(Number(ref)) ?? never()
    expect(await reaches(async () => server.world.stateOf(vm) === '3/0')).toBe(true)
    for (let round = 0; round < 3; round += 1) expect(await cloud.destroy(ref)).toBe('going')
    expect(await cloud.list()).toMatchObject([{ ref, power: 'building', detail: 'LCM_INIT' }])
    server.world.recover(vm)
    expect(await cloud.destroy(ref)).toBe('gone')
    expect(await cloud.list()).toEqual([])
  })

  it('distinguishes refusals', async () => {
    expect(await codeOf(another({ password: 'wrong' }).list())).toBe('cloud-auth')
    expect(await codeOf(another({ endpoint: server.url.replace('RPC2', 'other') }).create(newOrder()))).toBe('cloud-refused')
    const restricted = [new Map([['NETWORK_ID', '0'], ['MAC', '02:00:00:00:00:01']])] // biome-ignore format: pairs
    expect(await codeOf(another({ networks: restricted }).create(newOrder()))).toBe('cloud-refused')
    server.setLimits({ cpu: 0.5 })
    const refused = another().create(newOrder())
    await expect(refused).rejects.toMatchObject({
      code: 'cloud-quota',
      message: expect.stringContaining('limit of 0.5 reached for CPU quota'),
    })
    server.setLimits({ memoryMb: 100 })
    expect(await codeOf(another().create(newOrder()))).toBe('cloud-quota')
    expect(await cloud.list()).toEqual([])
  })

  it.each([
    'DISK 0: SIZE of 512MB is less than the image [0] size of 1024MB',
    'Total threads per core and socket needs to match VCPU',
    'NIC named a not found for alias',
    'Cannot acquire image 1, it is persistent and already in use',
    'Cannot acquire image 1, it is in state: ERROR',
  ])('takes an order that cannot be allocated for a wrong order, and not for a failing cloud: %s', async (words) => {
    server.setRefusal(16_384, words)
    await expect(cloud.create(newOrder())).rejects.toMatchObject({
      code: 'cloud-refused',
      message: expect.stringContaining(words),
    })
    expect(await cloud.list()).toEqual([])
    expect((await cloud.create(newOrder())).ref).toBe('0')
  })

  it('names the limits of the account that it does not plan for', async () => {
    const warned: object[] = []
    const log = { ...silentLog(), warn: (fields: object) => void warned.push(fields) }
    server.setLimits({ vms: 5, systemDiskMb: 4096, leases: 3, runningVms: 2 })
    const named = another({ log })
    for (let round = 0; round < 2; round += 1) expect((await named.quota()).vms).toBe(5)
    const limits = ['SYSTEM_DISK_SIZE 4096', 'LEASES of NETWORK 0 3', 'RVMS of IMAGE 0 2']
    expect(warned).toEqual([{ cloud: 'one', limits }])
  })

  it('uses a template as soon as it is there, though a list without it is a moment old', async () => {
    server.showTemplates(false)
    const refused = { code: 'cloud-refused', message: expect.stringContaining('there is no template called worker') }
    await expect(cloud.create(newOrder())).rejects.toMatchObject(refused)
    server.showTemplates(true)
    expect((await cloud.create(newOrder())).ref).toBe('0')
    expect(callsOf('one.templatepool.info')).toHaveLength(2)
    await cloud.create(newOrder())
    expect(callsOf('one.templatepool.info')).toHaveLength(2)
  })

  it('has room without end where nothing is limited', async () => {
    expect(await cloud.quota()).toEqual({ vms: Infinity, cores: Infinity, memoryBytes: Infinity })
    await cloud.create(newOrder())
    expect(await another().quota()).toEqual({ vms: Infinity, cores: Infinity, memoryBytes: Infinity })
  })

  it('is read as strictly as it answers: a call that is none is refused as recorded', async () => {
    const post = async (body: string, path = '') => (await fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'text/xml' }, body })).text() // biome-ignore format: one line
    const call = (method: string, params: string) =>
      `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`
    expect(await post('<methodCall>')).toContain('-503')
    expect(await post(call('one.vmpool.info', '<param><value><string>a:b</string></value></param>'))).toContain('-501')
    await expect(post(call('one.vm.nosuchthing', ''))).rejects.toThrow()
    expect(server.strange.splice(0)).toHaveLength(1)
  })
})

function never(): never {
  throw new Error('it is not there')
}
