/**
 * What the operations of the queue share: the ports, the waiting jobs as the matcher knows them, and the policy. Built once
 * by the runtime; an operation is a function over it.
 */

import type { Offering } from '../../core/model/cloud.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { ClassId } from '../../core/kernel/ids.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { Store } from '../../core/ports/store.ts'
import type { WaitingQuota } from '../../core/model/quota.ts'
import type { Matcher } from '../matcher/matcher.ts'
import type { Sessions } from '../matcher/sessions.ts'
import type { WaitingIndex } from '../matcher/waiting-index.ts'

export type QueuePolicy = {
  readonly leaseMs: number
  readonly renewEveryMs: number
  readonly keepEndedMs: number
  readonly beatEveryMs: number
  /** The longest that a VM of ours lives: a job that wants more can never start. */
  readonly vmLifeMs: number
  /** What an owner and a VO may have waiting; absent: any number. */
  readonly quota?: WaitingQuota
}

export type HeldBack = { readonly cloud: string; readonly why: string; readonly reason: string }

export type Queue = {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly sandbox: Sandbox
  readonly policy: QueuePolicy
  /** Everything that any director of this installation could start. */
  readonly offerings: readonly Offering[]
  /** Why the last plans make no VM for a task queue. */
  readonly heldBack: (classId: ClassId) => Promise<readonly HeldBack[]>
  readonly waiting: WaitingIndex
  readonly matcher: Matcher
  readonly sessions: Sessions
}
