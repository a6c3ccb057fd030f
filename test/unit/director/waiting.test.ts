/**
 * What a cloud says of a VM that does not run: it stands in the record, in the history and in the reason of the end, and
 * chooses what is not asked for again for a while. And which order a probe takes.
 */

import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { WaitFailure } from '../../../core/model/proof.ts'
import type { VmOrder } from '../../../core/ports/cloud.ts'
import { cloudNote, noteOf } from '../../../core/plan/cloud-note.ts'
import { directorDefaults } from '../../../services/director/options.ts'
import { openWorld, sampleOffering, type World } from './world.ts'

const noRoom = 'PENDING: [HOST] Not enough CPU on hosts: 0'
/** As the cloud of the world has it. */
const bootMs = 120_000
const small = sampleOffering({ cores: 1, pricePerHour: 1 })
const large = sampleOffering({ flavor: 'large', cores: 8, pricePerHour: 9 })

/** `neverBoots`: VMs wait for ever, of which the cloud says this. */
async function waitingWorld(detail: string, failure?: WaitFailure, jobs = 1): Promise<World> {
  const world = openWorld({ clouds: [{ offerings: [small, large] }] })
  world.cloud.rates.neverBoots = 1
  world.cloud.says({ detail, ...(failure === undefined ? {} : { failure }) })
  await world.submit(jobs)
  await world.step()
  return world
}

const scopes = async (world: World, kind = 'breaker opened') =>
  (await world.facts('cloud:here')).filter((fact) => fact.kind === kind).map(({ data }) => data.scope)
const flavors = (world: World): readonly string[] => world.cloud.machines.map(({ order }) => order.shape.flavor)
const only = async (world: World) => {
  const [kept] = await world.vms()
  if (!kept) throw new Error('a VM is wanted')
  return kept.vm
}

describe('what the cloud says of a VM that waits', () => {
  it('stands in its record and its history, once, and goes when it runs', async () => {
    const world = await waitingWorld(noRoom, 'capacity')
    const { id } = await only(world)
    await world.next()
    expect((await only(world)).said, 'not before a second list says it').toBeUndefined()
    await world.cycles(5)
    expect((await only(world)).said).toBe(noRoom)
    const said = async () => (await world.facts(`vm:${id}`)).flatMap(({ data }) => data.said ?? [])
    expect(await said()).toEqual([noRoom])
    const machine = world.cloud.find(id)
    if (machine) machine.bootedMs = 0
    await world.next()
    expect(await only(world)).toMatchObject({ phase: { state: 'Booting' } })
    expect((await only(world)).said).toBeUndefined()
    expect(await said()).toEqual([noRoom])
  })

  it('is the reason of its end, and closes the flavor at once while others are tried', async () => {
    const world = await waitingWorld(noRoom, 'capacity')
    await world.next(bootMs)
    const [ended] = await world
      .facts(`vm:${world.cloud.machines[0]?.order.vmId}`)
      .then((facts) => facts.filter(({ kind }) => kind === 'Stopping'))
    expect(ended?.data.why).toBe(`boot deadline: not active 2 min after it was wanted; its cloud says: ${noRoom}`)
    expect(await scopes(world)).toEqual(['flavor:here/small'])
    await world.next()
    expect(flavors(world)).toEqual(['small', 'large'])
  })

  it.each<[string, WaitFailure | undefined, string]>([
    ['ERROR: quota exceeded in cluster 0', 'quota', 'flavor:here/small'],
    ['HOLD', 'transient', 'cloud:here'],
    ['PROLOG', undefined, 'image:here/small/plain'],
  ])('%s, %s, is held against %s', async (detail, failure, scope) => {
    const world = await waitingWorld(detail, failure, 3)
    await world.next(bootMs)
    expect(await scopes(world)).toEqual([scope])
  })

  it('also of one that its cloud gives up', async () => {
    const world = await waitingWorld('', undefined)
    const { id } = await only(world)
    world.cloud.breakDown(id, 'No valid host was found', 'capacity')
    await world.next()
    expect(await scopes(world)).toEqual(['flavor:here/small'])
  })

  it('is not disproved by a create that the cloud accepts: only by a VM that comes up', async () => {
    const world = openWorld({ clouds: [{ offerings: [small] }] })
    world.cloud.rates.neverBoots = 1
    world.cloud.says({ detail: noRoom, failure: 'capacity' })
    await world.submit(4)
    await world.step()
    await world.next(bootMs)
    expect(await scopes(world)).toEqual(['flavor:here/small'])
    const before = world.cloud.machines.length
    await world.cycles(12)
    expect(world.cloud.machines.length - before, 'one probe').toBe(1)
    await world.cycles(10)
    expect(await scopes(world, 'breaker closed')).toEqual([])
    const kept = noteOf(await world.store.note(cloudNote('here')))?.breakers
    expect(kept).toMatchObject([{ scope: 'flavor:here/small', breaker: { state: 'open', backoffMs: 120_000 } }])

    world.cloud.rates.neverBoots = 0
    world.cloud.says({ detail: '' })
    for (let cycle = 0; cycle < 30; cycle += 1) {
      await world.next()
      await world.pilots()
    }
    expect(await scopes(world, 'breaker closed')).toEqual(['flavor:here/small'])
    expect(await world.states()).toEqual(['Active', 'Active', 'Active', 'Active'])
  })
})

describe('the probe of a half-open breaker', () => {
  /** A cloud that says of one flavor what it should say of its order alone: that it fails itself. */
  async function failingWorld(wrong: string, jobs: readonly number[], settleMs = 30_000): Promise<World> {
    const director = { policy: { ...directorDefaults, settleMs } }
    const world = openWorld({ clouds: [{ offerings: [small, large] }], director })
    const { create } = world.cloud
    world.cloud.create = async (order: VmOrder) => {
      if (order.shape.flavor !== wrong) return create(order)
      throw new PilotageError('cloud-transient', 'DISK 0: SIZE of 512MB is less than the image [0] size of 1024MB')
    }
    for (const cores of jobs) await world.submit(1, { cores: { min: cores, max: cores } })
    return world
  }

  it('takes another order than the one that failed last, if one is wanted', async () => {
    // The work for the wrong flavor is older, and comes first.
    const world = await failingWorld('large', [7, 6, 8])
    await world.step()
    expect(await scopes(world)).toEqual(['cloud:here'])
    await world.submit(1, { cores: { min: 1, max: 1 } })
    await world.cycles(5)
    expect(flavors(world)).toEqual([])
    await world.cycles(2)
    expect(flavors(world)).toEqual(['small'])
    expect(await scopes(world, 'breaker closed')).toEqual(['cloud:here'])
  })

  it('is not taken by an order whose outcome is still unknown', async () => {
    const world = await failingWorld('large', [8, 8, 8], 110_000)
    await world.step()
    await world.submit(1, { cores: { min: 1, max: 1 } })
    await world.cycles(7)
    expect(await world.states()).toEqual(['Booting', 'Intended', 'Intended', 'Intended'])
    expect(flavors(world)).toEqual(['small'])
  })

  it('is one, also where orders that left nothing wait to be repeated', async () => {
    const world = await failingWorld('large', [7, 6, 8], 90_000)
    await world.step()
    const { create } = world.cloud
    let asked = 0
    world.cloud.create = (order) => {
      asked += 1
      return create(order)
    }
    for (let cycle = 0; cycle < 11; cycle += 1) await world.next()
    expect(asked).toBe(1)
  })

  it('takes the same one where nothing else is wanted', async () => {
    const world = await failingWorld('large', [7, 6, 8])
    await world.step()
    const { create } = world.cloud
    let asked = 0
    world.cloud.create = (order) => {
      asked += 1
      return create(order)
    }
    await world.cycles(5)
    expect(asked).toBe(0)
    await world.cycles(3)
    expect(asked).toBe(1)
  })
})
