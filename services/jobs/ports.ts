/**
 * What the use cases on jobs are given: the ports, the policy, and what the director could start. Each use case names the
 * part of it that it needs.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { Offered } from '../../core/model/cloud.ts'
import type { WaitingQuota } from '../../core/model/quota.ts'
import type { BlockingReason, Cause } from '../../core/plan/cause.ts'
import type { MeasuredSize } from '../../core/plan/measured-size.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { Store } from '../../core/ports/store.ts'
import type { Outcomes } from '../outcomes/outcomes.ts'

export type JobPolicy = {
  readonly leaseMs: number
  readonly keepEndedMs: number
  /** How long usage records are kept; absent: the default. */
  readonly keepRecordsMs?: number
  /** How long a job stands at the front of its task queue without room before a VM keeps its room for it. */
  readonly reserveAfterMs: number
  /** What an owner and a VO may have waiting; absent: any number. */
  readonly quota?: WaitingQuota
  /** What is stored of input and output files for one owner at most; absent: the default. */
  readonly maxSandboxBytes?: number
}

/** Why the last plan of a cloud makes no VM for a task queue. */
export type Blocked = { readonly cloud: string; readonly cause: Cause & { readonly why: BlockingReason } }

export type JobPorts = {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly sandbox: Sandbox
  readonly live: LiveOutput
  readonly blobs: Blobs
  readonly outcomes: Outcomes
  readonly policy: JobPolicy
  /** Everything that any director of this installation could start. */
  readonly offerings: readonly Offered[]
  /** What VMs of them were found to have: it narrows what explanations and warnings count with. */
  readonly measured: () => Promise<readonly MeasuredSize[]>
  readonly blocked: (classId: ClassId) => Promise<readonly Blocked[]>
}
