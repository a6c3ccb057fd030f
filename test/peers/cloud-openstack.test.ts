/**
 * The OpenStack driver on a real OpenStack: the port's contract, and what only this driver promises. The hypervisor is
 * Nova's fake one: no guest ever runs, everything around it is real.
 */

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import { cloudContract, type CloudHarness } from '../contract/cloud.ts'
import type { OpenStackPeer } from './openstack-peer.ts'
import { clock, comesTo, end, listeningKeystone, openWorld, patience, type World } from './openstack-world.ts'
import { startOpenStack } from './servers.ts'

const longMs = 600_000
const settleMs = 20_000
/** As many as Nova's API has workers there: others would wait for these. */
const atOnce = 2
const fakeConsole = 'the fake hypervisor writes the same three lines on every console; what it hands on is tested below'

let peer: OpenStackPeer
beforeAll(() => {
  peer = startOpenStack()
})

cloudContract('OpenStack', async () => openHarness(openWorld(peer.facts)), patience)

function openHarness(world: World): CloudHarness {
  const usual = world.cloud()
  let inner: Cloud = usual
  const ending = new Set<VmId>()
  let isSilent = false
  const silence = async (): Promise<void> => {
    isSilent = true
    peer.silence()
  }
  const cloud: Cloud = {
    name: usual.name,
    async create(order) {
      const made = isSilent ? await inner.create(order) : await created(inner, order)
      if (ending.has(order.vmId)) await switchOff(world, made.ref)
      return made
    },
    list: () => inner.list(),
    destroy: (ref) => inner.destroy(ref),
    consoleLog: (ref) => inner.consoleLog(ref),
    quota: () => inner.quota(),
  }
  let make = world.order
  return {
    cloud,
    order({ ends } = {}) {
      const order = make()
      if (ends) ending.add(order.vmId)
      return order
    },
    async close() {
      peer.speak()
      await world.close()
    },
    skips: { 'hands on the end of the console': fakeConsole },
    provoke: {
      // A project with four cores, of which a machine wants eight.
      async fullQuota() {
        inner = world.cloud({}, { project: 'peer-small' })
        make = () => world.order({ flavor: 'large' })
      },
      brokenList: silence,
      silence,
      impossibleOrder: () => world.order({ image: 'absent' }),
    },
  }
}

/**
 * As the director does: on a machine that is busy with other tests Nova may take longer than a call has time, and what it
 * was asked for may still come. So it is looked for before it is asked for again.
 */
async function created(cloud: Cloud, order: VmOrder): Promise<{ readonly ref: string }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await cloud.create(order)
    } catch (error) {
      if (tries === 5 || !(error instanceof PilotageError) || error.code !== 'cloud-transient') throw error
      console.info(`no answer to a create (${error.message}): looking for it`)
      const isThere = async (): Promise<boolean> => (await cloud.list()).some(({ vmId }) => vmId === order.vmId)
      await until(clock, () => isThere().catch(() => false), { withinMs: settleMs, everyMs: 1000 })
    }
  }
}

/** As a guest does by itself: no guest runs here that could. */
async function switchOff(world: World, ref: string): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    const { body } = await world.raw('compute', 'GET', `/servers/${ref}`)
    return (body.server as { status?: string }).status === 'ACTIVE'
  }
  expect(await until(clock, isUp, patience)).toBe(true)
  await world.raw('compute', 'POST', `/servers/${ref}/action`, { 'os-stop': null })
}

describe('OpenStack', () => {
  let world: World
  beforeEach(() => {
    world = openWorld(peer.facts)
  })
  afterEach(() => world.close())

  it('makes what was ordered: zone, key, drive, groups, tags and metadata', { timeout: longMs }, async () => {
    const cloud = world.cloud()
    const order = world.order({ flavor: 'sized', image: 'known' })
    const { ref } = await created(cloud, order)
    await comesTo(cloud, ref, ({ power }) => power === 'running')
    const { body } = await world.raw('compute', 'GET', `/servers/${ref}`)
    const { facts } = peer
    expect(body.server).toMatchObject({
      name: order.vmId,
      key_name: facts.keypair.name,
      config_drive: 'True',
      'OS-EXT-AZ:availability_zone': facts.zones.works,
      metadata: { owner: 'tests', 'pilotage-installation': world.installation, 'pilotage-vm': order.vmId },
      security_groups: [{ name: facts.securityGroup }],
    })
    expect(await cloud.consoleLog(ref)).toContain('FAKE CONSOLE OUTPUT')
    await end(cloud, ref)
  })

  it('makes port and floating address with the machine, and removes them with it', { timeout: longMs }, async () => {
    const cloud = world.cloud({ floatingNetwork: peer.facts.externalNetwork.name })
    const order = world.order({ image: 'same' })
    const { ref } = await created(cloud, order)
    await comesTo(cloud, ref, ({ power }) => power === 'running')
    expect(await created(cloud, order)).toEqual({ ref })
    const ports = await mine(world, 'ports')
    const [floating, ...others] = await mine(world, 'floatingips')
    expect(ports).toMatchObject([{ device_id: ref, network_id: peer.facts.network.id }])
    expect(others).toEqual([])
    expect(floating?.port_id).toBe(ports[0]?.id)
    await end(cloud, ref)
    expect(await mine(world, 'ports')).toEqual([])
    expect(await mine(world, 'floatingips')).toEqual([])
  })

  it('leaves no port of a machine that was refused', { timeout: longMs }, async () => {
    const small = world.cloud({ ownPorts: true, securityGroups: [] }, { project: 'peer-small' })
    await expect(small.create(world.order({ flavor: 'large' }))).rejects.toMatchObject({ code: 'cloud-quota' })
    const strange = world.cloud({ ownPorts: true, keyPair: 'no-such-key' })
    await expect(strange.create(world.order())).rejects.toMatchObject({ code: 'cloud-refused', message: /no-such-key/ })
    expect(await mine(world, 'ports')).toEqual([])
  })

  it('reports why a machine failed, before a host and on one', { timeout: longMs }, async () => {
    const cloud = world.cloud()
    const homeless = await created(cloud, world.order({ flavor: 'homeless' }))
    const failing = await created(world.cloud({ availabilityZone: peer.facts.zones.bootsAlwaysFail }), world.order())
    const isError = ({ power }: { power: string }): boolean => power === 'error'
    expect((await comesTo(cloud, homeless.ref, isError)).detail).toContain('No valid host')
    expect((await comesTo(cloud, failing.ref, isError)).detail).toContain('FakeBuildAbortDriver')
    for (const { ref } of [homeless, failing]) await end(cloud, ref)
  })

  it('gets a new token when its own is revoked, once for all who wait', { timeout: longMs }, async () => {
    const keystone = await listeningKeystone(peer.facts.authUrl)
    try {
      const cloud = world.cloud({}, { access: { authUrl: keystone.authUrl } })
      await cloud.list()
      expect(keystone.tokens).toHaveLength(1)
      await keystone.revoke(keystone.tokens[0] ?? '')
      await Promise.all([cloud.list(), cloud.quota(), cloud.destroy('any')])
      expect(keystone.tokens).toHaveLength(2)
      // A token that another process made ends for good.
      const login = { method: 'token', token: keystone.tokens[1] ?? '' } as const
      const borrowed = world.cloud({}, { access: { authUrl: keystone.authUrl, login } })
      expect(await borrowed.list()).toEqual([])
      for (const token of [...keystone.tokens].reverse()) await keystone.revoke(token).catch(() => undefined)
      await expect(borrowed.list()).rejects.toMatchObject({ code: 'cloud-auth' })
    } finally {
      await keystone.close()
    }
  })

  it('logs in by application credential, and is refused with a wrong secret', { timeout: longMs }, async () => {
    const { id: credential, secret } = peer.facts.projects['peer-small'].applicationCredential
    const method = 'application-credential'
    const cloud = world.cloud({}, { access: { login: { method, credential, secret } } })
    expect(await cloud.quota()).toMatchObject({ vms: 2, cores: 4, memoryBytes: 8192 * 2 ** 20 })
    const wrong = world.cloud({}, { access: { login: { method, credential, secret: 'such-a-secret' } } })
    const refusal = await wrong.list().catch((error: Error) => error)
    expect(refusal).toMatchObject({ code: 'cloud-auth', message: expect.not.stringContaining('such-a-secret') })
  })

  it('leaves alone what bears another mark, and counts it against the quota', { timeout: longMs }, async () => {
    const other = openWorld(peer.facts)
    const theirs = other.cloud({}, { project: 'peer' })
    const before = await world.cloud().quota()
    const { ref } = await created(theirs, other.order())
    const cloud = world.cloud()
    expect(await cloud.list()).toEqual([])
    await expect(cloud.destroy(ref)).rejects.toMatchObject({ code: 'cloud-refused' })
    expect(await cloud.quota()).toMatchObject({ vms: before.vms - 1, cores: before.cores - 1 })
    expect(await theirs.quota()).toMatchObject({ vms: before.vms, cores: before.cores })
    await end(theirs, ref)
    await other.close()
  })

  it('works with a Nova of the first microversion', { timeout: longMs }, async () => {
    const cloud = world.cloud({}, { maxMicroversion: '2.1' })
    const order = world.order()
    const { ref } = await created(cloud, order)
    expect(await created(cloud, order)).toEqual({ ref })
    expect(await cloud.list()).toMatchObject([{ ref, vmId: order.vmId }])
    expect((await cloud.quota()).vms).toBeGreaterThan(0)
    await end(cloud, ref)
    expect(await cloud.list()).toEqual([])
  })

  it('lists fifty machines by pages, and ends them', { timeout: 2 * longMs }, async () => {
    const cloud = world.cloud({}, { pageSize: 7 })
    const room = Math.min(50, (await cloud.quota()).vms)
    const orders = Array.from({ length: room }, () => world.order())
    const made = await inParts(orders, atOnce, async (order: VmOrder) => ({
      vmId: order.vmId,
      ...(await created(cloud, order)),
    }))
    // Most of them are being built: the list is whole from the first time on.
    const present = await answered(() => cloud.list())
    expect(present).toHaveLength(room)
    expect(present.map(({ ref, vmId }) => ({ ref, vmId }))).toEqual(expect.arrayContaining([...made]))
    await inParts(made, atOnce, ({ ref }) => answered(() => cloud.destroy(ref)))
    expect(
      await until(clock, async () => (await answered(() => cloud.list())).length === 0, { withinMs: longMs, everyMs: 1000 }),
    ).toBe(true)
    console.info(`fifty machines: ${room} made, listed by pages of 7, ended`)
  })
})

/** A call that does not give another answer when it is made again. */
async function answered<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call()
    } catch (error) {
      if (tries === 10 || !(error instanceof PilotageError) || error.code !== 'cloud-transient') throw error
    }
  }
}

type Child = { readonly id: string; readonly description?: string; readonly [key: string]: unknown }

async function mine(world: World, kind: 'ports' | 'floatingips'): Promise<readonly Child[]> {
  const { body } = await world.raw('network', 'GET', `/${kind}`)
  return (body[kind] as readonly Child[]).filter(({ description = '' }) => description.includes(` ${world.installation} `))
}

async function inParts<T, R>(all: readonly T[], size: number, run: (one: T) => Promise<R>): Promise<readonly R[]> {
  const done: R[] = []
  for (let at = 0; at < all.length; at += size) done.push(...(await Promise.all(all.slice(at, at + size).map(run))))
  return done
}
