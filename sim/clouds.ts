/**
 * The clouds of a run: fake ones under the weather, watched for machines that come and for limits that are exceeded.
 *
 * A machine is a fact of the cloud, whatever any record says: `onMachine` is called when the cloud makes it, and its
 * agents run from its boot until it is off. Calls of a dead director still reach the cloud; only their answers are lost.
 */

import type { VmIdentity } from '../core/model/agent-config.ts'
import { agentConfig, type ContextCloud } from '../services/context/agent-config.ts'
import type { Offering } from '../core/model/cloud.ts'
import type { Clock } from '../core/kernel/clock.ts'
import type { VmId } from '../core/kernel/ids.ts'
import type { Cloud } from '../core/ports/cloud.ts'
import type { DirectedCloud } from '../services/director/options.ts'
import { type FakeCloud, fakeCloud, type FakeMachine } from './fake-cloud.ts'
import type { Dice } from './dice.ts'
import { type Ground, nowAndThen } from './ground.ts'
import type { SimProcess } from './process.ts'
import type { Weather } from './weather.ts'
import { noAmounts } from '../core/model/resources.ts'
import type { Traits } from '../core/model/traits.ts'

export type SimCloud = { readonly fake: FakeCloud; readonly directed: DirectedCloud }

const gib = 1024 ** 3
const minutes = 60_000

const flavors = [
  { flavor: 'small', cores: 2, memoryBytes: 4 * gib, pricePerHour: 2 },
  { flavor: 'medium', cores: 4, memoryBytes: 8 * gib, pricePerHour: 4 },
  { flavor: 'large', cores: 8, memoryBytes: 16 * gib, gpus: 2, pricePerHour: 7 },
] as const

/** By cloud. A core of the north does twice as much. */
const traits: Readonly<Record<string, Traits>> = {
  north: { os: 'almalinux', osVersion: '9.4', glibc: '2.34', power: 10 },
  south: { os: 'debian', osVersion: '12', glibc: '2.36', power: 5 },
}

export function makeClouds(dice: Dice, clock: Clock): readonly SimCloud[] {
  return ['north', 'south'].map((name) => {
    const maxVms = dice.whole(5, 12)
    const maxCores = dice.whole(24, 56)
    const fake = fakeCloud({
      name,
      clock,
      random: dice.random,
      quota: dice.chance(0.3) ? { vms: dice.whole(3, 6) } : {},
      bootMs: dice.between(2000, 60_000),
      destroyMs: dice.chance(0.3) ? 0 : dice.between(1000, 60_000),
      listLagMs: dice.chance(0.5) ? 0 : dice.between(0, 20_000),
      callMs: dice.anyScale(20, 3000),
      isIdempotent: dice.chance(0.7),
    })
    return { fake, directed: directedCloud(name, fake, { maxVms, maxCores, maxCreatesPerStep: dice.whole(2, 6) }) }
  })
}

function directedCloud(name: string, cloud: Cloud, limits: DirectedCloud['limits']): DirectedCloud {
  const offerings: readonly Offering[] = flavors.map((flavor) => ({
    ...noAmounts,
    ...flavor,
    cloud: name,
    site: `site-${name}`,
    image: 'plain',
    platform: 'linux',
    tags: name === 'north' ? ['fast'] : [],
    traits: traits[name],
    vos: [],
    diskBytes: 100 * gib,
  }))
  return {
    cloud,
    offerings,
    startsImages: false,
    limits,
    bootMs: 3 * minutes,
    lifeMs: 40 * minutes,
    breaker: { failures: 3, backoffMs: 30_000, maxBackoffMs: 2 * minutes },
  }
}

/** The agents of a simulated VM read it as it is. */
export function userDataOf(vm: VmIdentity, offering: Offering): string {
  const cloud: ContextCloud = {
    traits: { isOnThisMachine: true, isLent: false, userData: { maxBytes: Infinity, counted: 'plain' } },
    references: { flavors: new Map() },
    isolation: { choice: 'auto', binds: [] },
  }
  const policy = { idleMs: 45_000, leastLifeMs: 0, deadManMs: 8 * minutes }
  const settings = { endpoint: '127.0.0.1:1', plaintext: false, policy, dataDir: '/data' }
  return JSON.stringify(agentConfig(vm, offering, cloud, settings))
}

/** The cloud as one life of the director sees it. */
export function cloudView(cloud: Cloud, life: SimProcess): Cloud {
  const ask = <Value>(answer: Promise<Value>): Promise<Value> =>
    new Promise((resolve, reject) => {
      answer.then(
        (value) => life.deliver(0, () => resolve(value)),
        (error: unknown) => life.deliver(0, () => reject(error)),
      )
    })
  return {
    name: cloud.name,
    create: (order) => ask(cloud.create(order)),
    list: () => ask(cloud.list()),
    destroy: (ref) => ask(cloud.destroy(ref)),
    consoleLog: (ref) => ask(cloud.consoleLog(ref)),
    quota: () => ask(cloud.quota()),
  }
}

export type CloudWatch = {
  /** To be called after every step. */
  look(): void
  machinesOf(vmId: VmId): readonly string[]
}

export function watchClouds(
  clouds: readonly SimCloud[],
  ground: () => Ground,
  onMachine: (cloud: SimCloud, machine: FakeMachine) => void,
): CloudWatch {
  const seen = clouds.map(() => 0)

  function judge({ fake, directed }: SimCloud, { order, ref }: FakeMachine): void {
    const { violations, vms, trace } = ground()
    const { vmId } = order
    const { maxVms, maxCores } = directed.limits
    trace.note({ vmId }, `machine ${ref} is made`)
    violations.check(vms.state(vmId) !== undefined, 'vmRecord', { vmId }, () => `${ref} is made and no record intends it`)
    const { vms: peakVms, cores } = fake.peak
    const isWithin = peakVms <= maxVms && cores <= maxCores
    const what = (): string => {
      const there = fake.present().map((one) => `${one.ref} (${one.order.vmId}, ${vms.state(one.order.vmId)})`)
      return `${fake.name} has ${peakVms} of ${maxVms} VMs and ${cores} of ${maxCores} cores: ${there.join(', ')}`
    }
    violations.check(isWithin, 'limits', { vmId }, what)
  }

  return {
    look() {
      for (const [at, cloud] of clouds.entries()) {
        for (let next = seen[at] ?? 0; next < cloud.fake.machines.length; next += 1) {
          const machine = cloud.fake.machines[next]
          if (!machine) continue
          seen[at] = next + 1
          judge(cloud, machine)
          onMachine(cloud, machine)
        }
      }
    },
    machinesOf: (vmId) =>
      clouds.flatMap(({ fake }) =>
        fake
          .present()
          .filter(({ order }) => order.vmId === vmId)
          .map(({ ref }) => ref),
      ),
  }
}

export function troubleClouds(clouds: readonly SimCloud[], ground: Ground): void {
  const { dice, weather, timeline, trace } = ground
  for (const { fake } of clouds) {
    setRates(fake, weather)
    nowAndThen(
      ground,
      () => weather.cloudOutagesEveryMs,
      () => {
        trace.note({}, `cloud ${fake.name} fails`)
        Object.assign(fake.rates, { create: 1, list: 1, destroy: 1, quota: 1 })
        fake.script('create', { code: 'cloud-transient', lostReply: true, hangMs: dice.between(1000, 25_000) })
        timeline.after(dice.between(5000, 200_000), () => setRates(fake, weather))
      },
    )
    nowAndThen(
      ground,
      () => weather.cloudOutagesEveryMs,
      () => {
        const { vms } = fake.quotaNow
        if (!Number.isFinite(vms)) fake.quotaNow = { ...fake.quotaNow, vms: dice.whole(2, 6) }
        else fake.quotaNow = { ...fake.quotaNow, vms: Infinity }
      },
    )
  }
}

/** What the weather says now. */
export function setRates({ rates }: FakeCloud, { cloudFaultRate, lostReplyRate, neverBootsRate }: Weather): void {
  Object.assign(rates, {
    create: cloudFaultRate,
    list: cloudFaultRate / 2,
    destroy: cloudFaultRate,
    quota: cloudFaultRate / 4,
    consoleLog: cloudFaultRate,
    lostReply: lostReplyRate,
    neverBoots: neverBootsRate,
  })
}
