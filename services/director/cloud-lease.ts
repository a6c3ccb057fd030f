/**
 * What the parts of one step share: the role lease of a cloud with what this process remembers of that cloud, and the fleet
 * as this step knows it.
 *
 * Each new fence of a cloud's role begins with a fresh CloudLease, and with the note of the last holder. The fleet is read
 * once per step and then kept in line with every change that the step itself makes. The store decides what other processes
 * change during the step, and the next step sees it.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { CheckedImage } from '../../core/model/image.ts'
import type { Fence } from '../../core/ports/store.ts'
import { type KeptVm, isOver, type Vm, type VmEvent } from '../../core/model/vm.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { type CloudNote, cloudNote, noteOf, noteText } from '../../core/plan/cloud-note.ts'
import type { MeasuredSize } from '../../core/plan/measured-size.ts'
import type { SerialQueue } from './serial-queue.ts'
import { type CloudMemory, newMemory } from './memory.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'
import { record } from './record.ts'

export type CloudLease = {
  readonly directed: DirectedCloud
  /** Outlives the lease: work that began under an earlier lease of this process must have ended first. */
  readonly serialQueue: SerialQueue
  readonly fence: Fence
  readonly memory: CloudMemory
  readonly breakers: Breakers
  /** What its VMs were found to have. */
  sizes: readonly MeasuredSize[]
  /** Since when the VMs of the cloud report to this lease. */
  watchedSinceMs: number
  /** The note about the cloud that the other directors read. */
  noted: CloudNote | undefined
  /** Whether this process has the role at this moment, under the same fence. Asked right before each action. */
  isHeld(): boolean
}

/** Every VM that has not ended. */
export type Fleet = Map<VmId, KeptVm>

export type StepContext = {
  readonly options: DirectorOptions
  readonly fleet: Fleet
  /** Read with this step. */
  readonly images: readonly CheckedImage[]
  /** No other director has the role lease of a configured cloud, so no other one plans. */
  readonly isAlone: boolean
}

export async function openCloudLease(
  options: DirectorOptions,
  directed: DirectedCloud,
  serialQueue: SerialQueue,
  fence: Fence,
): Promise<CloudLease> {
  const { store, clock } = options
  const { name } = directed.cloud
  const watchedSinceMs = clock.nowMs()
  const noted = noteOf(await store.note(cloudNote(name)))
  return {
    directed,
    serialQueue,
    fence,
    memory: newMemory(noted?.stuck ?? [], clock),
    breakers: openBreakers(name, directed.breaker, noted),
    sizes: noted?.sizes ?? [],
    watchedSinceMs,
    noted,
    isHeld: () => options.fenceOf(name)?.fence === fence.fence,
  }
}

/** Keeps a note for the others, if something is new. */
export async function keepNote(
  options: DirectorOptions,
  cloudLease: CloudLease,
  note: Omit<CloudNote, 'fence' | 'breakers' | 'blamed' | 'sizes'>,
): Promise<void> {
  const { fence, breakers, sizes } = cloudLease
  const whole: CloudNote = { ...note, fence: fence.fence, ...breakers.kept(), sizes }
  const text = noteText(whole)
  if (!cloudLease.isHeld() || (cloudLease.noted && text === noteText(cloudLease.noted))) return
  await options.store.keepNote(cloudNote(cloudLease.directed.cloud.name), text)
  cloudLease.noted = whole
}

/** Applies to the store, and to what this step knows of the fleet. Answers the VMs whose events were taken, as changed. */
export async function change({ options, fleet }: StepContext, events: readonly VmEvent[]): Promise<readonly Vm[]> {
  const taken: Vm[] = []
  for (const outcome of await record(options, events)) {
    if (!outcome.ok) continue
    const { vm, leases } = outcome
    taken.push(vm)
    const kept = fleet.get(vm.id)
    if (isOver(vm.phase)) fleet.delete(vm.id)
    else if (kept) fleet.set(vm.id, { ...kept, vm, leases })
  }
  return taken
}
