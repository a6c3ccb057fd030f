/**
 * A small installation for tests of the director: the real store in memory, fake clouds, a clock that stands still, and
 * pilots that come up as soon as their machine runs.
 */

import { hintsTo } from '../../../services/outcomes/hints.ts'
import { type Outcomes, openOutcomes } from '../../../services/outcomes/outcomes.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import type { Offering } from '../../../core/model/cloud.ts'
import type { AgentConfig } from '../../../core/model/agent-config.ts'
import type { Fact, Subject } from '../../../core/model/fact-shapes.ts'
import type { FleetPlan } from '../../../core/plan/fleet.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import type { Owner } from '../../../core/model/owner.ts'
import type { Bus, Hint } from '../../../core/ports/bus.ts'
import { type Log, silentLog } from '../../../core/ports/log.ts'
import type { Fence, Store } from '../../../core/ports/store.ts'
import type { KeptVm } from '../../../core/model/vm.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import type { Requirements } from '../../../core/model/requirements.ts'
import { activationHash } from '../../../services/director/contextualize.ts'
import { type Director, director } from '../../../services/director/director.ts'
import { cloudRole } from '../../../services/director/hold-clouds.ts'
import { type DirectedCloud, directorDefaults, type DirectorOptions } from '../../../services/director/options.ts'
import { checkedImages } from '../../../services/images/catalogue.ts'
import { openTrust, type Trust } from '../../../services/images/trust.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { type FakeCloud, fakeCloud, type FakeCloudOptions } from '../../../sim/fake-cloud.ts'
import { alice, sampleRequirements, sampleSpec, sampleSubmission, sampleVm } from '../../../sim/samples.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

export const periodMs = 10_000
const foreverMs = 10 ** 12

/** The world has one director, and it has every cloud from its first step on. */
function everyCloud(store: Store, clock: Clock, clouds: readonly FakeCloud[]) {
  const fences = new Map<string, Fence>()
  return {
    fenceOf: (cloud: string) => fences.get(cloud),
    async hold() {
      for (const { name } of clouds) {
        const lease = await store.hold(cloudRole(name), 'test', foreverMs, clock.nowMs())
        if (lease) fences.set(name, lease)
      }
    },
  }
}

export type WorldOptions = {
  readonly seed?: number
  readonly clouds?: readonly (Partial<FakeCloudOptions> & { readonly offerings?: readonly Offering[] })[]
  readonly directed?: Partial<DirectedCloud>
  readonly director?: Partial<Pick<DirectorOptions, 'render' | 'policy' | 'services'>>
  readonly log?: Log
  /** Whom its director trusts to endorse images. */
  readonly trust?: Trust
}

export type World = {
  readonly clock: VirtualClock
  readonly store: Store
  readonly cloud: FakeCloud
  readonly clouds: readonly FakeCloud[]
  /** What its director was given. */
  readonly options: DirectorOptions
  readonly hints: readonly Hint[]
  /** A step, and what needs time in it. */
  step(): Promise<FleetPlan>
  /** Time goes on by a period (or so much), then a step. */
  next(ms?: number): Promise<FleetPlan>
  /** `next` until nothing is left to do, or this number of times. */
  cycles(count: number): Promise<void>
  /** Activates the VMs whose machine runs, and lets all that are up send a heartbeat. */
  pilots(changes?: { readonly unhealthy?: string; readonly silent?: readonly VmId[] }): Promise<void>
  submit(count: number, requirements?: Partial<Requirements>, owner?: Owner): Promise<JobId>
  claim(jobId: JobId, vmId: VmId): Promise<Job>
  kill(jobId: JobId): Promise<void>
  vms(): Promise<readonly KeptVm[]>
  states(): Promise<readonly string[]>
  facts(subject: Subject): Promise<readonly Fact[]>
  /** A new director over the same store and clouds: the process was restarted. */
  restart(): void
}

export function sampleOffering(changes: Partial<Offering> = {}): Offering {
  const { id, phase, reason, intendedMs, changedMs, endByMs, activation, ...shape } = sampleVm('a')
  return { ...shape, cores: 1, ...changes }
}

function directedCloud(cloud: FakeCloud, offerings: readonly Offering[] | undefined): DirectedCloud {
  return {
    cloud,
    offerings: offerings ?? [sampleOffering({ cloud: cloud.name })],
    startsImages: false,
    limits: { maxVms: 20, maxCores: 100, maxCreatesPerStep: 10 },
    bootMs: 120_000,
    lifeMs: 24 * 3600_000,
    breaker: { failures: 3, backoffMs: 60_000, maxBackoffMs: 240_000 },
  }
}

/** What changes of jobs mean here: hints, as in every process. */
function hinting(bus: Bus): Outcomes {
  const outcomes = openOutcomes()
  outcomes.react(hintsTo(bus))
  return outcomes
}

export function openWorld(given: WorldOptions = {}): World {
  const { seed = 1, clouds = [{}], directed = {}, director: changes = {}, trust = openTrust(), log = silentLog() } = given
  const clock = virtualClock()
  // A cloud has a clock of its own, which is never put back.
  const startMs = clock.nowMs()
  const cloudClock: Clock = { ...clock, nowMs: () => startMs + clock.monotonicMs() }
  const random = seededRandom(seed)
  const store = memoryStore()
  const hints: Hint[] = []
  const bus: Bus = { hint: (hint) => hints.push(hint), listen: () => () => {} }
  const fakes = clouds.map((options) => fakeCloud({ name: 'here', clock: cloudClock, random, ...options }))
  const { fenceOf, hold } = everyCloud(store, clock, fakes)
  const options: DirectorOptions = {
    store,
    bus,
    clock,
    random,
    log,
    outcomes: hinting(bus),
    images: (names) => checkedImages({ store, trust }, names),
    clouds: fakes.map((cloud, at) => ({ ...directedCloud(cloud, clouds[at]?.offerings), ...directed })),
    services: [],
    render: (config) => JSON.stringify(config),
    fenceOf,
    policy: directorDefaults,
    ...changes,
  }
  let current: Director = director(options)

  const step = async (): Promise<FleetPlan> => {
    let plan: FleetPlan | undefined
    const stepping = hold().then(() => current.step().then((made) => (plan = made)))
    // Time goes on only while the step waits for something.
    for (let waited = 0; !plan && waited < 60_000; waited += 500) {
      await clock.settle()
      if (!plan) await clock.advance(500)
    }
    await stepping
    if (!plan) throw new Error('a step makes a plan')
    return plan
  }
  const world: World = {
    clock,
    store,
    clouds: fakes,
    options,
    get cloud() {
      const [first] = fakes
      if (!first) throw new Error('a world has a cloud')
      return first
    },
    hints,
    step,
    async next(ms = periodMs) {
      await clock.advance(ms)
      return await step()
    },
    async cycles(count) {
      for (let cycle = 0; cycle < count; cycle += 1) await world.next()
    },
    async pilots({ unhealthy = '', silent = [] } = {}) {
      const nowMs = clock.nowMs()
      for (const fake of fakes) {
        for (const machine of fake.present()) {
          if (!fake.isRunning(machine) || silent.includes(machine.order.vmId)) continue
          const { vmId, activationKey } = JSON.parse(machine.order.userData) as AgentConfig
          const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, payloads: 0, idleMs: 0 }
          const heartbeat = { ...load, atMs: nowMs, pilotState: 'idle', unhealthy }
          const keyHash = activationHash(activationKey)
          await store.changeVms([{ kind: 'activated', vmId, keyHash, nonceHash: vmId }], nowMs)
          await store.changeVms([{ kind: 'heartbeat', vmId, heartbeat }], nowMs)
        }
      }
    },
    async submit(count, requirements = {}, owner = alice) {
      const specs = Array.from({ length: count }, () => sampleSpec({ requirements: sampleRequirements(requirements) }))
      const outcome = await store.submit(sampleSubmission(specs, owner), clock.nowMs())
      if (!outcome.ok) throw new Error('the submission must be taken')
      return outcome.firstId
    },
    async claim(jobId, vmId) {
      const untilMs = clock.nowMs() + 90_000
      const [outcome] = await store.change([{ kind: 'claim', jobId, vmId, cores: 1, untilMs }], clock.nowMs())
      if (!outcome?.ok) throw new Error(`the claim was refused as ${outcome?.why}`)
      return outcome.job
    },
    async kill(jobId) {
      await store.change([{ kind: 'kill', jobId, by: 'test', why: '' }], clock.nowMs())
    },
    vms: () => store.liveVms(),
    states: async () => (await store.liveVms()).map(({ vm }) => vm.phase.state).sort(),
    facts: (subject) => store.history(subject, 100),
    restart() {
      current = director(options)
    },
  }
  return world
}
