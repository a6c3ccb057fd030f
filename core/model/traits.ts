/**
 * Traits: what a VM is beside its size: its system, its processor, its GPUs, how fast it is. An offering promises them, the
 * pilot finds them.
 *
 * What is not named is not known, and satisfies nothing that asks for it. What the pilot finds narrows the promise and never
 * widens it: a place that was narrowed takes no job that the promised one would not take. So a trait that was not promised
 * counts for nothing, whatever the pilot finds.
 */

import { byVersion, isVersionOf } from '../kernel/versions.ts'

export const architectures = ['x86-64', 'aarch64'] as const
export type Architecture = (typeof architectures)[number]

export const containerRuntimes = ['apptainer', 'singularity', 'podman', 'docker'] as const
export type ContainerRuntime = (typeof containerRuntimes)[number]

export const gpuVendors = ['nvidia', 'amd', 'intel'] as const
export type GpuVendor = (typeof gpuVendors)[number]

/** The least and the most that something may be; equal where it is known exactly. */
export type Between = { readonly min: number; readonly max: number }

export type Traits = {
  /** The ID of /etc/os-release, and its VERSION_ID. */
  readonly os?: string
  readonly osVersion?: string
  readonly architecture?: Architecture
  /** The micro-architecture level of x86-64: 1 to 4. */
  readonly level?: Between
  readonly glibc?: string
  /** Any of these can be run. */
  readonly containers?: readonly ContainerRuntime[]
  /** Of one core, in the installation's benchmark (DB12 or HS23). */
  readonly power?: number
  /** Bytes per second that the scratch disk takes. */
  readonly diskRate?: number
  /** Of each GPU, the least where they differ. Capability: 8.6 is 86. */
  readonly gpuVendor?: GpuVendor
  readonly gpuMemoryBytes?: number
  readonly gpuCapability?: Between
  readonly gpuDriver?: string
}

/** As an agent sends it, before it is known what was promised: exact where `Traits` has bounds. */
export type FoundTraits = Omit<Traits, 'level' | 'gpuCapability'> & {
  readonly level?: number
  readonly gpuCapability?: number
}

/**
 * How much less than promised a measurement may be: it is rough, and takes its turn with whatever else the VM does. Beyond,
 * the promise is cut to the next eighth, so that VMs of one offering stay a few kinds of places and not one each.
 */
const measuredShare = 0.75
const measuredSteps = 8

type Narrow<Key extends keyof Traits> = (
  promised: NonNullable<Traits[Key]>,
  found: NonNullable<FoundTraits[Key]>,
) => Traits[Key]

/** Undefined: nothing of the promise is left. */
const narrowing: { readonly [Key in keyof Traits]-?: Narrow<Key> } = {
  os: same,
  osVersion: (promised, found) => (isVersionOf(promised, found) ? promised : undefined),
  architecture: same,
  level: between,
  glibc: lowerVersion,
  containers(promised, found) {
    const left = promised.filter((one) => found.includes(one))
    return left.length > 0 ? left : undefined
  },
  power: measured,
  diskRate: measured,
  gpuVendor: same,
  gpuMemoryBytes: (promised, found) => Math.min(promised, found),
  gpuCapability: between,
  gpuDriver: lowerVersion,
}

export const traitKeys = Object.keys(narrowing) as readonly (keyof Traits)[]

/** What is left of a promise after the pilot has looked. A trait that it did not find is not there. */
export function narrowedTraits(promised: Traits, found: FoundTraits): Traits {
  const left = traitKeys.flatMap((key) => {
    const value = narrowedTrait(key, promised, found)
    return value === undefined ? [] : [[key, value] as const]
  })
  return Object.fromEntries(left)
}

/** The traits that were promised and of which something is not there. */
export function brokenPromises(promised: Traits, found: FoundTraits): readonly (keyof Traits)[] {
  return traitKeys.filter((key) => {
    if (promised[key] === undefined) return false
    return JSON.stringify(narrowedTrait(key, promised, found)) !== JSON.stringify(promised[key])
  })
}

/** For people: of each trait what was promised and what was found of it. */
export function differencesText(keys: readonly (keyof Traits)[], promised: Traits, found: Traits | FoundTraits): string {
  return keys.map((key) => `${key}: promised ${traitText(promised[key])}, found ${traitText(found[key])}`).join('; ')
}

function traitText(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.join(' ')
  if (typeof value !== 'object') return String(value)
  const { min, max } = value as Between
  return min === max ? String(min) : `${min} to ${max}`
}

/** What a pilot says that finds exactly what was promised: for the simulation and for tests. */
export function asFound({ level, gpuCapability, ...traits }: Traits): FoundTraits {
  return {
    ...traits,
    ...(level ? { level: level.min } : {}),
    ...(gpuCapability ? { gpuCapability: gpuCapability.min } : {}),
  }
}

function narrowedTrait(key: keyof Traits, promised: Traits, found: FoundTraits): Traits[keyof Traits] {
  const [promise, finding] = [promised[key], found[key]]
  if (promise === undefined || finding === undefined) return undefined
  return (narrowing[key] as (a: unknown, b: unknown) => Traits[keyof Traits])(promise, finding)
}

function same<Value>(promised: Value, found: Value): Value | undefined {
  return promised === found ? promised : undefined
}

/** A bound that a job sets must hold for what was promised and for what was found. */
function between(promised: Between, found: number): Between {
  return { min: Math.min(promised.min, found), max: Math.max(promised.max, found) }
}

function lowerVersion(promised: string, found: string): string {
  return byVersion(found, promised) < 0 ? found : promised
}

function measured(promised: number, found: number): number | undefined {
  if (found >= promised * measuredShare) return promised
  const eighths = Math.floor((found / promised) * measuredSteps)
  return eighths === 0 ? undefined : (promised * eighths) / measuredSteps
}
