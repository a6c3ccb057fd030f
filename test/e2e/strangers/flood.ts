/**
 * A flood: what one stranger, or one user, sends at a service to harm the others. One file per flood, one line in floods.ts.
 *
 * `prepare` runs in the scenario with an administrator's client; what it answers is handed to `run` as JSON. `run` is a
 * process of its own (attack/main.ts), so that its work is not the honest caller's, and ends when its signal is aborted.
 * What it counts is printed. `judge` runs after the settling time and answers shortfalls of this flood beside those that
 * main.ts finds by itself.
 */

import type { Clock } from '../../../core/kernel/clock.ts'
import type { Random } from '../../../core/kernel/random.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import type { Stage } from '../scenario.ts'

/** What a flood knows of the service that it floods. */
export type Target = {
  /** host:port */
  readonly grpc: string
  /** http://host:port */
  readonly dashboard: string
}

export type Ground = Target & {
  readonly stage: Stage
  readonly dataDir: string
  readonly servicePid: number
  /** The service that is not flooded: its dashboard, and a token for it. */
  readonly quiet: { readonly dashboard: string; readonly token: string }
  readonly admin: PilotageClient
  /** A token of a user; the VO is `flood` unless another is given. */
  tokenOf(subject: string, vo?: string): Promise<string>
}

/** What `run` gets: no administrator, no files. */
export type Attack = Target & {
  readonly clock: Clock
  readonly random: Random
  /** Aborted when the flood's time is over. */
  readonly signal: AbortSignal
}

export type Flood<Given = unknown> = {
  /** As its file. */
  readonly name: string
  readonly about: string
  /** How long it floods; 15 s where it does not say. */
  readonly floodMs?: number
  /** What the jobs that the service accepts in it take by themselves, beside the 100 MiB that every flood may. */
  readonly acceptedMib?: number
  /** The service is ended and started again before the others are measured a last time. */
  readonly isRestarted?: boolean
  prepare?(ground: Ground): Promise<Given>
  /** In a process of its own. Answers figures, at most a handful. Must not throw because the service refuses. */
  run(attack: Attack, given: Given): Promise<Readonly<Record<string, number | string>>>
  /** After the settling time, before the service is ended. */
  judge?(ground: Ground, figures: Readonly<Record<string, number | string>>): Promise<readonly string[]>
}
