/**
 * What a pilot and the service send each other on their stream, as both sides think of it. proto/codec carries it over the
 * wire; the simulator carries it as it is.
 */

import type { Result } from './attempt.ts'
import type { AttemptRef } from '../kernel/ids.ts'
import type { JobSpec } from './job.ts'
import type { OutputRef } from './live-output.ts'
import type { Room } from './resources.ts'
import type { FoundTraits } from './traits.ts'

/** Kept by the pilot and sent again until it is acknowledged; idempotent by (job, attempt) and phase. */
export type Report = AttemptRef & {
  /** Counts up on one pilot. */
  readonly reportId: number
  readonly startedMs: number
} & ({ readonly phase: 'running' | 'completing' } | { readonly phase: 'ended'; readonly result: Result })

/** What is free, everything received and not yet reported as ended taken off. */
export type Offer = Room & {
  /** The maximum number of assignments now; 0: none wanted. */
  readonly maxJobs: number
  /** Assignments received on this stream so far: the service takes off by itself what is still under way. */
  readonly received: number
}

export type PilotMessage = {
  /** In the first message of a stream, and only there: every attempt that the pilot has, running or not yet acknowledged. */
  readonly hello?: {
    readonly version: string
    readonly held: readonly AttemptRef[]
    /** Of payloads on this VM; empty: the pilot does not say. */
    readonly isolation?: string
    /** Of the VM, beside its size; absent: the pilot does not say. */
    readonly found?: FoundTraits
  }
  readonly reports: readonly Report[]
  readonly offer?: Offer
  readonly renew: readonly AttemptRef[]
}

export type Assignment = AttemptRef & {
  readonly spec: JobSpec
  readonly cores: number
  /** Absent: none. */
  readonly gpus?: number
  /** The limit of its wall time on this VM; absent: what it asks for. */
  readonly wallMs?: number
  readonly leaseMs: number
  readonly vo: string
  readonly owner: string
}

export type Ack = AttemptRef & {
  readonly reportId: number
  /** Empty: taken. `stale`: another attempt owns the job. */
  readonly refusal: '' | 'stale'
}

export type Command =
  | (AttemptRef & { readonly kind: 'stop'; readonly reason: string })
  | { readonly kind: 'drain'; readonly reason: string }
  /** A user reads it: it is sent, now and as it grows, until no user does. Repeating it changes nothing. */
  | (OutputRef & { readonly kind: 'peek' })

export type ServiceMessage = {
  readonly welcome?: { readonly leaseMs: number; readonly renewEveryMs: number; readonly serviceTimeMs: number }
  readonly acks: readonly Ack[]
  readonly assignments: readonly Assignment[]
  readonly commands: readonly Command[]
  /** Where renewals are answered: the leases that were named and not refused hold for this time from now. */
  readonly renewedMs?: number
}
