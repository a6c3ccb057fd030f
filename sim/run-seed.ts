/**
 * One seed: a world is made from it, work and faults meet in it, the faults end, and all work must finish.
 *
 * The same options give the same run, step by step. A run ends at the first violation.
 */

import { leaseMs } from '../core/kernel/limits.ts'
import type { Store } from '../core/ports/store.ts'
import type { SimService } from './life.ts'
import { startSimService } from './service.ts'
import { type CloudWatch, makeClouds, setRates, type SimCloud, troubleClouds, watchClouds } from './clouds.ts'
import { type ChargeBooks, openCharges } from './charges.ts'
import { dice } from './dice.ts'
import { type Ground, openGround, type Toll } from './ground.ts'
import { bootHost } from './host.ts'
import type { Host } from './host-state.ts'
import { dueSince, isEndState } from './job-books.ts'
import { scan } from './scan.ts'
import { openSwitchboard, type Switchboard } from './switchboard.ts'
import { type Rule, uselessWithout } from './switches.ts'
import { operators, troubleClock, troubleHosts, troubleService } from './troubles.ts'
import { type UselessOffering, uselessBooks } from './useless.ts'
import { openTruth } from './truth.ts'
import { checkUsage } from './usage-books.ts'
import { gatherUsers, type Users } from './users.ts'
import type { Violation } from './violations.ts'
import { clearUp } from './weather.ts'

export type SeedOptions = {
  readonly seed: number
  readonly jobs: number
  readonly without?: Rule
  /** In place of what the seed's weather has of it. */
  readonly useless?: UselessOffering
}

export type SeedResult = {
  readonly seed: number
  readonly jobs: number
  readonly steps: number
  readonly virtualMs: number
  readonly toll: Toll
  /** Two runs of one seed have the same. */
  readonly digest: string
  readonly violation?: Violation
}

/** Faults last until most of the work is done, but not for ever. */
const stormMs = 2 * 60 * 60_000
const stormShare = 0.85
/** After that, everything must be quiet by then: the longest backoff, a boot, the work that is left, an idle time. */
const quietMs = 90 * 60_000
const lookEveryMs = 30_000
const scanEveryMs = 10 * 60_000
/** A Blocked job may be so for this time after it should not, once the world is well: the sweeper may change hands. */
const maxBlockedMs = 60_000
/** Overdue leases are given up by then after the heal: a lease of grace, and the lease itself. */
const leaseBoundMs = 3 * leaseMs

type World = {
  readonly ground: Ground
  readonly truth: Store
  readonly clouds: readonly SimCloud[]
  readonly cloudNames: readonly string[]
  readonly watch: CloudWatch
  readonly switchboard: Switchboard
  readonly service: SimService
  readonly charges: ChargeBooks
  readonly users: Users
  readonly hosts: () => readonly Host[]
  readonly rest: () => void
}

export async function runSeed(options: SeedOptions): Promise<SeedResult> {
  const { seed, jobs } = options
  const world = makeWorld(options)
  const { ground, users } = world
  const { timeline, violations } = ground
  let healMs = Infinity
  let isQuiet = false

  const failed = (error: unknown): void => violations.report('noBug', {}, `a check failed: ${error}`)
  const check = (): void => {
    world.charges.check()
    ground.held.check()
    scan(ground, world.truth, users.acknowledged()).catch(failed)
  }
  const look = (): void => {
    timeline.after(lookEveryMs, look)
    world.switchboard.dropDead()
    if (healMs === Infinity && isTimeToHeal(world, jobs)) {
      healMs = timeline.nowMs()
      heal(world)
    }
    if (healMs === Infinity) return
    checkMoving(world, timeline.nowMs() - healMs)
    ground.held.checkKept(world.truth, world.cloudNames).catch(failed)
    if (!users.areDone() || leftOf(world).length > 0) return
    // The last look at everything, and the end when it has been taken.
    check()
    timeline.after(0, () => {
      checkUsage(ground, world.truth)
        .catch(failed)
        .finally(() => {
          isQuiet = true
        })
    })
  }
  const scanAgain = (): void => {
    check()
    timeline.after(scanEveryMs, scanAgain)
  }
  timeline.after(lookEveryMs, look)
  timeline.after(scanEveryMs, scanAgain)
  await timeline.run(() => {
    world.watch.look()
    return isQuiet || violations.first() !== undefined
  })
  return {
    seed,
    jobs: ground.jobs.entries.size,
    steps: timeline.steps(),
    virtualMs: timeline.nowMs(),
    toll: ground.toll,
    digest: ground.trace.digest(),
    violation: violations.first(),
  }
}

function makeWorld({ seed, jobs, without, useless: given }: SeedOptions): World {
  const ground: Ground = openGround({ seed, machinesOf: (vmId) => watch.machinesOf(vmId) })
  const { timeline } = ground
  const everywhere = given ?? uselessWithout(without)
  if (everywhere) ground.weather.useless = everywhere
  const clouds = makeClouds(dice(seed + 1_000_003), timeline.clock)
  const truth = openTruth(ground, without)
  const switchboard = openSwitchboard(ground)
  const charges = openCharges(ground)
  const useless = uselessBooks(
    ground,
    clouds.map(({ directed }) => directed),
  )
  let running: Host[] = []
  const watch: CloudWatch = watchClouds(
    clouds,
    () => ground,
    (cloud, machine) => {
      const inMs = machine.bootedMs - timeline.clock.nowMs()
      if (!Number.isFinite(inMs)) return
      timeline.after(inMs, () => {
        if (cloud.fake.isRunning(machine)) running.push(bootHost({ ground, switchboard, useless }, cloud, machine))
      })
    },
  )
  const hosts = (): readonly Host[] => {
    running = running.filter((host) => host.isRunning())
    return running
  }
  const service = startSimService({ ground, truth, clouds, switchboard, charges, without })
  switchboard.join(service)
  const users = gatherUsers(ground, switchboard, jobs)
  troubleClouds(clouds, ground)
  troubleService(ground, service, switchboard)
  troubleClock(ground)
  troubleHosts(ground, hosts)
  const { rest } = operators(ground, switchboard)
  const cloudNames = clouds.map(({ fake }) => fake.name)
  return { ground, truth, clouds, cloudNames, watch, switchboard, service, charges, users, hosts, rest }
}

function isTimeToHeal({ ground, users }: World, jobs: number): boolean {
  const isMostlyDone = users.areDone() && ground.jobs.ended() >= stormShare * jobs
  return isMostlyDone || ground.timeline.nowMs() > stormMs
}

function heal({ ground, clouds, users, rest }: World): void {
  ground.trace.note({}, 'the world heals')
  clearUp(ground.weather)
  ground.clock.aheadMs = 0
  for (const { fake } of clouds) {
    setRates(fake, ground.weather)
    fake.quotaNow = { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  }
  users.comeToRest()
  rest()
}

/** What has not finished, as text. A job that no offering could run may wait: its user was warned. */
function leftOf({ ground, clouds }: World): readonly string[] {
  const jobs = [...ground.jobs.entries.values()].filter(
    ({ state, isHopeless }) => !isEndState(state) && !(isHopeless && state === 'Waiting'),
  )
  const machines = clouds.flatMap(({ fake }) => fake.present().map(({ ref }) => `machine ${ref}`))
  const vms = ground.vms.live().map((vmId) => `${vmId} ${ground.vms.state(vmId)}`)
  const payloads = ground.payloads.running().map(({ jobId, vmId }) => `payload of ${jobId} on ${vmId}`)
  return [...jobs.map(({ id, state }) => `job ${id} ${state}`), ...vms, ...machines, ...payloads]
}

function checkMoving(world: World, sinceHealMs: number): void {
  const { ground } = world
  const { violations, jobs, timeline } = ground
  if (sinceHealMs > quietMs) {
    const left = leftOf(world)
    violations.check(left.length === 0, 'moves', {}, () => `still not at rest: ${left.slice(0, 10).join(', ')}`)
  }
  if (sinceHealMs < leaseBoundMs) return
  const nowMs = timeline.clock.nowMs()
  for (const entry of jobs.entries.values()) {
    const lateMs = nowMs - Math.max(dueSince(jobs.entries, entry) ?? nowMs, nowMs - sinceHealMs)
    const what = (): string => `it is Blocked, and what it waits for ended ${lateMs / 1000} s ago`
    violations.check(lateMs <= maxBlockedMs, 'moves', { jobId: entry.id }, what)
  }
  for (const { id, vmId, untilMs } of jobs.entries.values()) {
    const isFine = vmId === undefined || untilMs > nowMs - leaseMs
    violations.check(isFine, 'moves', { jobId: id, vmId }, () => `its lease is over for ${(nowMs - untilMs) / 1000} s`)
  }
}
