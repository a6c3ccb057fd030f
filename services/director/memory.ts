/**
 * What a director remembers between its steps of a cloud that it holds. All of it may be lost: the store and the cloud's
 * list are the truth, and a director that has just taken a cloud waits a little longer before it believes that something is
 * not there.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { stuckAgainMs, stuckTries } from '../../core/kernel/limits.ts'
import type { StuckVm } from '../../core/plan/cloud-note.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { CloudQuota, CloudVm } from '../../core/model/cloud.ts'
import type { VmOrder } from '../../core/ports/cloud.ts'
import type { KeptVm } from '../../core/model/vm.ts'

/** Lists in a row that must lack a machine before it counts as gone: two of them may be incomplete without saying so. */
export const lackingLists = 3

export type StrayMachine = { readonly cores: number; readonly memoryBytes: number; readonly lists: number }

export type Missing = { readonly lists: number; readonly sinceMs: number }

export type CloudMemory = {
  listBeganMs?: number
  listed: ReadonlyMap<VmId, CloudVm>
  quota: CloudQuota
  /** Implausible lists in a row. */
  implausible: number
  /** Lists in a row that did not show a VM, and when the first of them was begun. */
  missing: ReadonlyMap<VmId, Missing>
  /** When a machine without a record was first seen, by its reference. */
  strangers: ReadonlyMap<string, number>
  /** Machines that no live record stands for, by their reference, and how many lists in a row did not show them. */
  strayMachines: ReadonlyMap<string, StrayMachine>
  /** Orders whose VM is not known to exist yet: the activation key is nowhere else. Never to be logged. */
  readonly orders: Map<VmId, VmOrder>
  /** When the last create call for a VM ended. */
  readonly asked: Map<VmId, number>
  /** The cloud said `gone` to the destroy call. */
  readonly gone: Set<VmId>
  /** Whose console was kept. */
  readonly consoles: Set<VmId>
  /** Machines that were asked to end and are still there, by their reference. */
  readonly endings: Map<string, Ending>
  /** What the last list shows of each machine in words, by its reference. */
  shown: ReadonlyMap<string, string>
  /** The references of orphans that a fact was emitted for. */
  readonly reportedOrphans: Set<string>
}

/** `askedMs`, `beganMs`: monotonic. `isReported`: people were called. */
export type Ending = {
  readonly vmId: VmId
  readonly tries: number
  readonly beganMs: number
  readonly askedMs: number
  /** For people. */
  readonly sinceMs: number
  readonly why: string
  readonly isReported: boolean
}

/** `stuck`: what the holder before called people for; they are not called again. */
export function newMemory(stuck: readonly StuckVm[], clock: Clock): CloudMemory {
  const beganMs = clock.monotonicMs()
  const asked = { tries: stuckTries, beganMs, askedMs: beganMs - stuckAgainMs, isReported: true }
  return {
    endings: new Map(stuck.map(({ ref, ...one }) => [ref, { ...one, ...asked }])),
    shown: new Map(),
    listed: new Map(),
    quota: { vms: Infinity, cores: Infinity, memoryBytes: Infinity },
    implausible: 0,
    missing: new Map(),
    strangers: new Map(),
    strayMachines: new Map(),
    orders: new Map(),
    asked: new Map(),
    gone: new Set(),
    consoles: new Set(),
    reportedOrphans: new Set(),
  }
}

/** No time of it lies after now: the clock was put back. */
export function cutMemory(memory: CloudMemory, nowMs: number): void {
  if (memory.listBeganMs !== undefined) memory.listBeganMs = Math.min(memory.listBeganMs, nowMs)
  for (const [id, atMs] of memory.asked) memory.asked.set(id, Math.min(atMs, nowMs))
  memory.strangers = new Map([...memory.strangers].map(([ref, atMs]) => [ref, Math.min(atMs, nowMs)]))
  memory.missing = new Map(
    [...memory.missing].map(([id, { lists, sinceMs }]) => [id, { lists, sinceMs: Math.min(sinceMs, nowMs) }]),
  )
}

/**
 * After a list. Forgets what belongs to VMs that have ended, the orders of those that are there, and orphans that are gone.
 */
export function prune(memory: CloudMemory, live: ReadonlyMap<VmId, KeptVm>, list: readonly CloudVm[]): void {
  for (const kept of [memory.asked, memory.gone, memory.consoles]) {
    for (const id of kept.keys()) if (!live.has(id)) kept.delete(id)
  }
  for (const id of memory.orders.keys()) if (live.get(id)?.vm.phase.state !== 'Intended') memory.orders.delete(id)
  const listed = new Set(list.map(({ ref }) => ref))
  for (const ref of memory.reportedOrphans) if (!listed.has(ref)) memory.reportedOrphans.delete(ref)
  for (const [ref, { vmId }] of memory.endings) {
    // A record that stops keeps its machine until the cloud says that there is none.
    if (!listed.has(ref) && live.get(vmId)?.vm.phase.state !== 'Stopping') memory.endings.delete(ref)
  }
}
