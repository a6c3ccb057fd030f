import { describe, expect, it } from 'vitest'
import { roleHoldMs, takeOverMs } from '../../../core/kernel/limits.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { isOver } from '../../../core/model/vm.ts'
import { cloudsView } from '../../../services/views/cloud.ts'
import { cloudStatus } from '../../../services/vms/list-clouds.ts'
import { type Member, several } from './several.ts'
import { openWorld, periodMs, sampleOffering, type World, type WorldOptions } from './world.ts'

const maxVms = 6
const away = sampleOffering({ cloud: 'away', site: 'far', pricePerHour: 2 })

function openTwoClouds(changes: Partial<WorldOptions> = {}): World {
  return openWorld({
    clouds: [{ bootMs: 5000 }, { name: 'away', offerings: [away], bootMs: 5000 }],
    directed: { limits: { maxVms, maxCores: 100, maxCreatesPerStep: 10 } },
    ...changes,
  })
}

/** Two directors that share the two clouds. */
async function twoDirectors(world = openTwoClouds()) {
  const { join, bus } = several(world)
  const [one, two] = [await join('one'), await join('two')]
  await world.clock.advance(3 * periodMs)
  const hint = async (): Promise<void> => {
    bus.hint({ kind: 'waiting', ids: ['any'] })
    await world.clock.advance(2000)
  }
  return { world, join, one, two, hint }
}

const machines = (world: World): number[] => world.clouds.map((cloud) => cloud.machines.length)
const called = ({ calls }: Member, kind: string): string[] => [
  ...new Set(calls.flatMap((call) => (call.kind === kind ? [call.cloud] : []))),
]

/** As facts say it: each fence of a cloud belongs to one holder and has one fact, and fences only go up. */
async function checkFacts(world: World): Promise<void> {
  for (const { name } of world.clouds) {
    const shown = (await world.store.history(`cloud:${name}`, 10_000)).filter(({ kind }) => kind === 'role taken')
    const fences = shown.map(({ data }) => Number(data.fence))
    expect(new Set(fences).size).toBe(fences.length)
    for (const { kind, data } of await world.store.history(`cloud:${name}`, 10_000)) {
      const taken = shown.find((fact) => fact.data.fence === data.fence)
      if (kind === 'role lost') expect(data.holder).toBe(taken?.data.holder)
    }
  }
}

describe('two directors', () => {
  it('share the clouds, and each acts on its own only', async () => {
    const { world, one, two, hint } = await twoDirectors()
    expect([one.holds().length, two.holds().length]).toEqual([1, 1])
    const [lists, others] = [one.calls.length, two.calls.length]
    await world.submit(10)
    await hint()
    expect(machines(world)).toEqual([6, 4])
    expect(called({ ...one, calls: one.calls.slice(lists) }, 'list')).toEqual(one.holds())
    expect(called({ ...two, calls: two.calls.slice(others) }, 'list')).toEqual(two.holds())
    expect(called(one, 'create')).toEqual(one.holds())
    expect(called(two, 'create')).toEqual(two.holds())
    await checkFacts(world)
  })

  it.each([0, 50, 400, 900])('make nothing twice for the same work, whatever the store takes (%d ms)', async (answerMs) => {
    const { world, one, two, hint } = await twoDirectors()
    one.path.answerMs = answerMs
    for (let count = 0; count < 8; count += 1) {
      await world.submit(1)
      await hint()
      two.path.answerMs = answerMs / (count + 1)
    }
    await world.clock.advance(3 * periodMs)
    expect(machines(world)).toEqual([6, 2])
  })

  it('do not both make a VM for one job when a cloud comes back while the other gives its work elsewhere', async () => {
    const { world, one, two, hint } = await twoDirectors()
    const [here] = world.clouds
    const [holder, other] = one.holds().includes('here') ? [one, two] : [two, one]
    Object.assign(here?.rates ?? {}, { list: 1 })
    await world.clock.advance(2 * periodMs)
    Object.assign(here?.rates ?? {}, { list: 0 })
    // The other one has seen that `here` is not to be had, and its intent is long on its way.
    holder.path.answerMs = 100
    other.path.sendMs = (what) => (what === 'intend' ? 1500 : 0)
    await world.submit(1)
    await hint()
    await world.clock.advance(3 * periodMs)
    expect(machines(world)).toEqual([0, 1])
  })

  it('show one truth of both clouds to every reader', async () => {
    const { world, hint } = await twoDirectors()
    const [here] = world.clouds
    here?.script('create', ...Array.from({ length: maxVms }, () => ({ code: 'cloud-quota' as const })))
    await world.submit(20)
    await hint()
    await world.clock.advance(periodMs)
    const configured = world.options.clouds.map(({ cloud: { name }, limits }) => ({ name, kind: 'fake', site: '', limits }))
    const { clouds, plan } = cloudsView(await cloudStatus(world.store, configured, world.clock.nowMs()))
    expect(clouds.map(({ breakers }) => breakers.map(({ kind }) => kind))).toEqual([['flavor'], []])
    expect(clouds.every(({ listedMs }) => world.clock.nowMs() - listedMs <= 2 * periodMs)).toBe(true)
    const shown = plan.map(({ action, why, subject }) => `${action}: ${why} ${subject}`)
    expect(shown).toEqual(['hold: breaker here', 'hold: limit away', 'hold: covered all clouds'])
  })

  it('replace each other: when one dies its cloud is steered again in time, and the work is done', async () => {
    const { world, one, two } = await twoDirectors()
    const [lost] = two.holds()
    await world.submit(4)
    two.path.isDead = true
    const diedMs = world.clock.nowMs()
    await world.clock.advance(takeOverMs + 1000)
    expect(one.holds()).toHaveLength(2)
    const taken = (await world.facts(`cloud:${lost ?? ''}`)).findLast(({ kind }) => kind === 'role taken')
    expect(taken?.data.holder).toBe('one')
    expect((taken?.atMs ?? Infinity) - diedMs).toBeLessThanOrEqual(takeOverMs)
    const first = one.calls.find(({ cloud, atMs }) => cloud === lost && atMs > diedMs)
    expect((first?.atMs ?? Infinity) - diedMs).toBeLessThanOrEqual(takeOverMs)
    expect(machines(world)).toEqual([4, 0])
    await checkFacts(world)
  })

  it('do nothing on a cloud that they lost while they stood still, not even what was begun', async () => {
    const { world, one, two, hint } = await twoDirectors()
    // It stands still between its first intent and the call that was to follow.
    two.path.heard = (what) => {
      if (what !== 'intend') return
      two.path.heard = () => {}
      two.path.frozenUntilMs = world.clock.monotonicMs() + 60_000
    }
    await world.submit(12)
    await hint()
    expect(two.path.isFrozen()).toBe(true)
    const calls = two.calls.length
    await world.clock.advance(59_000)
    expect(one.holds()).toHaveLength(2)
    await world.clock.advance(500)
    expect(two.holds()).toEqual([])
    expect(two.calls.slice(calls)).toEqual([])
    await world.clock.advance(6 * periodMs)
    expect(machines(world)).toEqual([6, 6])
    await checkFacts(world)
  })

  it('make nothing under an intent that reached the store when the cloud had passed on', async () => {
    const { world, one, two, hint } = await twoDirectors()
    const beforeMs = world.clock.nowMs()
    two.path.sendMs = (what) => (what === 'intend' ? 2 * takeOverMs : 0)
    // It loses its roles because the store no longer hears it, and not because it stands still.
    await world.submit(12)
    await hint()
    two.path.fails = true
    await world.clock.advance(3 * takeOverMs)
    expect(one.holds()).toHaveLength(2)
    expect(two.calls.filter(({ kind, atMs }) => kind === 'create' && atMs > beforeMs)).toEqual([])
    // Not even a record, which would count against the limits.
    expect(await world.store.endedVms(100)).toEqual([])
    const names = new Set(world.clouds.flatMap(({ machines: made }) => made.map(({ order }) => order.vmId)))
    expect(new Set((await world.vms()).map(({ vm }) => vm.id))).toEqual(names)
    expect(machines(world)).toEqual([6, 6])
  })

  it('go on with what the one before noted: an open breaker stays open', async () => {
    const { world, one, two, hint } = await twoDirectors()
    const [lost] = two.holds()
    const cloud = world.clouds.find(({ name }) => name === lost)
    cloud?.script('create', ...Array.from({ length: maxVms }, () => ({ code: 'cloud-auth' as const })))
    await world.submit(12)
    await hint()
    expect(cloud?.machines).toHaveLength(0)
    const createsBefore = cloud?.calls.create
    two.path.isDead = true
    await world.clock.advance(takeOverMs + 10_000)
    expect(one.holds()).toHaveLength(2)
    expect(cloud?.calls.create).toBe(createsBefore)
    await world.clock.advance(60_000)
    expect(cloud?.calls.create).toBeGreaterThan(createsBefore ?? 0)
  })

  it('let go of their clouds when they end, so that the other need not wait', async () => {
    const { world, one, two } = await twoDirectors()
    await two.stop()
    await world.clock.advance(roleHoldMs / 2)
    expect(one.holds()).toHaveLength(2)
    expect(two.holds()).toEqual([])
  })
})

/** What pilots do, roughly: take a job, end it, ask to stop when there is none. */
async function work(world: World, chance: () => number): Promise<void> {
  await world.pilots()
  const nowMs = world.clock.nowMs()
  const queue = (await world.store.queues())[0]?.queue
  const waiting = queue ? [...(await world.store.next(queue.id, 10))] : []
  for (const { vm, leases } of await world.vms()) {
    if (vm.phase.state !== 'Active') continue
    const next = leases === 0 ? waiting.shift() : undefined
    if (next) await world.claim(next.id, vm.id)
    else if (leases === 0) await world.store.changeVms([{ kind: 'retire', vmId: vm.id, why: 'idle' }], nowMs)
    else if (chance() < 0.3) {
      for (const { id, attempt } of await world.store.leasesOn(vm.id)) {
        await world.store.change([{ kind: 'kill', jobId: id, by: 'test', why: '' }], nowMs)
        await world.store.change([{ kind: 'lost', jobId: id, attempt, why: 'done' }], nowMs)
      }
    }
  }
}

describe('three directors in every trouble', () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed + 1))(
    'keep the limits, act on nothing that another holds, and end with nothing left to do (seed %d)',
    async (seed) => {
      const chance = seededRandom(seed * 7919).next
      const world = openTwoClouds({ seed })
      for (const { rates } of world.clouds) Object.assign(rates, { create: 0.2, list: 0.1, destroy: 0.2, lostReply: 0.5 })
      const { join } = several(world)
      let members = [await join('0'), await join('1'), await join('2')]
      let names = 2
      const look = (): void => {
        const held = members.flatMap(({ holds }) => holds())
        expect(new Set(held).size, 'a cloud is held once').toBe(held.length)
        for (const { peak } of world.clouds) expect(peak.vms, 'limits hold').toBeLessThanOrEqual(maxVms)
      }
      const spend = async (ms: number): Promise<void> => {
        for (let spent = 0; spent < ms; spent += 1000) {
          await world.clock.advance(1000)
          look()
        }
        await work(world, chance)
      }
      for (let cycle = 0; cycle < 40; cycle += 1) {
        const at = Math.floor(chance() * members.length)
        const member = members[at]
        if (!member) continue
        if (chance() < 0.15) member.path.frozenUntilMs = world.clock.monotonicMs() + Math.ceil(chance() * 40_000)
        if (chance() < 0.1) member.path.answerMs = Math.ceil(chance() * 3000)
        if (chance() < 0.1) member.path.failsLate = !member.path.failsLate
        if (chance() < 0.08) {
          member.path.isDead = true
          names += 1
          members = members.with(at, await join(String(names)))
        }
        if (chance() < 0.4) await world.submit(1 + Math.floor(chance() * 5))
        await spend(Math.ceil(chance() * 10) * 1000)
      }
      for (const { path } of members) Object.assign(path, { failsLate: false, answerMs: 0, frozenUntilMs: 0 })
      for (const { rates } of world.clouds) for (const name of Object.keys(rates)) Object.assign(rates, { [name]: 0 })
      for (const { id, phase } of await world.store.list({ limit: 1000 }))
        if (phase.state === 'Waiting') await world.kill(id)
      for (let cycle = 0; cycle < 60; cycle += 1) await spend(periodMs)
      expect(world.clouds.flatMap((cloud) => cloud.present())).toEqual([])
      expect(await world.states()).toEqual([])
      expect((await world.store.endedVms(1000)).every(({ phase }) => isOver(phase))).toBe(true)
      expect(members.map(({ holds }) => holds().length).sort()).toEqual([0, 1, 1])
      await checkFacts(world)
      await Promise.all(members.map(({ stop }) => stop()))
    },
  )
})
