/**
 * What a job asks of the place where it runs: cores, memory, disk, wall time, and which sites, clouds, platforms and tags.
 *
 * Types only. The rules that read them stand in `core/language`.
 */

import type { Amount, Resources } from './resources.ts'

export type Names = { readonly allowed: readonly string[]; readonly banned: readonly string[] }

export type Requirements = Pick<Resources, Amount> & {
  readonly cores: { readonly min: number; readonly max: number }
  readonly wallMs: number
  /** Any of these; empty: any. */
  readonly platforms: readonly string[]
  readonly sites: Names
  readonly clouds: Names
  /** Every one of these. */
  readonly tags: readonly string[]
}

/** Who asks and for what: a task queue as far as matching is concerned. */
export type Demand = { readonly vo: string; readonly requirements: Requirements }

/** What a job asks for exactly, where its class asks for more. */
export type Needs = { readonly memoryBytes: number; readonly diskBytes: number; readonly wallMs: number }
