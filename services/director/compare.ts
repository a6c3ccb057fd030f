/**
 * Compare: a cloud's reading and our records learn from each other, and the plan gets its view of the cloud.
 */

import type { CloudView } from '../../core/fleet.ts'
import type { VmId } from '../../core/ids.ts'
import type { Vm } from '../../core/vm.ts'
import { change, type Desk, type StepContext } from './desk.ts'
import { prune } from './memory.ts'
import type { Reading } from './observe.ts'
import { reconcile, type Reconciled } from './reconcile.ts'

export type Compared = { readonly view: CloudView; readonly reconciled?: Reconciled }

export async function compare(context: StepContext, desk: Desk, reading: Reading): Promise<Compared> {
  const { options, breakers, fleet, watchedSinceMs } = context
  const { directed, memory } = desk
  const { clock, policy, log } = options
  if (!reading.ok) {
    log.warn({ cloud: directed.cloud.name, why: reading.why }, 'a cloud could not be read')
    return { view: viewOf(desk, reading.why) }
  }
  prune(memory, fleet, reading.list)
  const reconciled = reconcile(
    {
      cloud: directed.cloud.name,
      list: reading.list,
      listBeganMs: reading.beganMs,
      live: fleet,
      ended: await endedRecords(context, reading),
      memory,
      offerings: directed.offerings,
      bootMs: directed.bootMs,
      watchedSinceMs,
      policy,
      isBarred: (vm) => breakers.isOpen(vm, clock.nowMs()),
    },
    clock.nowMs(),
  )
  const { listed, implausible, missing, strangers } = reconciled
  Object.assign(memory, { listed, implausible, missing, strangers, quota: reading.quota, listBeganMs: reading.beganMs })
  await change(context, reconciled.events)
  for (const vm of reconciled.bootFailed) breakers.bootFailed(vm, `${vm.id} vanished before it came up`, clock.nowMs())
  return { view: viewOf(desk, '', reconciled), reconciled }
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

function viewOf({ directed, memory }: Desk, failure: string, reconciled?: Reconciled): CloudView {
  const { cloud, offerings, limits, bootMs, lifeMs } = directed
  return {
    name: cloud.name,
    offerings,
    limits,
    bootMs,
    lifeMs,
    quota: memory.quota,
    reading: { listBeganMs: memory.listBeganMs, failure, implausible: reconciled?.doubt ?? '' },
    listed: memory.listed,
    strays: reconciled?.strays ?? { vms: 0, cores: 0, memoryBytes: 0 },
  }
}
