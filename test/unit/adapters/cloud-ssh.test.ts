/** The SSH driver against hosts that are played: what real ones cannot be made to do. The contract runs on real ones. */

import { afterEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock, until } from '../../../core/kernel/clock.ts'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { newVmId, type VmId } from '../../../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../../../core/ports/cloud.ts'
import type { CloudVm } from '../../../core/model/cloud.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { sshCloud } from '../../../services/adapters/cloud/ssh/cloud.ts'
import { deliveringCloud } from '../../../services/adapters/cloud/ssh/deliver.ts'
import type { SshCloudOptions, SshHost } from '../../../services/adapters/cloud/ssh/options.ts'
import { memoryKeep } from '../../support/memory-keep.ts'
import { newKey, type PlayedHost, playHost } from '../../support/ssh-server.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const clock = systemClock()
const gib = 1024 ** 3
const privateKey = newKey()
const secret = 'the-activation-key'
/** Enough for a machine that is busy with other tests, and all that a silent host costs. */
const patience = { withinMs: 30_000, everyMs: 20 }

const played: PlayedHost[] = []
const opened: { close(): void }[] = []
afterEach(async () => {
  for (const cloud of opened.splice(0)) cloud.close()
  for (const host of played.splice(0)) await host.stop()
})

async function play(hostKey?: string, port?: number): Promise<PlayedHost> {
  const host = await playHost(privateKey, hostKey, port)
  played.push(host)
  return host
}

const asHost = ({ port }: PlayedHost, more: Partial<SshHost> = {}): SshHost => ({
  address: '127.0.0.1',
  port,
  flavor: 'desk',
  ...more,
})

function open(hosts: readonly SshHost[], more: Partial<SshCloudOptions> = {}): Cloud {
  const cloud = sshCloud({
    name: 'rack',
    installation: 'mine.rack',
    clock,
    log: silentLog(),
    login: { user: 'root', privateKey, sudo: false },
    hosts,
    sizes: new Map([['desk', { cores: 4, memoryBytes: 8 * gib }]]),
    keep: memoryKeep(),
    callMs: 20_000,
    hostMs: 10_000,
    ...more,
  })
  opened.push(cloud)
  return cloud
}

function order(image = 'plain'): VmOrder {
  const usual = { cloud: 'rack', site: 's', flavor: 'desk', image, platform: 'linux', tags: [], vos: [] }
  const size = { cores: 4, ...noAmounts, memoryBytes: 8 * gib, diskBytes: gib, pricePerHour: 0 }
  return { vmId: newVmId(systemRandom()), shape: { ...usual, ...size }, userData: `#!/bin/sh\n# ${secret}\n` }
}

async function failure(call: Promise<unknown>): Promise<PilotageError> {
  return call.then(
    () => expect.unreachable('it should have failed'),
    (error: PilotageError) => error,
  )
}

/** Logins are slow on a busy machine. */
const timeout = 120_000

describe('a host', { timeout }, () => {
  it('gets its script once, by standard input, and keeps its key', async () => {
    const host = await play()
    const keep = memoryKeep()
    const cloud = open([asHost(host)], { keep })
    const made = order()
    const { ref } = await cloud.create(made)
    expect(await cloud.create(made)).toEqual({ ref })
    expect(host.scripts).toEqual([made.userData])
    expect(host.commands.join()).not.toContain(secret)
    expect(keep.texts().join()).toContain(host.fingerprint)
    expect(keep.texts().join()).not.toContain(secret)
    expect(await cloud.list()).toMatchObject([{ ref, vmId: made.vmId, power: 'running', addresses: ['127.0.0.1'] }])
    expect(await cloud.consoleLog(ref)).toBe('the console')
    expect(await cloud.destroy(ref)).toBe('gone')
    expect(host.claim).toBeUndefined()
  })

  it('becomes root by sudo, which does not ask', async () => {
    const host = await play()
    await open([asHost(host)], { login: { user: 'ada', privateKey, sudo: true } }).list()
    expect(host.commands[0]).toMatch(/^sudo -n '\/bin\/sh' /)
  })

  it('with another key than the first time gets nothing, until the operator says so', async () => {
    const host = await play()
    const keep = memoryKeep()
    await open([asHost(host)], { keep }).list()
    await host.stop()
    const other = await play(newKey(), host.port)
    const cloud = open([asHost(other)], { keep })
    const { code, message } = await failure(cloud.list())
    expect([code, message]).toEqual([
      'cloud-auth',
      expect.stringContaining(`is ${other.fingerprint}, not ${host.fingerprint}`),
    ])
    expect((await failure(cloud.create(order()))).code).toBe('cloud-auth')
    expect([other.logins, other.commands]).toEqual([0, []])
    expect(await open([asHost(other, { hostKey: other.fingerprint })], { keep }).list()).toEqual([])
    expect(await open([asHost(other)], { keep }).list()).toEqual([])
  })

  it('that does not let us in says so, and is not used where another one is', async () => {
    const host = await play()
    host.mood = 'refusing'
    const cloud = open([asHost(host)])
    expect(await failure(cloud.list())).toMatchObject({ code: 'cloud-auth', message: /authentication/ })
    expect((await failure(cloud.create(order()))).code).toBe('cloud-auth')
    const good = await play()
    const both = open([asHost(host), asHost(good)])
    expect((await both.create(order())).ref).toContain(`:${good.port}/`)
    expect(await both.list()).toHaveLength(1)
  })

  it('of one flavor that is not reached says nothing about the hosts of another flavor', async () => {
    const [refusing, good] = [await play(), await play()]
    refusing.mood = 'refusing'
    const sizes = new Map(['desk', 'tower'].map((flavor) => [flavor, { cores: 4, memoryBytes: 8 * gib }]))
    const cloud = open([asHost(refusing), asHost(good, { flavor: 'tower' })], { sizes })
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-capacity', message: /authentication/ })
    await refusing.stop()
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-capacity', message: /ECONNREFUSED/ })
    expect((await cloud.create({ ...order(), shape: { ...order().shape, flavor: 'tower' } })).ref).toContain(
      `:${good.port}/`,
    )
  })

  it('that is silent costs its own time only, and is left out without a claim', async () => {
    const [silent, good] = [await play(), await play()]
    silent.mood = 'silent'
    const cloud = open([asHost(silent), asHost(good)], { hostMs: 5000 })
    expect(await cloud.list()).toEqual([])
    const { ref } = await cloud.create(order())
    expect(ref).toContain(`:${good.port}/`)
    expect(await failure(cloud.create(order()))).toMatchObject({ code: 'cloud-capacity', message: /1 not reached/ })
    good.mood = 'silent'
    expect((await failure(open([asHost(good)], { callMs: 1500 }).list())).code).toBe('cloud-transient')
    expect((await failure(open([asHost(good)], { callMs: 1500 }).quota())).code).toBe('cloud-transient')
    expect((await failure(open([asHost(good)], { callMs: 1500 }).destroy('any'))).code).toBe('cloud-transient')
  })

  it('that breaks off in the middle of the script keeps its claim, and gets the whole script the next time', async () => {
    const host = await play()
    const keep = memoryKeep()
    const cloud = open([asHost(host)], { keep })
    await cloud.list()
    const made = { ...order(), userData: `#!/bin/sh\n${'# long\n'.repeat(50_000)}` }
    host.mood = 'breaking-off'
    expect((await failure(cloud.create(made))).code).toBe('cloud-transient')
    expect(host.scripts).toEqual([])
    // Noted before it was touched: no other VM gets it in between.
    expect((await failure(cloud.create(order()))).code).toBe('cloud-capacity')
    host.mood = 'well'
    expect((await cloud.create(made)).ref).toContain(made.vmId)
    expect(host.scripts).toEqual([made.userData])
    expect(await cloud.list()).toHaveLength(1)
  })

  it('that talks without end is not listened to', async () => {
    const host = await play()
    host.mood = 'endless'
    expect(await failure(open([asHost(host)]).list())).toMatchObject({ code: 'cloud-transient', message: /more than/ })
  })

  it('that another installation has is neither counted nor touched', async () => {
    const host = await play()
    host.claim = { mark: 'theirs.rack', vmId: newVmId(systemRandom()), made: '1' }
    const cloud = open([asHost(host)])
    expect(await cloud.list()).toEqual([])
    expect(await cloud.quota()).toEqual({ vms: 0, cores: 0, memoryBytes: 0 })
    expect((await failure(cloud.create(order()))).code).toBe('cloud-capacity')
    expect(host.scripts).toEqual([])
  })

  it('whose claim is missing in our notes is known by the files on it', async () => {
    const host = await play()
    const { vmId } = order()
    host.claim = { mark: 'mine.rack', vmId, made: '1700000000000' }
    host.state = 'failed 7 no luck'
    const cloud = open([asHost(host)])
    expect(await cloud.list()).toMatchObject([
      { vmId, power: 'error', detail: 'the script ended with 7: no luck', createdMs: 1_700_000_000_000 },
    ])
  })

  it('is not touched where the notes cannot be written', async () => {
    const host = await play()
    const keep = memoryKeep()
    const cloud = open([asHost(host)], { keep })
    await cloud.list()
    keep.fail('write')
    expect((await failure(cloud.create(order()))).code).toBe('cloud-transient')
    expect([host.claim, host.scripts]).toEqual([undefined, []])
  })
})

describe('a machine without cloud-init', { timeout }, () => {
  /** A cloud that shows what it made, at the address and with the power that the test says. */
  function around(host: PlayedHost, more: { port?: number; clock?: Clock } = {}) {
    const vms = new Map<VmId, CloudVm>()
    const orders: VmOrder[] = []
    const inner: Cloud = {
      name: 'far',
      async create(made) {
        orders.push(made)
        vms.set(made.vmId, { ref: `r-${made.vmId}`, vmId: made.vmId, power: 'building', detail: '', createdMs: 1 })
        return { ref: `r-${made.vmId}` }
      },
      list: async () => [...vms.values()],
      async destroy(ref) {
        for (const [vmId, vm] of vms) if (vm.ref === ref) vms.delete(vmId)
        return 'gone'
      },
      consoleLog: async () => '',
      quota: async () => ({ vms: 1, cores: 1, memoryBytes: gib }),
    }
    const cloud = deliveringCloud(inner, {
      clock: more.clock ?? clock,
      log: silentLog(),
      login: { user: 'root', privateKey, sudo: false },
      port: more.port ?? host.port,
      images: new Set(['bare']),
      keepMs: 60_000,
    })
    const show = (vmId: VmId, changes: Partial<CloudVm>): void => {
      const vm = vms.get(vmId)
      if (vm) vms.set(vmId, { ...vm, ...changes })
    }
    const powerOf = async (): Promise<string> => (await cloud.list()).map(({ power }) => power).join()
    return { cloud, orders, show, powerOf }
  }

  it('is made without user data, set up by SSH when it is there, and runs from then on', async () => {
    const host = await play()
    const { cloud, orders, show, powerOf } = around(host)
    const made = order('bare')
    await cloud.create(made)
    expect(orders.map(({ userData }) => userData)).toEqual([''])
    show(made.vmId, { power: 'running' })
    expect(await powerOf()).toBe('building')
    expect(host.commands).toEqual([])
    show(made.vmId, { addresses: ['127.0.0.1'] })
    expect(await until(clock, async () => (await powerOf()) === 'running', patience)).toBe(true)
    expect(host.scripts).toEqual([made.userData])
    expect(host.commands.join()).not.toContain(secret)
  })

  it('is not forgotten when the wall clock of the service is moved', async () => {
    const host = await play()
    let movedMs = 0
    const moved = { ...clock, nowMs: () => clock.nowMs() + movedMs }
    const { cloud, show, powerOf } = around(host, { clock: moved })
    const made = order('bare')
    await cloud.create(made)
    show(made.vmId, { power: 'running' })
    movedMs = 86_400_000
    expect(await powerOf()).toBe('building')
    show(made.vmId, { addresses: ['127.0.0.1'] })
    expect(await until(clock, async () => (await powerOf()) === 'running', patience)).toBe(true)
    expect(host.scripts).toEqual([made.userData])
  })

  it('is asked again while it does not answer, and listed with the reason why it is still building', async () => {
    const host = await play()
    host.mood = 'refusing'
    const { cloud, show, powerOf } = around(host)
    const made = order('bare')
    await cloud.create(made)
    show(made.vmId, { power: 'running', addresses: ['127.0.0.1'] })
    const isListed = async (): Promise<boolean> => /not reached by SSH/.test((await cloud.list())[0]?.detail ?? '')
    expect(await until(clock, isListed, patience)).toBe(true)
    expect(await powerOf()).toBe('building')
    host.mood = 'well'
    expect(await until(clock, async () => (await powerOf()) === 'running', patience)).toBe(true)
    expect(host.scripts).toHaveLength(1)
  })

  it('gets nothing when it shows another key than at first', async () => {
    const host = await play()
    const { cloud, show } = around(host)
    const made = order('bare')
    await cloud.create(made)
    host.mood = 'breaking-off'
    show(made.vmId, { power: 'running', addresses: ['127.0.0.1'] })
    await cloud.list()
    expect(await until(clock, () => host.commands.length > 0, patience)).toBe(true)
    await host.stop()
    const other = await play(newKey(), host.port)
    const isListed = async (): Promise<boolean> => /its host key is/.test((await cloud.list())[0]?.detail ?? '')
    expect(await until(clock, isListed, patience)).toBe(true)
    expect([other.logins, other.scripts]).toEqual([0, []])
  })

  it('is left to cloud-init where its image has it, and forgotten with its end', async () => {
    const host = await play()
    const { cloud, orders, show, powerOf } = around(host)
    const made = order('plain')
    await cloud.create(made)
    expect(orders[0]?.userData).toContain(secret)
    show(made.vmId, { power: 'running', addresses: ['127.0.0.1'] })
    expect(await powerOf()).toBe('running')
    const bare = order('bare')
    const { ref } = await cloud.create(bare)
    expect(await cloud.destroy(ref)).toBe('gone')
    expect(host.commands).toEqual([])
  })
})
