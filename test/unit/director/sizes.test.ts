/** VMs that have less than their flavor promises: the plan counts with what was found, and says both numbers. */

import { describe, expect, it } from 'vitest'
import { measuredSizeKeepMs } from '../../../core/kernel/limits.ts'
import type { Resources } from '../../../core/model/resources.ts'
import { blockedText } from '../../../core/plan/cause-text.ts'
import type { FleetPlan } from '../../../core/plan/fleet.ts'
import { cloudStatus } from '../../../services/vms/list-clouds.ts'
import { measuredText } from '../../../services/views/cloud.ts'
import { openWorld, sampleOffering, type World } from './world.ts'

const gib = 1024 ** 3
const promised = { cores: 8, memoryBytes: 24 * gib, diskBytes: 100 * gib }
const found = { ...promised, memoryBytes: 23.5 * gib }
const offering = sampleOffering(promised)
const hour = 3_600_000

const openSmaller = (maxCreatesPerStep = 10): World =>
  openWorld({
    clouds: [{ offerings: [offering] }],
    directed: { limits: { maxVms: 20, maxCores: 400, maxCreatesPerStep }, lifeMs: 48 * hour },
  })

const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }

/** Every VM that is up says what it has; idle ones are let go, as their monitors ask. */
async function live(world: World, steps: number, size: Resources, isIdle = true): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await world.next()
    await world.pilots()
    for (const { vm } of await world.vms()) {
      if (vm.phase.state !== 'Active') continue
      const nowMs = world.clock.nowMs()
      const heartbeat = { ...load, atMs: nowMs, pilotState: 'idle', unhealthy: '', size }
      await world.store.changeVms([{ kind: 'heartbeat', vmId: vm.id, heartbeat }], nowMs)
      if (isIdle) await world.store.changeVms([{ kind: 'retire', vmId: vm.id, why: 'idle', faultUnless: 'offered' }], nowMs)
    }
  }
}

const holds = ({ lines }: FleetPlan): string =>
  lines.flatMap((line) => (line.kind === 'hold' ? [`${line.cause.why}: ${blockedText(line)}`] : [])).join('\n')

const bothNumbers = 'memory: wanted 24 GiB, offered 23.5 GiB (measured; promised: 24 GiB)'

describe('work that fits the promise, and not what is found', () => {
  it('makes one VM, and the plan says why no other', async () => {
    const world = openSmaller()
    await world.submit(1, { memoryBytes: 24 * gib })
    await live(world, 60, found)
    expect(world.cloud.machines).toHaveLength(1)
    expect(holds(await world.next())).toContain(`no-fit: no offering fits; closest: here/small (${bothNumbers})`)
  })

  it('makes no other if another director goes on', async () => {
    const world = openSmaller()
    await world.submit(1, { memoryBytes: 24 * gib })
    await live(world, 10, found)
    world.restart()
    await live(world, 10, found)
    expect(world.cloud.machines).toHaveLength(1)
  })

  it('makes one more a day later, and all that it needs if the cloud was mended', async () => {
    const world = openSmaller()
    await world.submit(3, { memoryBytes: 24 * gib })
    await live(world, 10, found)
    const first = world.cloud.machines.length
    await world.next(measuredSizeKeepMs - 200_000)
    await live(world, 3, promised, false)
    expect(world.cloud.machines).toHaveLength(first)
    await world.next(200_000)
    await live(world, 5, promised, false)
    expect(world.cloud.machines).toHaveLength(first + 3)
  })

  it('is tried again when the configuration promises something else', async () => {
    const world = openSmaller()
    await world.submit(1, { memoryBytes: 24 * gib })
    await live(world, 10, found)
    const larger = sampleOffering({ ...promised, memoryBytes: 25 * gib })
    for (const directed of world.options.clouds) Object.assign(directed, { offerings: [larger] })
    await live(world, 3, larger, false)
    expect(world.cloud.machines).toHaveLength(2)
  })
})

describe('work that finds room on a VM as it was promised', () => {
  it('gets a VM of its own where the pilot found less', async () => {
    const world = openSmaller()
    await world.submit(2, { memoryBytes: 12 * gib })
    await world.step()
    expect(world.cloud.machines).toHaveLength(1)
    await live(world, 5, promised, false)
    expect(world.cloud.machines).toHaveLength(1)
    await live(world, 1, found, false)
    const plan = await world.next()
    expect(plan.lines.filter(({ kind }) => kind === 'create')).toMatchObject([{ count: 1, jobs: 1 }])
    await live(world, 5, found, false)
    expect(world.cloud.machines).toHaveLength(2)
  })

  it('is not counted twice on a VM that is coming and will have less', async () => {
    const world = openSmaller(1)
    await world.submit(1, { memoryBytes: 20 * gib })
    await live(world, 10, found)
    await world.kill((await world.store.next(await classOf(world), 1))[0]?.id ?? (0 as never))
    await world.submit(2, { memoryBytes: 12 * gib })
    const made = world.cloud.machines.length
    await world.next()
    await world.next()
    expect(world.cloud.machines).toHaveLength(made + 2)
  })
})

const classOf = async (world: World) => (await world.store.queues())[0]?.queue.id ?? ('' as never)

it('is listed for operators with both numbers', async () => {
  const world = openSmaller()
  await world.submit(1, { memoryBytes: 24 * gib })
  await live(world, 10, found)
  const [vmId] = world.cloud.machines.map(({ order }) => order.vmId)
  const limits = { maxVms: 1, maxCores: 1, maxCreatesPerStep: 1 }
  const listed = { name: 'here', kind: 'fake', site: 'home', limits }
  const status = async () => (await cloudStatus(world.store, [listed], world.clock.nowMs())).clouds[0]?.measured ?? []
  expect(measuredText({ measured: await status() })).toBe(`small/plain: measured 23.5 GiB memory, promised 24 GiB (${vmId})`)
  await world.clock.advance(measuredSizeKeepMs)
  expect(await status()).toEqual([])
})
