import { describe, expect, it } from 'vitest'
import { provenAfterMs } from '../../../core/kernel/limits.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { openWorld, sampleOffering, type World } from './world.ts'

const only = async (world: World): Promise<Vm> => {
  const [kept, ...others] = await world.vms()
  if (!kept || others.length > 0) throw new Error(`one VM expected, not ${others.length + (kept ? 1 : 0)}`)
  return kept.vm
}
const ended = async (world: World): Promise<readonly string[]> =>
  (await world.store.endedVms(100)).map(({ phase }) => `${phase.state}: ${'why' in phase ? phase.why : ''}`)
const job = async (world: World, id: JobId): Promise<Job> => {
  const [found] = await world.store.jobs([id])
  if (!found) throw new Error('the job must be there')
  return found
}
/** A world with this number of VMs up and with heartbeats, each with a job waiting for it. */
const withActive = async (count: number, world = openWorld()): Promise<{ world: World; first: JobId; ids: VmId[] }> => {
  const first = await world.submit(count)
  await world.step()
  await world.clock.advance(40_000)
  await world.pilots()
  await world.step()
  return { world, first, ids: (await world.vms()).map(({ vm }) => vm.id) }
}

describe('from waiting work to machines', () => {
  it('writes the intent before it asks, asks once, and brings up what it needs', async () => {
    const world = openWorld()
    const create = world.cloud.create
    const known: boolean[] = []
    world.cloud.create = async (order) => {
      known.push((await world.store.vm(order.vmId))?.vm.phase.state === 'Intended')
      return create(order)
    }
    await world.submit(3)
    await world.step()
    expect(known).toEqual([true, true, true])
    expect(await world.states()).toEqual(['Requested', 'Requested', 'Requested'])
    await world.cycles(3)
    expect(await world.states()).toEqual(['Booting', 'Booting', 'Booting'])
    await world.pilots()
    await world.cycles(2)
    expect(await world.states()).toEqual(['Active', 'Active', 'Active'])
    expect(world.cloud.machines).toHaveLength(3)
  })

  it('keeps the activation key nowhere but in the user data', async () => {
    const world = openWorld()
    await world.submit(1)
    await world.step()
    const { activationKey } = JSON.parse(world.cloud.machines[0]?.order.userData ?? '{}') as { activationKey: string }
    const kept = JSON.stringify([await world.vms(), await world.store.facts(-1, 100), await world.store.note('plan:here')])
    expect(activationKey).toHaveLength(32)
    expect(kept).not.toContain(activationKey)
  })

  it('keeps the plan, and emits a fact only when it turns', async () => {
    const world = openWorld()
    await world.submit(1)
    const plan = await world.step()
    expect(JSON.parse((await world.store.note('plan:here')) ?? '')).toEqual(plan)
    await world.cycles(4)
    const emitted = (await world.facts('cloud:here')).map(({ kind }) => kind)
    expect(emitted).toEqual(['plan', 'plan: nothing to do'])
    expect(world.hints.filter(({ kind }) => kind === 'clouds')).toHaveLength(2)
  })

  it('asks no cloud where no context can be made', async () => {
    const render = (): string => {
      throw new Error('no template')
    }
    const world = openWorld({ director: { render } })
    await world.submit(1)
    await world.step()
    expect(await world.vms()).toEqual([])
    const [hold] = (await world.next()).lines
    expect(hold).toMatchObject({
      kind: 'hold',
      cause: { why: 'breaker', breaker: { why: expect.stringContaining('no template') } },
    })
  })
})

describe('a create without an answer', () => {
  it('finds the machine in the next list when only the reply was lost', async () => {
    const world = openWorld()
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-transient', lostReply: true })
    await world.step()
    expect(await world.states()).toEqual(['Intended'])
    await world.next()
    expect(await world.states()).toEqual(['Booting'])
    expect(world.cloud.machines).toHaveLength(1)
  })

  it('asks again with the same id after the cloud had time to show it', async () => {
    const world = openWorld()
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-transient' })
    await world.step()
    const { id } = await only(world)
    await world.next()
    await world.next()
    expect(world.cloud.calls.create).toBe(1)
    await world.next()
    expect(world.cloud.machines.map(({ order }) => order.vmId)).toEqual([id])
    expect(await world.states()).toEqual(['Requested'])
  })

  it('does not ask again beyond a quota that others have taken since', async () => {
    const world = openWorld()
    await world.submit(2)
    world.cloud.script('create', { code: 'cloud-transient' }, { code: 'cloud-transient' })
    await world.step()
    expect(await world.states()).toEqual(['Intended', 'Intended'])
    world.cloud.quotaNow = { ...world.cloud.quotaNow, vms: 1 }
    await world.cycles(4)
    expect(await ended(world)).toEqual(Array.from({ length: 2 }, () => 'Failed: the cloud never showed it'))
    expect(await world.states(), 'the next plan makes what the quota lets').toHaveLength(1)
    expect(world.cloud.calls.create).toBe(3)
  })

  it('gives the VM up after a restart, when the order is lost, and makes another', async () => {
    const world = openWorld()
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-transient' })
    await world.step()
    world.restart()
    await world.cycles(5)
    expect(await ended(world)).toEqual(['Failed: the cloud never showed it'])
    expect(await world.states()).toEqual(['Booting'])
    expect(world.cloud.machines).toHaveLength(1)
  })

  it('destroys a machine that shows itself after its record was given up', async () => {
    const world = openWorld({ clouds: [{ listLagMs: 120_000 }] })
    const id = await world.submit(1)
    world.cloud.script('create', { code: 'cloud-transient', lostReply: true })
    await world.step()
    world.restart()
    await world.next(35_000)
    await world.kill(id)
    await world.next(1)
    await world.cycles(4)
    expect(await ended(world)).toEqual(['Failed: the cloud never showed it'])
    expect(world.cloud.present()).toHaveLength(1)
    await world.cycles(10)
    expect(world.cloud.present()).toEqual([])
    expect((await world.facts('cloud:here')).map(({ kind }) => kind)).toContain('orphan destroyed')
  })
})

describe('failures and breakers', () => {
  it.each(['cloud-auth', 'cloud-quota', 'cloud-capacity', 'cloud-refused'] as const)(
    'opens at once for %s, lets one probe through later, and closes when it succeeds',
    async (code) => {
      const world = openWorld()
      await world.submit(3)
      world.cloud.script('create', { code }, { code }, { code })
      await world.step()
      expect(await ended(world)).toHaveLength(3)
      const held = await world.next()
      expect(held.lines).toMatchObject([{ kind: 'hold', cause: { why: 'breaker' }, jobs: 3 }])
      await world.next(50_000)
      expect(world.cloud.machines).toHaveLength(1)
      await world.next()
      await world.pilots()
      await world.next()
      // Where the image is to blame the probe must do what it was made for; else it was proven by being made.
      if (code === 'cloud-refused') expect(world.cloud.machines).toHaveLength(1)
      await world.clock.advance(provenAfterMs)
      await world.pilots()
      await world.next()
      expect(world.cloud.machines).toHaveLength(3)
    },
  )

  it('remembers an open breaker over a restart, and doubles the back-off of a failed probe', async () => {
    const world = openWorld()
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-auth' }, { code: 'cloud-auth' })
    await world.step()
    world.restart()
    await world.next(59_000)
    expect(world.cloud.calls.create).toBe(1)
    await world.next(1000)
    expect(world.cloud.calls.create).toBe(2)
    await world.next(119_000)
    expect(world.cloud.calls.create).toBe(2)
    await world.next(1000)
    expect(world.cloud.machines).toHaveLength(1)
  })

  it('stops what does not boot, keeps its last words, and blames the image', async () => {
    const world = openWorld()
    world.cloud.rates.neverBoots = 1
    await world.submit(3)
    await world.step()
    const { id } = (await world.vms())[0]?.vm ?? { id: '' as VmId }
    await world.next(119_000)
    expect(await world.states()).toEqual(['Requested', 'Requested', 'Requested'])
    await world.next(1000)
    await world.next()
    expect(await ended(world)).toEqual(Array(3).fill('Failed: boot deadline: not active 2 min after it was wanted'))
    expect(world.cloud.present()).toEqual([])
    expect((await world.facts(`vm:${id}`)).find(({ kind }) => kind === 'console')?.data.text).toMatch(/^console of here-/)
    expect((await world.next()).lines).toMatchObject([{ kind: 'hold', cause: { why: 'breaker' } }])
  })

  it('goes elsewhere with work that a broken cloud holds', async () => {
    const away = sampleOffering({ cloud: 'away', site: 'far', pricePerHour: 9 })
    const world = openWorld({ clouds: [{}, { name: 'away', offerings: [away] }] })
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-quota' })
    await world.step()
    await world.next()
    expect(world.clouds.map(({ machines }) => machines.length)).toEqual([0, 1])
  })

  it('does not let a hanging cloud hold up another', async () => {
    const away = sampleOffering({ cloud: 'away', site: 'far', pricePerHour: 9 })
    const world = openWorld({ clouds: [{}, { name: 'away', offerings: [away] }] })
    await world.submit(1)
    world.cloud.script('list', { hangMs: 300_000 })
    const beganMs = world.clock.nowMs()
    const plan = await world.step()
    expect(world.clock.nowMs() - beganMs).toBeLessThanOrEqual(11_000)
    expect(plan.lines.map(({ kind, cloud }) => `${kind} ${cloud}`)).toContain('hold here')
    expect(world.clouds[1]?.machines).toHaveLength(1)
    await world.next()
    expect(world.cloud.calls.list).toBe(1)
  })
})

describe('machines that go', () => {
  it('gives up the leases of a VM that vanished, after three lists', async () => {
    const { world, first, ids } = await withActive(1)
    const [id] = ids
    if (!id) throw new Error('a VM must be there')
    await world.claim(first, id)
    world.cloud.vanish(id)
    await world.cycles(2)
    expect((await job(world, first)).phase.state).toBe('Matched')
    await world.next()
    expect(await ended(world)).toEqual(['Lost: no longer in the list of its cloud'])
    expect((await job(world, first)).phase.state).toBe('Waiting')
    const emitted = (await world.facts(`job:${first}`)).at(-1)?.data.why
    expect(emitted).toBe(`vm ${id} Lost: no longer in the list of its cloud`)
    expect(world.hints).toContainEqual({ kind: 'jobs', ids: [first] })
    expect(world.hints.some(({ kind }) => kind === 'waiting')).toBe(true)
  })

  it('keeps a VM that two lists in a row left out by mistake', async () => {
    const { world, ids } = await withActive(1)
    const { list } = world.cloud
    world.cloud.list = async () => []
    await world.cycles(2)
    world.cloud.list = list
    await world.next()
    expect(await world.states()).toEqual(['Active'])
    world.cloud.list = async () => []
    await world.cycles(2)
    expect(await world.states(), 'counted in a row').toEqual(['Active'])
    expect(world.cloud.present().map(({ order }) => order.vmId)).toEqual(ids)
  })

  it('does not believe lists in a row against a VM that spoke between them', async () => {
    const { world, ids } = await withActive(1)
    world.cloud.list = async () => []
    for (let cycle = 0; cycle < 5; cycle += 1) {
      await world.next()
      // Heard of between two lists, and less often than the cloud is asked.
      if (cycle % 2 === 1) await world.pilots()
    }
    expect((await world.vms()).map(({ vm }) => vm.id)).toEqual(ids)
  })

  it('does not believe a list against a VM that speaks', async () => {
    const { world, ids } = await withActive(1)
    const list = world.cloud.list
    world.cloud.list = async () => {
      await list()
      await world.pilots()
      return []
    }
    await world.cycles(4)
    expect((await world.vms()).map(({ vm }) => vm.id)).toEqual(ids)
  })

  it('ends what was powered off, and what is silent', async () => {
    const { world, ids } = await withActive(2)
    const [off, silent] = ids
    if (!off || !silent) throw new Error('two VMs must be there')
    world.cloud.powerOff(off)
    await world.next()
    await world.next()
    expect(await ended(world)).toEqual(['Gone: powered off'])
    for (let cycle = 0; cycle < 20; cycle += 1) {
      await world.pilots({ silent: [silent] })
      await world.next()
    }
    expect(await ended(world)).toContain('Gone: heartbeat lost for 3 min 10 s')
  })

  it('drains the unhealthy, and stops it when its pilot is gone', async () => {
    const { world } = await withActive(1)
    await world.pilots({ unhealthy: 'disk-full' })
    await world.next()
    expect(await world.states()).toContain('Draining')
    await world.pilots({ unhealthy: 'pilot-gone' })
    await world.next()
    await world.next()
    expect(await ended(world)).toEqual(['Gone: unhealthy: pilot-gone'])
  })

  it('repeats a delete until the cloud says gone, and ends the record when the list agrees', async () => {
    const { world, first, ids } = await withActive(1, openWorld({ clouds: [{ destroyMs: 25_000 }] }))
    await world.kill(first)
    const [vmId] = ids
    if (!vmId) throw new Error('a VM must be there')
    await world.store.changeVms([{ kind: 'retire', vmId, why: 'idle' }], world.clock.nowMs())
    world.cloud.script('destroy', { code: 'cloud-transient' })
    for (const calls of [1, 2, 3, 4, 5]) {
      expect(await world.states()).toEqual(['Stopping'])
      await world.next()
      expect(world.cloud.calls.destroy).toBe(calls)
    }
    await world.next()
    expect(await ended(world)).toEqual(['Gone: idle'])
    expect(world.cloud.calls.destroy).toBe(5)
  })
})

describe('readings that are not to be trusted', () => {
  it('freezes on a list that lacks most machines, and believes it the third time', async () => {
    const { world, ids } = await withActive(4)
    for (const id of ids.slice(1)) world.cloud.vanish(id)
    for (let cycle = 0; cycle < 2; cycle += 1) {
      const { lines } = await world.next()
      const reading = { kind: 'implausible', words: 'its list lacks 3 of 4 known VMs' }
      expect(lines).toContainEqual(expect.objectContaining({ cause: { why: 'frozen', reading } }))
      expect(await world.states()).toEqual(['Active', 'Active', 'Active', 'Active'])
    }
    await world.next()
    expect(await ended(world)).toEqual(Array(3).fill('Lost: no longer in the list of its cloud'))
  })

  it('ends and makes nothing while a cloud cannot be read, and goes on afterwards', async () => {
    const { world, ids } = await withActive(1)
    await world.submit(5)
    world.cloud.powerOff(ids[0] as VmId)
    world.cloud.script('list', { code: 'cloud-transient' })
    const { lines } = await world.next()
    expect(lines.map((line) => (line.kind === 'hold' ? line.cause.why : line.kind))).toEqual(['frozen', 'covered', 'unread'])
    expect(await world.states()).toEqual(['Active'])
    await world.next()
    expect(await world.states()).toContain('Stopping')
    expect(world.cloud.machines.length).toBeGreaterThan(1)
  })

  it('gives an unknown machine a grace time, and then destroys it and emits a fact', async () => {
    const world = openWorld()
    await world.step()
    const shape = sampleOffering()
    await world.cloud.create({ vmId: 'vm-strange234' as VmId, shape, userData: '{}' })
    await world.next()
    await world.next(59_000)
    expect(world.cloud.present()).toHaveLength(1)
    await world.next(1000)
    expect(world.cloud.present()).toEqual([])
    const emitted = (await world.facts('cloud:here')).filter(({ kind }) => kind === 'orphan destroyed')
    expect(emitted.map(({ data }) => data.why)).toEqual(['no record knows it'])
  })
})

describe('after the clock was put back', () => {
  const backMs = 600_000

  it('destroys a machine that no record knows in its time', async () => {
    const world = openWorld()
    await world.step()
    await world.cloud.create({ vmId: 'vm-strange234' as VmId, shape: sampleOffering(), userData: '{}' })
    await world.next()
    world.clock.putBack(backMs)
    await world.next()
    await world.next(60_000)
    expect(world.cloud.present()).toEqual([])
  })

  it('waits for no boot deadline longer than it lasts', async () => {
    const world = openWorld()
    world.cloud.rates.neverBoots = 1
    await world.submit(1)
    await world.step()
    world.clock.putBack(backMs)
    await world.next()
    await world.next(120_000)
    expect(await world.states()).toContain('Stopping')
  })

  it('asks a cloud again when the back-off is over', async () => {
    const world = openWorld()
    await world.submit(1)
    world.cloud.script('create', { code: 'cloud-auth' })
    await world.step()
    world.clock.putBack(backMs)
    await world.next()
    await world.next(60_000)
    expect(world.cloud.machines).toHaveLength(1)
  })

  it('notices a silent VM, and gives the others their time', async () => {
    const world = openWorld()
    await world.submit(2)
    await world.step()
    await world.next()
    await world.pilots()
    await world.next()
    expect(await world.states()).toEqual(['Active', 'Active'])
    world.clock.putBack(backMs)
    const ids = (await world.vms()).map(({ vm }) => vm.id)
    const states = async (): Promise<unknown> => {
      const vms = await world.vms()
      return ids.map((id) => vms.find(({ vm }) => vm.id === id)?.vm.phase.state)
    }
    const cycles = async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += 1) {
        await world.pilots({ silent: ids.slice(1) })
        await world.next()
      }
    }
    await cycles(17)
    expect(await states()).toEqual(['Active', 'Active'])
    await cycles(4)
    expect(await states()).toEqual(['Active', undefined])
  })
})

describe('between the look and the deed', () => {
  /** Runs `late` after the next reading of the VMs. */
  const afterLook = (world: World, late: () => Promise<void>): void => {
    const { store } = world
    const { liveVms } = store
    store.liveVms = async () => {
      const seen = await liveVms()
      store.liveVms = liveVms
      await late()
      return seen
    }
  }

  it('stops no VM that activates and gets a job at its boot deadline, and blames no image', async () => {
    const world = openWorld()
    const jobId = await world.submit(1)
    await world.step()
    // Its machine is known to run: no news of it refreshes what this step sees.
    await world.next(60_000)
    await world.clock.advance(60_000)
    const id = (await world.vms())[0]?.vm.id as VmId
    const state = async () => (await world.store.vm(id))?.vm.phase.state
    afterLook(world, async () => {
      await world.pilots()
      await world.claim(jobId, id)
    })
    await world.next(0)
    expect(await state()).toBe('Active')
    expect((await world.store.jobs([jobId]))[0]?.phase.state).toBe('Matched')
    expect(await world.store.note('cloud:here')).not.toContain('boot deadline')
    await world.next()
    expect(await state()).toBe('Active')
  })

  it('stops no VM whose heartbeat comes at last', async () => {
    const world = openWorld()
    await world.submit(1)
    await world.step()
    await world.next()
    await world.pilots()
    await world.next()
    await world.clock.advance(190_000)
    const id = (await world.vms())[0]?.vm.id as VmId
    const state = async () => (await world.store.vm(id))?.vm.phase.state
    afterLook(world, () => world.pilots())
    await world.next(0)
    expect(await state()).toBe('Active')
    await world.next(190_000)
    expect(await state()).toBe('Stopping')
  })

  it('loses no VM that sends a heartbeat while the third list lacks it', async () => {
    const world = openWorld()
    await world.submit(1)
    await world.step()
    await world.next()
    await world.pilots()
    await world.cycles(13)
    await world.pilots()
    const id = (await world.vms())[0]?.vm.id as VmId
    const { list } = world.cloud
    world.cloud.list = async () => []
    await world.cycles(2)
    afterLook(world, async () => {
      const beat = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }
      const heartbeat = { ...beat, atMs: world.clock.nowMs(), pilotState: 'idle', unhealthy: '' }
      await world.store.changeVms([{ kind: 'heartbeat', vmId: id, heartbeat }], world.clock.nowMs())
    })
    await world.next()
    world.cloud.list = list
    expect((await world.store.vm(id))?.vm.phase.state).toBe('Active')
  })
})
