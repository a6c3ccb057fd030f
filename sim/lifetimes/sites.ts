/**
 * The clouds of a run: fake ones with others in their quota, faults around each, and an auditor who sees every machine come.
 *
 * The director answers for what its orders made. It does not for a second machine that the cloud made of one order, but must
 * delete it as well. Other users of the cloud take only what is free.
 */

import type { Offering, CloudQuota } from '../../core/model/cloud.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { isOver, refOf } from '../../core/model/vm.ts'
import type { DirectedCloud } from '../../services/director/options.ts'
import { type FakeCloud, fakeCloud, type FakeMachine } from '../fake-cloud.ts'
import { type FaultyCloud, faultsAt, faultyCloud } from '../faulty-cloud.ts'
import { imageOf, lateMs, siteOf } from './catalogue.ts'
import { nowAndThen, type World } from './world.ts'
import { noAmounts } from '../../core/model/resources.ts'

export type Site = {
  readonly fake: FakeCloud
  readonly faulty: FaultyCloud
  readonly directed: DirectedCloud
  /** The quota that the cloud had reported when the director asked for a VM. */
  readonly quotaFor: Map<VmId, CloudQuota>
}

export type SiteWatch = {
  /** To be called after every step. */
  look(): void
  machinesOf(cloud: string, vmId: VmId): readonly string[]
  ownerOf(cloud: string, ref: string): VmId | undefined
  /** Machines of which no live record says that it stands for them. */
  leaked(): readonly string[]
  /** VMs with more than one machine. */
  doubled(): readonly string[]
}

export const faultRate = 0.3
const gib = 1024 ** 3
const minutes = 60_000

const flavors = [
  { flavor: 'small', cores: 1, memoryBytes: 2 * gib, pricePerHour: 1.2 },
  { flavor: 'medium', cores: 2, memoryBytes: 4 * gib, pricePerHour: 2 },
  { flavor: 'large', cores: 4, memoryBytes: 8 * gib, pricePerHour: 3.6 },
] as const

export function makeSites(world: World): readonly Site[] {
  return ['north', 'east', 'south'].map((name, at) => {
    const { dice, timeline } = world
    const { random } = dice
    const fake = fakeCloud({
      ...{ name, clock: timeline.clock, random },
      bootMs: dice.between(5000, 40_000),
      destroyMs: dice.chance(0.3) ? 0 : dice.between(500, 4000),
      callMs: dice.anyScale(20, 2000),
      isIdempotent: dice.chance(0.5),
    })
    fake.rates.neverBoots = 0.04
    const faulty = faultyCloud({
      cloud: fake,
      clock: timeline.clock,
      random,
      rates: faultsAt(faultRate),
      stuckMs: 20 * minutes,
    })
    const site = {
      fake,
      faulty,
      directed: directedCloud(world, faulty, flavors.slice(at === 1 ? 1 : 0)),
      quotaFor: new Map(),
    }
    shareQuota(world, site)
    return site
  })
}

function directedCloud({ dice }: World, cloud: FaultyCloud, offered: readonly (typeof flavors)[number][]): DirectedCloud {
  const offerings = offered.map(
    (flavor): Offering => ({
      ...noAmounts,
      ...flavor,
      cloud: cloud.name,
      site: siteOf(cloud.name),
      image: imageOf(cloud.name),
      platform: 'linux',
      tags: [],
      vos: [],
      diskBytes: 100 * gib,
    }),
  )
  return {
    cloud,
    offerings,
    startsImages: true,
    limits: { maxVms: dice.whole(8, 24), maxCores: dice.whole(20, 48), maxCreatesPerStep: dice.whole(2, 8) },
    bootMs: 6 * minutes,
    lifeMs: 40 * minutes,
    breaker: { failures: 3, backoffMs: 5000, maxBackoffMs: 30_000 },
  }
}

/** What the project may have in all, and others in it who come and go. */
function shareQuota(world: World, { fake, directed }: Pick<Site, 'fake' | 'directed'>): void {
  const { dice } = world
  const { maxVms, maxCores } = directed.limits
  const all = { vms: Math.ceil(maxVms * dice.between(0.8, 1.5)), cores: Math.ceil(maxCores * dice.between(0.8, 1.5)) }
  const share = (): void => {
    const there = fake.present()
    const cores = there.reduce((sum, { order }) => sum + order.shape.cores, 0)
    const part = dice.chance(0.5) ? 1 : dice.between(0.3, 1)
    fake.quotaNow = {
      vms: Math.max(there.length, Math.floor(all.vms * part)),
      cores: Math.max(cores, Math.floor(all.cores * part)),
      memoryBytes: all.cores * 2 * gib,
    }
  }
  share()
  nowAndThen(world, 90_000, share)
}

export function watchSites(
  world: World,
  sites: readonly Site[],
  onMachine: (site: Site, machine: FakeMachine) => void,
): SiteWatch {
  const seen = sites.map(() => 0)
  const ownerOf = ({ faulty }: Site, { order }: FakeMachine): VmId => faulty.ownerOf(order.vmId)

  function look(): void {
    for (const [at, site] of sites.entries()) {
      const { machines } = site.fake
      for (let next = seen[at] ?? 0; next < machines.length; next += 1) {
        const machine = machines[next]
        seen[at] = next + 1
        if (!machine) continue
        judge(world, site, machine)
        onMachine(site, machine)
      }
    }
  }

  function present(): readonly { readonly site: Site; readonly machine: FakeMachine; readonly vmId: VmId }[] {
    return sites.flatMap((site) => site.fake.present().map((machine) => ({ site, machine, vmId: ownerOf(site, machine) })))
  }

  return {
    look,
    ownerOf(cloud, ref) {
      const site = sites.find(({ fake }) => fake.name === cloud)
      const machine = site?.fake.machines.find((one) => one.ref === ref)
      return site && machine && ownerOf(site, machine)
    },
    machinesOf: (cloud, vmId) =>
      present().flatMap((one) => (one.site.fake.name === cloud && one.vmId === vmId ? [one.machine.ref] : [])),
    leaked: () =>
      present().flatMap(({ site, machine, vmId }) => {
        const entry = world.vms.get(vmId)
        const ref = entry && refOf(entry.phase)
        const isStoodFor =
          entry && !isOver(entry.phase) && entry.cloud === site.fake.name && (ref === '' || ref === machine.ref)
        return isStoodFor ? [] : [`${machine.ref} of ${vmId} (${entry?.phase.state ?? 'no record'})`]
      }),
    doubled() {
      const counts = new Map<VmId, number>()
      for (const { vmId } of present()) counts.set(vmId, (counts.get(vmId) ?? 0) + 1)
      return [...counts].flatMap(([vmId, count]) => (count > 1 ? [`${count} machines for ${vmId}`] : []))
    },
  }
}

/** A machine has come: was it ours to ask for? */
function judge(
  { violations, vms, trace, timeline, barred }: World,
  { fake, faulty, directed, quotaFor }: Site,
  machine: FakeMachine,
): void {
  const { ref, order } = machine
  const vmId = faulty.ownerOf(order.vmId)
  const entry = vms.get(vmId)
  trace.note({ vmId }, `machine ${ref} is made${vmId === order.vmId ? '' : ', the second of one order'}`)
  violations.check(entry?.cloud === fake.name, 'vmRecord', { vmId }, () => `${ref} is made and no record intends it`)
  if (vmId !== order.vmId) return
  const own = fake.present().filter((one) => faulty.ownerOf(one.order.vmId) === one.order.vmId)
  const twin = own.find((one) => one !== machine && one.order.vmId === vmId)
  violations.check(!twin, 'doubled', { vmId }, () => `${ref} is made while ${twin?.ref} is there`)
  const vmsThere = own.length
  const cores = own.reduce((sum, one) => sum + one.order.shape.cores, 0)
  const excess = (max: { vms: number; cores: number }) => (): string => {
    const there = own.map((one) => `${one.ref} (${one.order.vmId} ${vms.get(one.order.vmId)?.phase.state})`)
    return `${fake.name} has ${vmsThere} of ${max.vms} VMs and ${cores} of ${max.cores} cores: ${there.join(', ')}`
  }
  const limits = { vms: directed.limits.maxVms, cores: directed.limits.maxCores }
  violations.check(vmsThere <= limits.vms && cores <= limits.cores, 'limits', { vmId }, excess(limits))
  const sinceMs = barred.get(fake.name)
  const lateness = sinceMs === undefined ? 0 : timeline.nowMs() - sinceMs
  violations.check(lateness <= lateMs, 'image', { vmId }, () => {
    return `${ref} is made ${Math.round(lateness)} ms after its image was barred`
  })
  const reported = quotaFor.get(vmId)
  quotaFor.delete(vmId)
  if (reported) violations.check(vmsThere <= reported.vms && cores <= reported.cores, 'quota', { vmId }, excess(reported))
}
