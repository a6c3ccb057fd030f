/** What every driver of a cloud that somebody else runs is given. Types only. */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { Reference } from '../../../../core/model/reference.ts'

/** How a cloud calls what we call by a name of our own: every flavor of an offering. Images come with the orders. */
export type References = { readonly flavors: ReadonlyMap<string, Reference> }

export type DriverOptions = {
  /** Ours, of the cloud. */
  readonly name: string
  /** Marks the machines that are ours: whatever bears another mark, or none, is never touched. */
  readonly installation: string
  readonly clock: Clock
  readonly log: Log
  readonly references: References
}
