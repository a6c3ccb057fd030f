/**
 * Compare: a cloud's reading and our records learn from each other, and the plan gets its view of the cloud.
 *
 * Of a cloud that another director holds the view is what that one noted. Where several directors plan, a cloud that has
 * just become better than the others know gets nothing more in this step: they may be giving its work elsewhere at this
 * moment.
 */

import { unreadOf } from '../../core/plan/endings.ts'
import type { CloudView } from '../../core/plan/fleet.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { CloudQuota, CloudVm } from '../../core/model/cloud.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { CloudNote } from '../../core/plan/cloud-note.ts'
import { expecting, type MeasuredSize } from '../../core/plan/measured-size.ts'
import { change, type CloudLease, type StepContext } from './cloud-lease.ts'
import { type CloudMemory, prune } from './memory.ts'
import { listBegin, type Reading } from './observe.ts'
import { gateOf, type ImageGate } from './image-gate.ts'
import type { DirectedCloud } from './options.ts'
import { reconcile, type Reconciled } from './reconcile.ts'

export type Compared = { readonly cloudLease: CloudLease; readonly view: CloudView; readonly reconciled?: Reconciled }

export async function compare(context: StepContext, cloudLease: CloudLease, reading: Reading): Promise<Compared> {
  const { options, fleet } = context
  const { directed, memory, breakers, watchedSinceMs } = cloudLease
  const { clock, policy, log } = options
  if (!reading.ok) {
    log.warn({ cloud: directed.cloud.name, why: reading.why }, 'a cloud could not be read')
    return { cloudLease, view: viewOf(context, cloudLease, reading.why) }
  }
  const listBeganMs = listBegin(reading, clock)
  prune(memory, fleet, reading.list)
  const isFull = isOverQuota(context, directed.cloud.name, reading.quota)
  const { barred } = gateOf(directed, context.images, clock.nowMs())
  const reconciled = reconcile(
    {
      cloud: directed.cloud.name,
      list: reading.list,
      listBeganMs,
      live: fleet,
      ended: await endedRecords(context, reading),
      memory,
      offerings: directed.offerings,
      bootMs: directed.bootMs,
      watchedSinceMs,
      policy,
      // What was never made would take the probe of a half-open breaker: the plan says which order gets it.
      isBarred: (vm) => isFull || barred.has(vm.image) || !breakers.isClosed(vm, clock.nowMs()),
    },
    clock.nowMs(),
  )
  const { listed, implausible, missing, strangers, strayMachines } = reconciled
  Object.assign(memory, {
    listed,
    implausible,
    missing,
    strangers,
    strayMachines,
    quota: reading.quota,
    shown: shownIn(reading.list),
    listBeganMs,
  })
  // What follows from a list is for the holder to say; another one may have a newer list by now.
  if (!cloudLease.isHeld())
    return { cloudLease, view: viewOf(context, cloudLease, 'this director lost the role lease of the cloud') }
  const taken = await change(context, reconciled.events)
  breakers.learn(taken, clock.nowMs())
  return { cloudLease, view: viewOf(context, cloudLease, '', reconciled), reconciled }
}

function shownIn(list: readonly CloudVm[]): CloudMemory['shown'] {
  return new Map(list.map(({ ref, power, detail }) => [ref, detail === '' ? power : detail]))
}

/**
 * Others have taken of it since our VMs were wanted: what was never made is given up, and planned anew within what is left.
 */
function isOverQuota({ fleet }: StepContext, cloud: string, quota: CloudQuota): boolean {
  const own = [...fleet.values()].flatMap(({ vm }) => (vm.cloud === cloud ? [vm] : []))
  const cores = own.reduce((sum, vm) => sum + vm.cores, 0)
  const memoryBytes = own.reduce((sum, vm) => sum + vm.memoryBytes, 0)
  return own.length > quota.vms || cores > quota.cores || memoryBytes > quota.memoryBytes
}

/** The records of listed machines that are not alive. */
async function endedRecords(
  { options, fleet }: StepContext,
  { list }: Extract<Reading, { ok: true }>,
): Promise<ReadonlyMap<VmId, Vm>> {
  const unknown = [...new Set(list.map(({ vmId }) => vmId))].filter((id) => !fleet.has(id))
  const records = await Promise.all(unknown.map((id) => options.store.vm(id)))
  return new Map(records.flatMap((kept) => (kept ? [[kept.vm.id, kept.vm] as const] : [])))
}

function viewOf(
  { options, images, isAlone }: StepContext,
  cloudLease: CloudLease,
  failure: string,
  reconciled?: Reconciled,
): CloudView {
  const { directed, memory, watchedSinceMs, noted, sizes } = cloudLease
  const isKnown = noted !== undefined && unreadOf(noted.reading, options.policy, options.clock.nowMs()) === undefined
  return {
    ...wanted(directed, sizes, options.clock.nowMs()),
    ...gateOf(directed, images, options.clock.nowMs()),
    quota: isAlone || !noted ? memory.quota : lesser(memory.quota, noted.quota),
    reading: { listBeganMs: memory.listBeganMs, failure, implausible: reconciled?.doubt ?? '' },
    watchedSinceMs,
    blocked: isAlone || isKnown ? '' : 'it can be read since this step only, and other directors do not count on it yet',
    listed: memory.listed,
    strays: reconciled?.strays ?? noStrays,
  }
}

/** A cloud as its holder noted it. Its list is the holder's alone: what is broken there, the holder ends. */
export function viewOfOthers(
  directed: DirectedCloud,
  note: CloudNote | undefined,
  gate: ImageGate,
  nowMs: number,
): CloudView {
  return {
    ...wanted(directed, note?.sizes ?? [], nowMs),
    ...gate,
    quota: note?.quota ?? { vms: Infinity, cores: Infinity, memoryBytes: Infinity },
    reading: note?.reading ?? { failure: 'no director has read it yet', implausible: '' },
    watchedSinceMs: note?.watchedSinceMs ?? 0,
    blocked: '',
    listed: new Map(),
    strays: note?.strays ?? noStrays,
  }
}

const noStrays = { vms: 0, cores: 0, memoryBytes: 0 }

function wanted({ cloud, offerings, limits, bootMs, lifeMs }: DirectedCloud, sizes: readonly MeasuredSize[], nowMs: number) {
  const expected = offerings.map((offering) => expecting(offering, sizes, nowMs))
  return { name: cloud.name, offerings: expected, limits, bootMs, lifeMs }
}

function lesser(a: CloudQuota, b: CloudQuota): CloudQuota {
  return {
    vms: Math.min(a.vms, b.vms),
    cores: Math.min(a.cores, b.cores),
    memoryBytes: Math.min(a.memoryBytes, b.memoryBytes),
  }
}
