/** A scenario: a longer story against a real service, its figures, and what fell short of what was promised. */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { Peer } from '../peers/peer.ts'

export type Stage = {
  readonly clock: Clock
  /** Of the seed that was asked for. */
  readonly random: Random
  /** The scenario's own, empty at first. Every process that it starts belongs to it. */
  readonly dir: string
  /** Real servers, as they were found here. */
  readonly peers: readonly Peer[]
  /** Where test/peers/install puts what it gets. */
  readonly cache: string
  /** Of a scenario that has parts: the one that is run; absent: all. */
  readonly only?: string
  /** A line for who watches. */
  say(line: string): void
  /** The caller does not want to wait any longer. */
  readonly signal: AbortSignal
}

export type Outcome = {
  /** In the order in which they are printed. */
  readonly figures: Readonly<Record<string, number | string>>
  /** One line for each figure that fell short; none: as promised. */
  readonly shortfalls: readonly string[]
}

export type Scenario = {
  readonly name: string
  readonly about: string
  run(stage: Stage): Promise<Outcome>
}

/** One shortfall line where the promise does not hold. */
export function promised(holds: boolean, what: string): readonly string[] {
  return holds ? [] : [what]
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
