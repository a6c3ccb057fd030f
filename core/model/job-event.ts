/**
 * What may happen to a job: the events that a store applies, one at a time per job. What each does in each state stands in
 * job.ts.
 */

import type { Granted } from './resources.ts'
import type { JobId, VmId } from '../kernel/ids.ts'
import type { Result } from './attempt.ts'
import type { DependencyEnd } from './dependency.ts'

type FromAttempt = { readonly jobId: JobId; readonly attempt: number; readonly vmId: VmId }

type ByUser<Kind extends string> = {
  readonly kind: Kind
  readonly jobId: JobId
  readonly by: string
  readonly why: string
}

export type JobEvent =
  | (Granted & { readonly kind: 'claim'; readonly jobId: JobId; readonly vmId: VmId; readonly untilMs: number })
  | (FromAttempt & { readonly kind: 'running'; readonly startedMs: number })
  | (FromAttempt & { readonly kind: 'completing'; readonly startedMs: number })
  | (FromAttempt & { readonly kind: 'ended'; readonly result: Result })
  | (FromAttempt & { readonly kind: 'renew'; readonly untilMs: number })
  /** The lease ends by then: it was written with a clock that was ahead. */
  | { readonly kind: 'cut'; readonly jobId: JobId; readonly attempt: number; readonly untilMs: number }
  /** The pilot never received it: the claim is taken back, and costs the job no try. */
  | (FromAttempt & { readonly kind: 'withdraw'; readonly why: string })
  /** `ifBeforeMs`: only if the lease has not been renewed beyond it. The VM's own end loses its leases whatever they say. */
  | {
      readonly kind: 'lost'
      readonly jobId: JobId
      readonly attempt: number
      readonly why: string
      readonly ifBeforeMs?: number
    }
  | ByUser<'kill' | 'hold' | 'release'>
  /** `limit`: how often it may be asked for; absent: any number, and the count begins anew. */
  | (ByUser<'reschedule'> & { readonly limit?: number })
  | (ByUser<'prioritise'> & { readonly priority: number })
  | ByUser<'delete'>
  | { readonly kind: 'dependency-ended'; readonly jobId: JobId; readonly on: JobId; readonly end: DependencyEnd }
  | { readonly kind: 'await'; readonly jobId: JobId }
  /** `awaited`: the count that was read before its dependants were looked for. */
  | { readonly kind: 'dependants-over'; readonly jobId: JobId; readonly awaited: number }

export type JobRefusal =
  | 'not-found'
  | 'stale'
  | 'renewed'
  | 'not-waiting'
  | 'not-held'
  | 'held'
  | 'not-live'
  | 'ended'
  | 'not-ended'
  | 'awaited'
  | 'reschedule-limit'
  | 'vm-not-active'
  | 'vm-full'
