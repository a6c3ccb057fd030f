/**
 * The state of a pilot and what a step makes of it: types only. pilot.ts decides the steps, outgoing.ts what goes up the
 * stream.
 */

import type { Held, Link, Task } from './held.ts'
import type { Resources } from '../../core/model/resources.ts'
import type { Result } from '../../core/model/attempt.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'

export type Report = AttemptRef & {
  readonly reportId: number
  readonly phase: 'running' | 'completing' | 'ended'
  readonly startedMs: number
  readonly result?: Result
  /** On the stream that is open now. */
  readonly sent: boolean
}

/** Free now. How long the VM still lives is added where the wall clock is known. */
export type Offer = Resources & { readonly isWhole?: boolean; readonly maxJobs: number; readonly received: number }

export type Outgoing =
  | { readonly kind: 'hello'; readonly held: readonly AttemptRef[] }
  | {
      readonly kind: 'message'
      readonly reports: readonly Report[]
      readonly offer?: Offer
      readonly renew: readonly AttemptRef[]
    }

export type PilotState = {
  readonly size: Resources
  readonly leaseMarginMs: number
  readonly maxJobs: number
  readonly link: Link
  readonly held: ReadonlyMap<string, Held>
  /** Not yet acknowledged, in the order they were made. */
  readonly reports: readonly Report[]
  /** The last attempts that were done with: a late duplicate of an assignment must not start again. */
  readonly finished: readonly string[]
  readonly nextReportId: number
  readonly welcomed: boolean
  readonly draining: boolean
  readonly idleSinceMs: number
  /** Payloads in a row that could not be started. */
  readonly failedStarts: number
  /** Until then it offers nothing: what could not be started here goes to another VM first. */
  readonly pausedUntilMs: number
}

export type PilotEffect =
  /** Write to the journal that it was taken: whatever becomes of it, the service will hear. */
  | (AttemptRef & { readonly kind: 'take'; readonly size: Resources; readonly hasOutputFiles: boolean })
  | { readonly kind: 'start'; readonly task: Task }
  | (AttemptRef & { readonly kind: 'stop'; readonly why: string; readonly graceMs: number })
  /** Write the end to the journal; the next flush may send its report when that is on disk. */
  | (AttemptRef & { readonly kind: 'record'; readonly reportId: number; readonly result: Result })
  | (AttemptRef & { readonly kind: 'keep'; readonly result: Result; readonly owesFiles: boolean })
  /** The attempt is done with: its directory and its lines in the journal may go. */
  | (AttemptRef & { readonly kind: 'forget' })
  | { readonly kind: 'send'; readonly message: Outgoing }

/** A step at work: the next state while it is being made, and its effects. Never leaves this folder's pure files. */
export type Draft = {
  state: PilotState
  readonly held: Map<string, Held>
  readonly effects: PilotEffect[]
  readonly nowMs: number
}
