/**
 * What the parts of one step share: a cloud that this process holds with what is remembered of it, and the fleet as this step
 * knows it.
 *
 * A desk belongs to one holding of its cloud: who takes a cloud begins with a fresh one and with what the last holder noted.
 * The fleet is read once a step and then kept in line with every change that the step itself makes; what others change
 * in the time between is decided by the store, and seen by the next step.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { CheckedImage } from '../../core/model/image.ts'
import type { Fence } from '../../core/ports/store.ts'
import { type KeptVm, isOver, type VmEvent } from '../../core/model/vm.ts'
import { type Breakers, openBreakers } from './breakers.ts'
import { type CloudNote, cloudNote, noteOf, noteText } from '../../core/plan/cloud-note.ts'
import type { SerialQueue } from './serial-queue.ts'
import { type CloudMemory, newMemory } from './memory.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'
import { record } from './record.ts'

export type Desk = {
  readonly directed: DirectedCloud
  /** Outlives the desk: what an earlier holding of ours began there must have ended first. */
  readonly serialQueue: SerialQueue
  readonly fence: Fence
  readonly memory: CloudMemory
  readonly breakers: Breakers
  /** Since when this holding listens to its VMs. */
  readonly watchedSinceMs: number
  /** What the other directors know of the cloud. */
  noted: CloudNote | undefined
  /** The cloud is ours at this moment, under the desk's own fence. Asked right before each deed. */
  isHeld(): boolean
}

/** Every VM that has not ended. */
export type Fleet = Map<VmId, KeptVm>

export type StepContext = {
  readonly options: DirectorOptions
  readonly fleet: Fleet
  /** Read with this step. */
  readonly images: readonly CheckedImage[]
  /** No other director holds a cloud of ours: no other one plans. */
  readonly isAlone: boolean
}

export async function openDesk(
  options: DirectorOptions,
  directed: DirectedCloud,
  serialQueue: SerialQueue,
  fence: Fence,
): Promise<Desk> {
  const { store, clock } = options
  const { name } = directed.cloud
  const watchedSinceMs = clock.nowMs()
  const noted = noteOf(await store.note(cloudNote(name)))
  return {
    directed,
    serialQueue,
    fence,
    memory: newMemory(),
    breakers: openBreakers(name, directed.breaker, noted?.breakers ?? []),
    watchedSinceMs,
    noted,
    isHeld: () => options.holds(name)?.fence === fence.fence,
  }
}

/** Keeps a note for the others, if something is new. */
export async function keepNote(
  options: DirectorOptions,
  desk: Desk,
  note: Omit<CloudNote, 'fence' | 'breakers'>,
): Promise<void> {
  const whole: CloudNote = { ...note, fence: desk.fence.fence, breakers: desk.breakers.kept() }
  const text = noteText(whole)
  if (!desk.isHeld() || (desk.noted && text === noteText(desk.noted))) return
  await options.store.keepNote(cloudNote(desk.directed.cloud.name), text)
  desk.noted = whole
}

/** Applies to the store, and to what this step knows of the fleet. */
export async function change({ options, fleet }: StepContext, events: readonly VmEvent[]): Promise<void> {
  for (const outcome of await record(options, events)) {
    if (!outcome.ok) continue
    const { vm, leases } = outcome
    const kept = fleet.get(vm.id)
    if (isOver(vm.phase)) fleet.delete(vm.id)
    else if (kept) fleet.set(vm.id, { ...kept, vm, leases })
  }
}
