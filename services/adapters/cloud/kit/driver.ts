/** What every driver of a cloud that somebody else runs is given. Types only. */

import type { Clock } from '../../../../core/clock.ts'
import type { Log } from '../../../../core/ports/log.ts'

/** How a cloud calls what we call by a name of our own: by flavor, by image. Every name of an offering stands in it. */
export type References = {
  readonly flavors: ReadonlyMap<string, Reference>
  readonly images: ReadonlyMap<string, Reference>
}

/** By the cloud's own id, by the name there, or by properties that hold of exactly one. */
export type Reference =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'properties'; readonly properties: Readonly<Record<string, string>> }

export type DriverOptions = {
  /** Ours, of the cloud. */
  readonly name: string
  /** Marks the machines that are ours: whatever bears another mark, or none, is never touched. */
  readonly installation: string
  readonly clock: Clock
  readonly log: Log
  readonly references: References
}
