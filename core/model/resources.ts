/**
 * Resources: what a VM has, what is free on it, and what a job takes of it. All arithmetic with them is here, so that a new
 * resource is added in this file and nowhere else.
 */

import type { VmId } from '../kernel/ids.ts'
import type { Traits } from './traits.ts'

/** Whole cores; bytes; whole GPUs, absent where there are none. */
export type Resources = {
  readonly cores: number
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly gpus?: number
}

/** Resources of which a job asks for one amount: all but the cores and GPUs, of which it may take more than it needs. */
export const amounts = ['memoryBytes', 'diskBytes'] as const satisfies readonly (keyof Resources)[]
export type Amount = (typeof amounts)[number]

/** What is free on a VM now, or what the whole VM has. `remainingMs` is until it must end; Infinity where it has no end. */
export type Room = Resources & {
  readonly remainingMs: number
  /** It is all that the VM has, and nothing runs beside it; absent: it is not. */
  readonly isWhole?: boolean
  /** Of one core, in the installation's benchmark; absent: not known. */
  readonly power?: number
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

/** What a job was given of what it may take more or less of. */
export type Granted = Pick<Resources, 'cores' | 'gpus'>

/** What a job asks for as far as it decides what it takes. */
type Asked = Pick<Resources, Amount> & { readonly memoryPerCoreBytes?: number }

/** What a job takes that was granted these cores and GPUs. */
export function takenWith({ cores, gpus }: Granted, { memoryBytes, diskBytes, memoryPerCoreBytes = 0 }: Asked): Resources {
  return sized({ cores, memoryBytes: memoryBytes + cores * memoryPerCoreBytes, diskBytes, gpus })
}

/** In one order for ever: new resources come last. */
const names = ['cores', ...amounts, 'gpus'] as const

type Name = (typeof names)[number]

export function listOf(resources: Resources): readonly number[] {
  return names.map((name) => resources[name] ?? 0)
}

/** From such a list; what it lacks is none. */
export function fromList(list: readonly number[]): Resources {
  const [cores = 0, memoryBytes = 0, diskBytes = 0, gpus = 0] = list
  return sized({ cores, memoryBytes, diskBytes, gpus })
}

/** The resources alone of something that has more. */
export function resourcesOf({ cores, memoryBytes, diskBytes, gpus }: Resources): Resources {
  return sized({ cores, memoryBytes, diskBytes, gpus })
}

export function plus(a: Resources, b: Resources): Resources {
  return eachOf(a, b, (one, other) => one + other)
}

/** What each of `among` has of it, rounded down. */
export function shared(resources: Resources, among: number): Resources {
  return eachOf(resources, noResources, (one) => Math.floor(one / Math.max(1, among)))
}

/** May be negative where more is taken than there is. */
export function minus(a: Resources, b: Resources): Resources {
  return eachOf(a, b, (one, other) => one - other)
}

export function total(all: readonly Resources[]): Resources {
  return all.reduce(plus, noResources)
}

/** The smaller of both, resource by resource. */
export function lesser(a: Resources, b: Resources): Resources {
  return eachOf(a, b, Math.min)
}

/** The larger of both, resource by resource. */
export function greater(a: Resources, b: Resources): Resources {
  return eachOf(a, b, Math.max)
}

/** Whether there is enough of each. */
export function fits(wanted: Resources, whole: Resources): boolean {
  return (
    wanted.cores <= whole.cores &&
    wanted.memoryBytes <= whole.memoryBytes &&
    wanted.diskBytes <= whole.diskBytes &&
    (wanted.gpus ?? 0) <= (whole.gpus ?? 0)
  )
}

/** What is left of a room after something was taken. Its end stays. */
export function roomLess(room: Room, taken: Resources): Room {
  if (fits(taken, noResources)) return room
  return { ...minus(room, taken), remainingMs: room.remainingMs, ...powerOf(room) }
}

/** Of a room, with more resources or fewer. */
export function powerOf({ power }: Pick<Room, 'power'>): Pick<Room, 'power'> {
  return power === undefined ? {} : { power }
}

/**
 * Whether whatever fits the other one fits the room: it is no smaller, its end included. What takes a whole VM takes all of
 * its cores, so a larger whole one need not do for it.
 */
export function covers(room: Room, other: Room): boolean {
  const isAsWhole = !other.isWhole || (room.isWhole === true && room.cores === other.cores)
  return isAsWhole && fits(other, room) && room.remainingMs >= other.remainingMs && (room.power ?? 0) >= (other.power ?? 0)
}

/** No GPUs are written as none at all: stored records of VMs and jobs without them stay as they are. */
function sized({ gpus = 0, ...size }: Resources): Resources {
  return gpus === 0 ? size : { ...size, gpus }
}

function eachOf(a: Resources, b: Resources, of: (a: number, b: number) => number): Resources {
  const at = (name: Name): number => of(a[name] ?? 0, b[name] ?? 0)
  return sized({ cores: at('cores'), memoryBytes: at('memoryBytes'), diskBytes: at('diskBytes'), gpus: at('gpus') })
}
