/**
 * One seed of VM lifetimes: clouds with faults, a director that is killed, machines that come and go; then all of it heals,
 * and two reconcile cycles later nothing is leaked or doubled, and in the end nothing is left.
 *
 * The same options give the same run. A run ends at the first violation.
 */

import { cloudCallMs } from '../../core/kernel/limits.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import { isOver } from '../../core/model/vm.ts'
import { alice, bob, sampleQueue, sampleRequirements } from '../samples.ts'
import type { Dice } from '../dice.ts'
import type { Violation } from '../violations.ts'
import { openCatalogue } from './catalogue.ts'
import { settleMs, startDirecting } from './directing.ts'
import { bootMachine } from './machine.ts'
import { makeSites, type SiteWatch, watchSites } from './sites.ts'
import type { LifetimeRule } from './switches.ts'
import { nowAndThen, openTruth, openWorld, type World } from './world.ts'

export type LifetimesOptions = { readonly seed: number; readonly lifetimes: number; readonly without?: LifetimeRule }

export type LifetimesResult = {
  readonly seed: number
  /** Records that stood for a machine, and all that were intended. */
  readonly lifetimes: number
  readonly intents: number
  readonly faults: number
  readonly kills: number
  /** Two reconcile cycles after the heal. */
  readonly leaked: number
  readonly doubled: number
  readonly steps: number
  readonly virtualMs: number
  readonly digest: string
  readonly violation?: Violation
}

const minutes = 60_000
/** A run that does not get anywhere is a finding. */
const longestMs = 12 * 60 * minutes
/** After the heal: what hung is noticed, what never booted is given up, what was never answered is looked up. */
const quietMs = 20 * minutes + settleMs

export async function runLifetimes({ seed, lifetimes, without }: LifetimesOptions): Promise<LifetimesResult> {
  const world = openWorld(seed)
  const { timeline, violations, toll, trace } = world
  const sites = makeSites(world)
  const truth = openTruth(
    world,
    (cloud, vmId) => watch.machinesOf(cloud, vmId),
    (cloud, ref) => watch.ownerOf(cloud, ref),
  )
  const lived = new Set<string>()
  const watch: SiteWatch = watchSites(world, sites, (site, machine) => {
    lived.add(site.faulty.ownerOf(machine.order.vmId))
    bootMachine(world, truth, site, machine)
  })
  const demand = openDemand(world)
  const healing = { atMs: Infinity, cycles: 0, leaked: 0, doubled: 0 }

  function heal(): void {
    trace.note({}, 'the world heals')
    world.isRough = false
    healing.atMs = timeline.nowMs()
    for (const { fake, faulty } of sites) {
      faulty.calm()
      fake.rates.neverBoots = 0
      fake.quotaNow = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
    }
  }

  /** Calls that were under way at the heal have ended when the first of the two begins. */
  function onCycle(beganMs: number): void {
    if (world.isRough || beganMs - timeline.clock.nowMs() + timeline.nowMs() < healing.atMs + 2 * cloudCallMs) return
    healing.cycles += 1
    if (healing.cycles !== 2) return
    const [leaked, doubled] = [watch.leaked(), watch.doubled()]
    Object.assign(healing, { leaked: leaked.length, doubled: doubled.length })
    violations.check(leaked.length === 0, 'leaked', {}, () => leaked.join(', '))
    violations.check(doubled.length === 0, 'doubled', {}, () => doubled.join(', '))
    demand.end()
  }

  const clouds = sites.map(({ fake }) => fake.name)
  await openCatalogue(world, truth, clouds)
  startDirecting({ world, truth, sites, demand: demand.now, onCycle, without })
  await timeline.run(() => {
    watch.look()
    if (world.isRough && lived.size >= lifetimes) heal()
    if (violations.first()) return true
    const isAtRest = healing.cycles >= 2 && isQuiet(world) && sites.every(({ fake }) => fake.present().length === 0)
    if (isAtRest) return true
    const isLate = timeline.nowMs() > Math.min(longestMs, healing.atMs + quietMs)
    violations.check(
      !isLate,
      'moves',
      {},
      () => `${lived.size} lifetimes, ${healing.cycles} cycles since the heal; ${leftOf(world)}`,
    )
    return isLate
  })
  return {
    seed,
    ...{ lifetimes: lived.size, intents: toll.intents, kills: toll.kills },
    faults: sites.flatMap(({ faulty }) => Object.values(faulty.met)).reduce((sum, more) => sum + more, 0),
    ...{ leaked: healing.leaked, doubled: healing.doubled },
    ...{ steps: timeline.steps(), virtualMs: timeline.nowMs(), digest: trace.digest() },
    violation: violations.first(),
  }
}

function isQuiet({ vms }: World): boolean {
  for (const { phase } of vms.values()) if (!isOver(phase)) return false
  return true
}

function leftOf({ vms }: World): string {
  const left = [...vms].filter(([, { phase }]) => !isOver(phase)).map(([vmId, { phase }]) => `${vmId} ${phase.state}`)
  return left.slice(0, 10).join(', ')
}

/** What waits: more than there is room for, most of the time. The jobs themselves are not simulated here. */
function openDemand(world: World): { now(): readonly QueueCount[]; end(): void } {
  const { timeline, dice } = world
  const queues = [
    sampleQueue(alice),
    sampleQueue(bob, sampleRequirements({ cores: { min: 2, max: 2 } })),
    sampleQueue(bob, sampleRequirements({ clouds: { allowed: ['north', 'south'], banned: [] } })),
  ]
  let waiting = drawWaiting(dice, queues.length)
  let isOverNow = false
  nowAndThen(world, 5 * minutes, () => {
    waiting = drawWaiting(dice, queues.length)
  })
  return {
    now() {
      if (isOverNow) return []
      const oldestMs = timeline.clock.nowMs() - 5 * minutes
      return queues.map((queue, at) => ({ queue, waiting: waiting[at] ?? 0, topPriority: 0, oldestMs }))
    },
    end() {
      isOverNow = true
    },
  }
}

function drawWaiting(dice: Dice, count: number): readonly number[] {
  return Array.from({ length: count }, () => (dice.chance(0.2) ? 0 : dice.whole(5, 60)))
}
