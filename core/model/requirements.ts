/**
 * What a job asks of the place where it runs: how much of it, and what it has to be.
 *
 * Types only. The rules that read them stand in `core/language`. What is optional here is not asked for where it is absent;
 * a job that asks for none of it is stored, sent and queued as before there was any of it.
 */

import type { Amount, Resources } from './resources.ts'
import type { Architecture, ContainerRuntime } from './traits.ts'

export type Names = { readonly allowed: readonly string[]; readonly banned: readonly string[] }

/** The system by its ID in /etc/os-release, and its version from `min` to `max`; an empty one is no bound. */
export type SystemWish = { readonly name: string; readonly min: string; readonly max: string }

/** The levels are those of x86-64, 1 to 4; 0 is no bound. */
export type ProcessorWish = { readonly name: Architecture; readonly minLevel: number; readonly maxLevel: number }

/** What a VM is or is not for as long as it lives. */
export type PlaceRequirements = {
  /** Any of these; empty: any. */
  readonly platforms: readonly string[]
  readonly sites: Names
  readonly clouds: Names
  /** Every one of these. */
  readonly tags: readonly string[]
  /** In its normal form (core/language/tag-expression.ts). */
  readonly tagExpression?: string
  readonly os?: SystemWish
  readonly architecture?: ProcessorWish
  /** At least. */
  readonly glibc?: string
  /** One of these. */
  readonly containers?: readonly ContainerRuntime[]
  /** Bytes per second, at least. */
  readonly diskRate?: number
}

/**
 * Memory: a fixed part (`memoryBytes`, as a request) and a part per granted core. The limits, where they are given, are what
 * its payload is ended at; else the request is.
 */
type MemoryRequirements = {
  readonly memoryPerCoreBytes?: number
  readonly memoryLimitBytes?: number
  readonly memoryLimitPerCoreBytes?: number
}

/**
 * As many GPUs as are free from `min` to `max`. What each of them must be; empty and 0 are no bound. Capability: 8.6 is 86.
 */
export type GpuWish = {
  readonly min: number
  readonly max: number
  readonly vendor: string
  readonly memoryBytes: number
  readonly minCapability: number
  readonly maxCapability: number
  readonly minDriver: string
}

export type Requirements = Pick<Resources, Amount> &
  PlaceRequirements &
  MemoryRequirements & {
    readonly cores: { readonly min: number; readonly max: number }
    /** With `cpuWorkMs`, 0: no other bound than what follows from that. */
    readonly wallMs: number
    /** Milliseconds on one core whose power is 1. */
    readonly cpuWorkMs?: number
    /** All of a VM, with nothing beside it. */
    readonly wholeNode?: true
    readonly gpus?: GpuWish
    /** One of these has to hold as well. */
    readonly alternatives?: readonly Alternative[]
  }

export type Alternative = Partial<PlaceRequirements>

/** Who asks and for what: a task queue as far as matching is concerned. */
export type Demand = { readonly vo: string; readonly requirements: Requirements }

/** What a job asks for exactly, where its class asks for more. */
export type Needs = {
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly wallMs: number
  readonly cpuWorkMs?: number
}
