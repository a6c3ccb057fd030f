/**
 * The director as a process that is killed (kill -9) and comes back: each life builds the real runtime anew over the same
 * store and the same clouds. What it remembered is lost, what it asked of a cloud goes on, and the answer is lost.
 *
 * It dies at random moments and at those that hurt most: between an intent and its call, between a call and its answer, and
 * between an answer and its record.
 */

import { memoryLiveOutput } from '../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../services/adapters/sandbox/memory/memory-blobs.ts'
import { trusting } from '../trusting-cloud.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Image } from '../../core/model/image.ts'
import { cloudCallMs, listLagMs } from '../../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../../core/model/cloud.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import type { Store } from '../../core/ports/store.ts'
import { localBus } from '../../services/adapters/bus/local/local-bus.ts'
import { type DirectorPolicy, directorDefaults } from '../../services/director/options.ts'
import type { Trust } from '../../services/images/trust.ts'
import { buildRuntime, startLoops } from '../../services/run/runtime.ts'
import { auditedLog, simSandbox } from '../service.ts'
import { type SimProcess, simProcess } from '../process.ts'
import { storeView } from '../store-view.ts'
import { siteOf } from './catalogue.ts'
import type { Site } from './sites.ts'
import type { LifetimeRule } from './switches.ts'
import { nowAndThen, type World } from './world.ts'

export type DirectingOptions = {
  readonly world: World
  readonly truth: Store
  readonly sites: readonly Site[]
  readonly demand: () => readonly QueueCount[]
  /** After each step that every cloud could be read for: when it began. */
  readonly onCycle: (beganMs: number) => void
  readonly without: LifetimeRule | undefined
}

/** One life of the director, and what it holds of its clouds besides. */
type Life = {
  readonly options: DirectingOptions
  readonly process: SimProcess
  /** The chance of a death at each of the moments that hurt. */
  readonly mortality: number
  readonly asked: Map<string, VmOrder>
  kill(): void
}

const everyMs = 10_000
/** As the configuration has it where clouds are not local. */
export const settleMs = 1.5 * cloudCallMs + listLagMs
const killEveryMs = 10 * 60_000

export function startDirecting(options: DirectingOptions): void {
  const { world, truth } = options
  const { dice, timeline, trace, toll } = world
  const weather = {
    storeMs: dice.anyScale(0.1, 10),
    isStoreOrdered: dice.chance(0.5),
    storeHiccupRate: dice.anyScale(0.0001, 0.005),
    storeFailRate: dice.chance(0.5) ? 0 : dice.anyScale(0.0001, 0.002),
  }
  const mortality = dice.anyScale(0.003, 0.06)
  const policy = { ...directorDefaults, settleMs: options.without === 'lookup' ? 0 : settleMs }
  let lives = 0
  let current: SimProcess | undefined

  function start(): void {
    const process = simProcess({ timeline })
    current = process
    lives += 1
    const kill = (): void => {
      if (!process.isAlive() || !world.isRough) return
      process.kill()
      toll.kills += 1
      const downMs = dice.anyScale(200, 40_000)
      trace.note({}, `the director is killed, back in ${Math.round(downMs)} ms`)
      timeline.after(downMs, start)
    }
    if (!world.isRough) weather.storeFailRate = 0
    trace.note({}, 'the director starts')
    // Half of the installations are an embedded store, whose holder has no rival; in others the next one waits for the role.
    const holder = weather.isStoreOrdered ? 'only' : `life-${lives}`
    const life: Life = { options, process, mortality, asked: new Map(), kill }
    live(life, policy, holder, storeView(truth, process, { timeline, dice, weather }).store)
  }

  start()
  nowAndThen(world, killEveryMs, () => {
    if (!current?.isAlive()) return
    current.kill()
    toll.kills += 1
    timeline.after(dice.anyScale(200, 40_000), start)
  })
}

function live(life: Life, policy: DirectorPolicy, holder: string, seen: Store): void {
  const { process, options } = life
  const { world, sites, demand, onCycle, without } = options
  const { clock } = process
  const runtime = buildRuntime({
    store: { ...storeOf(life, seen), queues: async () => demand() },
    bus: localBus(clock),
    clock,
    log: auditedLog(world),
    sandbox: simSandbox(),
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    trust: trustsAll,
    roles: ['director'],
    holder,
    policy: { leaseMs: 90_000, renewEveryMs: 25_000, keepEndedMs: Infinity, reserveAfterMs: Infinity },
    director: {
      random: world.dice.random,
      clouds: sites.map((site) => ({
        ...site.directed,
        cloud: without === 'confirm-delete' ? trusting(cloudOf(life, site)) : cloudOf(life, site),
      })),
      services: [],
      render: (config) => JSON.stringify(config),
      policy,
    },
  })
  runtime.then(
    (built) => {
      if (!process.isAlive()) return
      const step = async () => {
        const beganMs = clock.nowMs()
        const plan = await built.director.step()
        const isWhole = plan.lines.every(
          (line) => line.kind !== 'hold' || (line.cause.why !== 'frozen' && line.cause.why !== 'unread'),
        )
        if (plan.atMs > beganMs && isWhole) onCycle(beganMs)
        return plan
      }
      startLoops({ ...built, director: { ...built.director, step } }, everyMs)
    },
    // As a supervisor does: a start that failed is tried again.
    () => world.timeline.after(1000, () => live(life, policy, holder, seen)),
  )
}

/** Whether signatures hold is not what is simulated. */
const trustsAll: Trust = { endorsers: [], distrust: () => '' }

function storeOf({ options, process, kill, mortality }: Life, seen: Store): Store {
  const { world, without } = options
  return {
    ...seen,
    async images(names) {
      const images = await seen.images(names)
      return without === 'gate' ? images.map((image) => ({ ...image, phase: approvedBy(image) })) : images
    },
    async intend(vm, nowMs, under) {
      if (without === 'intent') return true
      const isNew = await seen.intend(vm, nowMs, under)
      if (isNew && world.dice.chance(mortality)) kill()
      return process.isAlive() ? isNew : await never()
    },
  }
}

function approvedBy({ entry }: Image): Image['phase'] {
  const approvals = Object.keys(entry.references).map((cloud) => ({ site: siteOf(cloud), by: 'ben', atMs: 0 }))
  return { state: 'Approved', approvals }
}

/** The cloud as this life sees it. */
function cloudOf(life: Life, { faulty, quotaFor, fake }: Site): Cloud {
  const { options, process, asked, mortality, kill } = life
  const { dice, timeline, vms } = options.world
  let reported: CloudQuota | undefined

  /** `deadliness`: a factor of the chance that the director dies before or after this call. */
  function ask<Value>(deadliness: number, act: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const dies = (): boolean => options.world.isRough && dice.chance(mortality * deadliness)
      if (dies()) {
        kill()
        return
      }
      const hear = (say: () => void): void => {
        if (dies()) kill()
        // The director has the answer, and has not written it to the store yet, or just has.
        if (dies()) timeline.after(dice.between(0, 5), kill)
        process.deliver(0, say)
      }
      act().then(
        (value) => hear(() => resolve(value)),
        (error: unknown) => hear(() => reject(error)),
      )
    })
  }

  function orderOf(order: VmOrder): VmOrder {
    const { without } = options
    const isAgain = asked.has(order.vmId)
    asked.set(order.vmId, order)
    const another = [...asked.values()].findLast(({ vmId, shape }) => vmId !== order.vmId && shape.cloud === fake.name)
    return without === 'order' && isAgain && another ? another : order
  }

  function shownOf(list: readonly CloudVm[]): readonly CloudVm[] {
    if (options.without !== 'orphans') return list
    const isStoodFor = ({ vmId, ref }: CloudVm): boolean => {
      const phase = vms.get(vmId as VmId)?.phase
      return (
        phase !== undefined &&
        !['Gone', 'Failed', 'Lost'].includes(phase.state) &&
        (!('ref' in phase) || phase.ref === '' || phase.ref === ref)
      )
    }
    return list.filter(isStoodFor)
  }

  return {
    name: faulty.name,
    create(order) {
      if (reported) quotaFor.set(order.vmId, reported)
      return ask(1, () => faulty.create(orderOf(order)))
    },
    list: async () => shownOf(await ask(0.02, () => faulty.list())),
    destroy: (ref) => ask(0.2, () => faulty.destroy(ref)),
    consoleLog: (ref) => ask(0, () => faulty.consoleLog(ref)),
    async quota() {
      reported = await ask(0, () => faulty.quota())
      return reported
    },
  }
}

function never<Value>(): Promise<Value> {
  return new Promise(() => {})
}
