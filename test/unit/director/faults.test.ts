import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { isOver } from '../../../core/model/vm.ts'
import { openWorld, sampleOffering, type World } from './world.ts'

const maxVms = 6

/** What must hold after every step, whatever the cloud did. */
async function check(world: World): Promise<void> {
  const vms = await world.vms()
  for (const cloud of world.clouds) {
    // Lists lag here by less than the settling time: so no machine outlives its record, and none is without one.
    for (const { order } of cloud.present()) {
      const kept = await world.store.vm(order.vmId)
      expect(kept && !isOver(kept.vm.phase), 'a machine has a live record').toBe(true)
    }
    expect(cloud.peak.vms, 'limits hold at every moment').toBeLessThanOrEqual(maxVms)
    expect(vms.filter(({ vm }) => vm.cloud === cloud.name).length).toBeLessThanOrEqual(maxVms)
  }
  for (const vm of await world.store.endedVms(1000))
    expect(await world.store.leasesOn(vm.id), 'an ended VM holds nothing').toEqual([])
}

async function trouble(world: World, chance: () => number): Promise<void> {
  for (const cloud of world.clouds) {
    const machines = cloud.present()
    const hit = machines[Math.floor(chance() * machines.length)]?.order.vmId
    if (hit && chance() < 0.1) cloud.vanish(hit)
    if (hit && chance() < 0.1) cloud.powerOff(hit)
    if (hit && chance() < 0.1) cloud.breakDown(hit, 'no host')
  }
  if (chance() < 0.05) world.restart()
  if (chance() < 0.2) await world.submit(1 + Math.floor(chance() * 6))
}

/** What a pilot does, roughly: takes a job, or asks to stop when there is none. */
async function work(world: World, chance: () => number): Promise<void> {
  await world.pilots()
  const nowMs = world.clock.nowMs()
  const queue = (await world.store.queues())[0]?.queue
  const waiting = queue ? await world.store.next(queue.id, 10) : []
  let at = 0
  for (const { vm, leases } of await world.vms()) {
    if (vm.phase.state !== 'Active') continue
    if (leases > 0 && chance() < 0.5) await finish(world, vm.id)
    const next = waiting[at]
    if (leases === 0 && next) {
      at += 1
      await world.claim(next.id, vm.id)
    } else if (leases === 0) await world.store.changeVms([{ kind: 'retire', vmId: vm.id, why: 'idle' }], nowMs)
  }
}

async function finish(world: World, vmId: VmId): Promise<void> {
  for (const { id } of await world.store.leasesOn(vmId)) {
    await world.store.change([{ kind: 'kill', jobId: id, by: 'test', why: '' }], world.clock.nowMs())
    const [held] = await world.store.jobs([id])
    if (held)
      await world.store.change([{ kind: 'lost', jobId: id, attempt: held.attempt, why: 'done' }], world.clock.nowMs())
  }
}

it.each(Array.from({ length: 25 }, (_, seed) => seed + 1))(
  'keeps machines and records one thing through every fault, and leaves nothing behind (seed %d)',
  async (seed) => {
    const chance = seededRandom(seed * 7919).next
    const away = sampleOffering({ cloud: 'away', site: 'far', pricePerHour: 2, cores: 2 })
    const world = openWorld({
      seed,
      clouds: [
        { destroyMs: 15_000, listLagMs: seed % 2 === 0 ? 15_000 : 0, bootMs: 20_000 },
        { name: 'away', offerings: [away], callMs: 700, bootMs: 30_000 },
      ],
      directed: { limits: { maxVms, maxCores: 100, maxCreatesPerStep: 3 }, bootMs: 90_000 },
    })
    for (const { rates } of world.clouds) {
      Object.assign(rates, { create: 0.3, list: 0.15, quota: 0.05, destroy: 0.3, lostReply: 0.5, neverBoots: 0.15 })
    }
    await world.submit(12)
    for (let cycle = 0; cycle < 60; cycle += 1) {
      await trouble(world, chance)
      await work(world, chance)
      await world.next()
      await check(world)
    }
    // It heals: no more faults, no more work. Nothing must be left to do.
    for (const { rates } of world.clouds) for (const name of Object.keys(rates)) Object.assign(rates, { [name]: 0 })
    for (const { id, phase } of await world.store.list({ limit: 1000 })) {
      if (phase.state === 'Waiting') await world.kill(id as JobId)
    }
    for (let cycle = 0; cycle < 60; cycle += 1) {
      await work(world, chance)
      await world.next()
      await check(world)
    }
    expect(world.clouds.flatMap((cloud) => cloud.present())).toEqual([])
    expect((await world.vms()).map(({ vm }) => vm.phase)).toEqual([])
    const records = await world.store.endedVms(1000)
    expect(records.every(({ phase }) => isOver(phase))).toBe(true)
    expect(records.some(({ phase }) => phase.state === 'Gone')).toBe(true)
  },
)
