/**
 * The services of sites: which VMs to make and which to let go, so that every site has the squids that its operator wants.
 *
 * Pure, and a part of the plan: what it makes counts against the same limits, and comes before any worker, since workers
 * read through it. A service VM has no jobs, so none ever speaks for it: it is replaced before its life ends, and ended
 * where it is not wanted any more. What stays true: of those that serve none is ended for the sake of the number wanted.
 */

import type { Offering } from '../model/cloud.ts'
import { hostPort } from '../kernel/endpoints.ts'
import type { Cause, Shortage } from './cause.ts'
import { shortageText } from './cause-text.ts'
import type { Endings } from './endings.ts'
import type { Headroom } from './headroom.ts'
import type { CloudView, CreateLine, EndingLine, FleetView, BlockedLine, ServiceWish } from './fleet.ts'
import { squidPort } from '../kernel/limits.ts'
import { type KeptVm, isComing, type Vm } from '../model/vm.ts'

export type ServicePlan = {
  readonly creates: readonly CreateLine[]
  readonly endings: readonly EndingLine[]
  readonly blocked: readonly BlockedLine[]
}

export function planServices(
  { services, vms, clouds }: FleetView,
  endings: Endings,
  headrooms: ReadonlyMap<string, Headroom>,
  nowMs: number,
): ServicePlan {
  const frozen = new Set(endings.frozen.map(({ cloud }) => cloud))
  const lines: EndingLine[] = []
  const creates: CreateLine[] = []
  const blocked: BlockedLine[] = []
  const own = vms.flatMap(({ vm }) => (vm.service !== undefined && isKept(vm, endings) ? [vm] : []))
  for (const vm of own) {
    const isWanted = services.some((wish) => isOf(vm, wish))
    if (!isWanted && !frozen.has(vm.cloud)) lines.push(ending(vm, `no ${vm.service} is wanted at ${vm.site}`))
  }
  for (const wish of services) {
    const kept = own.filter((vm) => isOf(vm, wish))
    const lasting = kept.filter((vm) => nowMs < vm.endByMs - leadMs(vm, clouds)).toSorted(byWorth)
    for (const vm of lasting.slice(wish.count)) {
      const reason = `${lasting.length} of ${wish.count} wanted ${wish.service} VMs at ${wish.site}`
      if (!frozen.has(vm.cloud)) lines.push(ending(vm, reason))
    }
    const missing = wish.count - lasting.length
    for (let made = 0; made < missing; made += 1) {
      const answer = makeOne(wish, clouds, headrooms, lasting.length + made)
      if (answer.create) creates.push(answer.create)
      blocked.push(...answer.blocked)
      if (!answer.create) break
    }
  }
  return { creates, endings: lines, blocked }
}

/** The site's squids that serve now, as http://host:port, in an order that does not change. */
export function squidsAt(vms: readonly KeptVm[], site: string, nowMs: number): readonly string[] {
  return vms
    .flatMap(({ vm }) => (vm.service === 'squid' && vm.site === site && isServing(vm, nowMs) ? [vm] : []))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .flatMap(({ addresses = [] }) => addresses.slice(0, 1).map((address) => `http://${hostPort(address, squidPort)}`))
}

/** The director ends a VM that is silent: a service that did not listen for a while has not lost its squids. */
function isServing({ phase, beat, endByMs }: Vm, nowMs: number): boolean {
  return phase.state === 'Active' && (beat?.unhealthy ?? '') === '' && nowMs < endByMs
}

function isKept({ id, phase }: Vm, { unusable }: Endings): boolean {
  return (isComing(phase) || phase.state === 'Active') && !unusable.has(id)
}

function isOf(vm: Vm, { service, site }: ServiceWish): boolean {
  return vm.service === service && vm.site === site
}

/** How long before a VM's end its successor is wanted: the successor may need two attempts to boot. */
function leadMs({ cloud }: Vm, clouds: readonly CloudView[]): number {
  return 2 * (clouds.find(({ name }) => name === cloud)?.bootMs ?? 0)
}

/** Those that serve before those that may, and then those that last. */
function byWorth(a: Vm, b: Vm): number {
  const serves = Number(b.phase.state === 'Active') - Number(a.phase.state === 'Active')
  return serves || b.endByMs - a.endByMs || (a.id < b.id ? -1 : 1)
}

function ending({ cloud, id }: Vm, reason: string): EndingLine {
  return { kind: 'retire', cloud, vmId: id, reason }
}

function makeOne(
  wish: ServiceWish,
  clouds: readonly CloudView[],
  headrooms: ReadonlyMap<string, Headroom>,
  present: number,
): { readonly create?: CreateLine; readonly blocked: readonly BlockedLine[] } {
  const { service, site, count: wanted } = wish
  const shortage: Shortage = { service, site, present, wanted }
  const blocks: { readonly cloud?: string; readonly cause: Cause }[] = []
  for (const offering of offeringsFor(wish, clouds)) {
    const headroom = headrooms.get(offering.cloud)
    const block = headroom?.blockOf(offering)
    if (block) blocks.push(block)
    if (!headroom || block) continue
    headroom.take(offering)
    const line = { kind: 'create', cloud: offering.cloud, offering, count: 1, queues: [], jobs: 0 } as const
    return { create: { ...line, reason: shortageText(shortage) }, blocked: [] }
  }
  if (blocks.length === 0) blocks.push({ cause: { why: 'no-fit' } })
  const blocked = blocks.map((block): BlockedLine => ({ kind: 'hold', queues: [], jobs: 0, ...block, shortage }))
  return { blocked }
}

function offeringsFor({ service, site, ...wanted }: ServiceWish, clouds: readonly CloudView[]): readonly Offering[] {
  return clouds
    .flatMap(({ offerings }) => offerings)
    .filter(
      ({ cloud, flavor, image, ...offering }) =>
        offering.site === site &&
        (wanted.cloud ?? cloud) === cloud &&
        (wanted.flavor ?? flavor) === flavor &&
        (wanted.image ?? image) === image,
    )
    .map((offering): Offering => ({ ...offering, service }))
    .toSorted((a, b) => a.pricePerHour - b.pricePerHour || a.cores - b.cores || (nameOf(a) < nameOf(b) ? -1 : 1))
}

function nameOf({ cloud, flavor, image }: Offering): string {
  return `${cloud}/${flavor}/${image}`
}
