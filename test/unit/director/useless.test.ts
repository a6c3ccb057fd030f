/**
 * VMs that come up and are of no use: a bounded number of them is made, whatever keeps them from doing what they were made
 * for, and the plan says why no more are. VMs that others end say nothing against what they were made from.
 */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { provenAfterMs } from '../../../core/kernel/limits.ts'
import type { AgentConfig } from '../../../core/model/agent-config.ts'
import type { HeartbeatRequest } from '../../../core/model/monitor.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { blockedText } from '../../../core/plan/cause-text.ts'
import { cloudNote, noteOf } from '../../../core/plan/cloud-note.ts'
import { drainVm } from '../../../services/vms/drain.ts'
import { recordHeartbeat } from '../../../services/vms/heartbeat.ts'
import { activationHash } from '../../../services/director/contextualize.ts'
import { alice } from '../../../sim/samples.ts'
import { openWorld, periodMs, type World } from './world.ts'

/** As in the world. */
const breaker = { failures: 3, backoffMs: 60_000, maxBackoffMs: 240_000 }
const minutes = 60_000
const operator: Caller = { owner: alice, reach: 'any' }

/** Until the limit; then one probe after each back-off. */
function maxUseless(ms: number): number {
  let [vms, atMs, backoffMs] = [breaker.failures, 0, breaker.backoffMs]
  for (; atMs + backoffMs <= ms; backoffMs = Math.min(2 * backoffMs, breaker.maxBackoffMs)) {
    atMs += backoffMs
    vms += 1
  }
  return vms
}

const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }
type Said = Partial<HeartbeatRequest['heartbeat']> & Partial<Pick<HeartbeatRequest, 'wish' | 'wishReason'>>

async function say(world: World, vm: Vm, said: Said): Promise<void> {
  const { wish = '', wishReason = '', ...rest } = said
  const { store, bus, clock, log } = world.options
  const heartbeat = { ...load, pilotState: 'idle', unhealthy: '', ...rest }
  await recordHeartbeat({ store, bus, clock, log }, vm.id, { heartbeat, wish, wishReason })
}

/** Machines that run activate their VM: the monitor works, whatever else does not. */
async function activateAll(world: World): Promise<void> {
  for (const machine of world.cloud.present()) {
    if (!world.cloud.isRunning(machine)) continue
    const { vmId, activationKey } = JSON.parse(machine.order.userData) as AgentConfig
    const event = { kind: 'activated', vmId, keyHash: activationHash(activationKey), nonceHash: vmId } as const
    await world.store.changeVms([event], world.clock.nowMs())
  }
}

const up = async (world: World): Promise<readonly Vm[]> =>
  (await world.vms()).flatMap(({ vm }) => (vm.phase.state === 'Active' || vm.phase.state === 'Draining' ? [vm] : []))

/** Steps and heartbeats; each VM that is up does the same. */
async function live(world: World, ms: number, act: (vm: Vm) => Promise<void>): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += periodMs) {
    await world.next()
    await activateAll(world)
    for (const vm of await up(world)) {
      const machine = world.cloud.find(vm.id)
      if (machine && world.cloud.isRunning(machine)) await act(vm)
    }
  }
}

const kept = async (world: World) => noteOf(await world.store.note(cloudNote('here')))
const why = async (world: World): Promise<string> => {
  const plan = await world.next()
  return plan.lines.flatMap((line) => (line.kind === 'hold' ? [blockedText(line)] : [])).join('\n')
}

type Act = (world: World, vm: Vm) => Promise<void>
const isDrained = ({ phase }: Vm): boolean => phase.state === 'Draining'
const stop = (wishReason: string): Said => ({ wish: 'stop', wishReason })

const useless: readonly [string, Act, string][] = [
  ['whose clock is off', (world, vm) => say(world, vm, { unhealthy: 'clock-off' }), 'unhealthy: clock-off'],
  [
    'whose pilot never starts',
    (world, vm) => say(world, vm, { pilotState: 'gone', unhealthy: 'pilot-gone' }),
    'unhealthy: pilot-gone',
  ],
  ['whose disk is full', (world, vm) => say(world, vm, { unhealthy: 'disk-full' }), 'unhealthy: disk-full'],
  [
    'that ends by its own wish without ever offering',
    (world, vm) => say(world, vm, { pilotState: 'starting', ...stop('its life is over') }),
    'its life is over',
  ],
  [
    'that switches itself off',
    async (world, vm) => {
      await say(world, vm, {})
      world.cloud.powerOff(vm.id)
    },
    'powered off',
  ],
  [
    'that vanishes without ever offering',
    async (world, vm) => {
      await say(world, vm, { pilotState: 'starting' })
      world.cloud.vanish(vm.id)
    },
    'no longer in the list of its cloud',
  ],
]

describe.each(useless)('a VM %s', (_, act, reason) => {
  it('is made a bounded number of times, and the plan and the facts say why no other is', async () => {
    const world = openWorld({ directed: { breaker } })
    await world.submit(1)
    const ms = 30 * minutes
    await live(world, ms, (vm) => act(world, vm))
    expect(world.cloud.machines.length).toBeGreaterThanOrEqual(breaker.failures)
    expect(world.cloud.machines.length).toBeLessThanOrEqual(maxUseless(ms))
    expect(await why(world)).toMatch(new RegExp(`breaker|image .*(open until|half-open).*${reason}`))
    const opened = (await world.facts('cloud:here')).filter(({ kind }) => kind === 'breaker opened')
    expect(opened.at(-1)?.data.why).toContain(reason)
    expect((await world.facts('cloud:here')).map(({ kind }) => kind)).not.toContain('breaker closed')
  })
})

it('goes on with an image whose VMs crash while they run jobs', async () => {
  const world = openWorld({ directed: { breaker } })
  for (let crash = 0; crash < 3 * breaker.failures; crash += 1) {
    const jobId = await world.submit(1)
    await live(world, 2 * periodMs, (vm) => say(world, vm, {}))
    const [vm] = await up(world)
    if (!vm) return expect.unreachable('no VM is up')
    await world.claim(jobId, vm.id)
    world.cloud.powerOff(vm.id)
    await world.cycles(5)
    await world.kill(jobId)
  }
  expect((await world.facts('cloud:here')).map(({ kind }) => kind)).not.toContain('breaker opened')
})

it('counts a useless VM once, although another director goes on with each step', async () => {
  const world = openWorld({ directed: { breaker } })
  await world.submit(1)
  await live(world, 2 * periodMs, async () => undefined)
  const [vm] = await up(world)
  if (!vm) throw new Error('a VM must be up')
  await say(world, vm, { unhealthy: 'clock-off' })
  await world.kill((await world.store.leasesOn(vm.id))[0]?.id ?? (1 as JobId))
  for (let step = 0; step < 4; step += 1) {
    world.restart()
    await world.next(1000)
  }
  expect((await kept(world))?.breakers.map(({ breaker: { state }, ...one }) => [one.scope, state])).toEqual([
    ['image:here/small/plain', 'closed'],
  ])
  expect((await kept(world))?.breakers[0]?.breaker).toMatchObject({ failures: 1 })
})

it('closes a half-open breaker only when its probe did what it was made for', async () => {
  const world = openWorld({ directed: { breaker } })
  await world.submit(4)
  let isWell = false
  const act = (vm: Vm): Promise<void> => say(world, vm, isWell || isDrained(vm) ? {} : { unhealthy: 'clock-off' })
  await live(world, 40_000, act)
  const before = world.cloud.machines.length
  isWell = true
  await live(world, breaker.backoffMs + 30_000, act)
  // The probe is up and well, and proves nothing yet: no second one is made.
  expect(world.cloud.machines.length).toBe(before + 1)
  expect(await why(world)).toContain('half-open')
  await live(world, provenAfterMs, act)
  expect(world.cloud.machines.length).toBe(before + 4)
  expect((await kept(world))?.breakers).toEqual([])
})

describe('a VM that others end says nothing against its image:', () => {
  it.each<[string, Act]>([
    [
      'drained by an operator',
      async (world, vm) => {
        await drainVm(world.options, operator, { vmId: vm.id, reason: 'a new kernel' })
      },
    ],
    [
      'taken back by its cloud',
      (world, vm) => say(world, vm, { pilotState: 'starting', wish: 'drain', wishReason: 'spot' }),
    ],
    [
      'drained, and ill afterwards',
      async (world, vm) => {
        await drainVm(world.options, operator, { vmId: vm.id, reason: '' })
        await say(world, vm, { unhealthy: 'disk-full' })
      },
    ],
    [
      'that offered, and was ended by its cloud',
      async (world, vm) => {
        await say(world, vm, {})
        world.cloud.vanish(vm.id)
      },
    ],
    ['that offered, and was idle', (world, vm) => say(world, vm, { ...stop('idle for 5 min') })],
  ])('%s', async (_, act) => {
    const world = openWorld({ directed: { breaker } })
    await world.submit(1)
    await live(world, 10 * minutes, (vm) => act(world, vm))
    expect(world.cloud.machines.length).toBeGreaterThan(breaker.failures)
    expect((await kept(world))?.breakers).toEqual([])
  })

  it('ill after it was of use for a while', async () => {
    const world = openWorld({ directed: { breaker } })
    await world.submit(1)
    const act = ({ intendedMs, ...vm }: Vm): Promise<void> => {
      const isIll = world.clock.nowMs() - intendedMs > provenAfterMs + 60_000
      return say(world, { intendedMs, ...vm }, isIll ? { unhealthy: 'disk-full' } : {})
    }
    await live(world, 20 * minutes, act)
    expect(world.cloud.machines.length).toBeGreaterThan(breaker.failures)
    expect((await kept(world))?.breakers).toEqual([])
  })
})

it('a squid that never answers is made a bounded number of times, and its workers are made all the same', async () => {
  const services = [{ service: 'squid' as const, site: 'home', count: 1 }]
  const world = openWorld({ directed: { breaker }, director: { services } })
  const ms = 30 * minutes
  const ill: Said = { pilotState: '', unhealthy: 'squid-gone' }
  await live(world, ms, (vm) => say(world, vm, vm.service === undefined ? {} : ill))
  expect(world.cloud.machines.length).toBeLessThanOrEqual(maxUseless(ms))
  expect(await why(world)).toMatch(/1 wanted squid VMs: image .*\/squid.*squid-gone/)
  await world.submit(1)
  await live(world, 60_000, (vm) => say(world, vm, vm.service === undefined ? {} : ill))
  expect((await up(world)).some(({ service }) => service === undefined)).toBe(true)
})
