/**
 * Resources: what a VM has, what is free on it, and what a job takes of it. All arithmetic with them is here, so that a new
 * resource is added in this file and nowhere else.
 */

import type { VmId } from '../kernel/ids.ts'
import type { Traits } from './traits.ts'

/** Whole cores; bytes. */
export type Resources = { readonly cores: number; readonly memoryBytes: number; readonly diskBytes: number }

/** Resources of which a job asks for one amount: all but the cores, of which it may take more than it needs. */
export const amounts = ['memoryBytes', 'diskBytes'] as const satisfies readonly (keyof Resources)[]
export type Amount = (typeof amounts)[number]

/** What is free on a VM now, or what the whole VM has. `remainingMs` is until it must end; Infinity where it has no end. */
export type Room = Resources & {
  readonly remainingMs: number
  /** What was promised, where it is a whole VM that has less; for explanations alone. */
  readonly promised?: Resources
}

/** What a VM is, for as long as it lives. Comes from the VM's record: what the pilot claims may only narrow it. */
export type Place = {
  readonly vmId?: VmId
  readonly cloud: string
  readonly site: string
  readonly platform: string
  readonly tags: readonly string[]
  /** The VOs that it serves; empty: every one. */
  readonly vos: readonly string[]
  /** Absent: nothing of them is known. */
  readonly traits?: Traits
}

/** What a thing has of the resources that it does not name. */
export const noAmounts: Pick<Resources, Amount> = { memoryBytes: 0, diskBytes: 0 }

export const noResources: Resources = { cores: 0, ...noAmounts }

export const noRoom: Room = { ...noResources, remainingMs: 0 }

/** What a job takes that was granted these cores. */
export function takenWith(cores: number, { memoryBytes, diskBytes }: Pick<Resources, Amount>): Resources {
  return { cores, memoryBytes, diskBytes }
}

const names = ['cores', ...amounts] as const

/** As a list, in one order for ever: new resources come last. */
export function listOf(resources: Resources): readonly number[] {
  return names.map((name) => resources[name])
}

/** From such a list; what it lacks is none. */
export function fromList(list: readonly number[]): Resources {
  return Object.fromEntries(names.map((name, at) => [name, list[at] ?? 0])) as Resources
}

/** The resources alone of something that has more. */
export function resourcesOf({ cores, memoryBytes, diskBytes }: Resources): Resources {
  return { cores, memoryBytes, diskBytes }
}

export function plus(a: Resources, b: Resources): Resources {
  return {
    cores: a.cores + b.cores,
    memoryBytes: a.memoryBytes + b.memoryBytes,
    diskBytes: a.diskBytes + b.diskBytes,
  }
}

/** What each of `among` has of it, rounded down. */
export function shared({ cores, memoryBytes, diskBytes }: Resources, among: number): Resources {
  const share = (amount: number): number => Math.floor(amount / Math.max(1, among))
  return { cores: share(cores), memoryBytes: share(memoryBytes), diskBytes: share(diskBytes) }
}

/** May be negative where more is taken than there is. */
export function minus(a: Resources, b: Resources): Resources {
  return {
    cores: a.cores - b.cores,
    memoryBytes: a.memoryBytes - b.memoryBytes,
    diskBytes: a.diskBytes - b.diskBytes,
  }
}

export function total(all: readonly Resources[]): Resources {
  return all.reduce(plus, noResources)
}

/** The smaller of both, resource by resource. */
export function lesser(a: Resources, b: Resources): Resources {
  return {
    cores: Math.min(a.cores, b.cores),
    memoryBytes: Math.min(a.memoryBytes, b.memoryBytes),
    diskBytes: Math.min(a.diskBytes, b.diskBytes),
  }
}

/** The larger of both, resource by resource. */
export function greater(a: Resources, b: Resources): Resources {
  return {
    cores: Math.max(a.cores, b.cores),
    memoryBytes: Math.max(a.memoryBytes, b.memoryBytes),
    diskBytes: Math.max(a.diskBytes, b.diskBytes),
  }
}

/** Whether there is enough of each. */
export function fits(wanted: Resources, whole: Resources): boolean {
  return wanted.cores <= whole.cores && wanted.memoryBytes <= whole.memoryBytes && wanted.diskBytes <= whole.diskBytes
}

/** What is left of a room after something was taken. Its end stays. */
export function roomLess(room: Room, taken: Resources): Room {
  if (fits(taken, noResources)) return room
  return { ...minus(room, taken), remainingMs: room.remainingMs }
}

/** Whether the room is no smaller than the other one, its end included. */
export function covers(room: Room, other: Room): boolean {
  return fits(other, room) && room.remainingMs >= other.remainingMs
}
