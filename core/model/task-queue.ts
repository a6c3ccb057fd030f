/** A task queue: jobs of one owner with equal requirements. And what the store reads of the jobs that wait in it. */

import type { Requirements, Needs } from './requirements.ts'
import type { ClassId, JobId } from '../kernel/ids.ts'
import type { Owner } from './owner.ts'

/** A task queue. Two with one id are equal. `requirements`: of its class; each job asks for that or less (its needs). */
export type TaskQueue = Owner & { readonly id: ClassId; readonly requirements: Requirements }

/**
 * A waiting job as the matcher reads it ahead. Jobs of one part lie together in the store: processes that claim from
 * different parts do not get in each other's way. Absent where that makes no difference.
 */
export type WaitingJob = {
  readonly id: JobId
  readonly priority: number
  readonly submittedMs: number
  readonly part?: JobId
  /** Absent: exactly what its task queue asks for. */
  readonly needs?: Needs
}

export type QueueCount = {
  readonly queue: TaskQueue
  readonly waiting: number
  readonly topPriority: number
  readonly oldestMs: number
  /** Of the first of them; absent: exactly what the task queue asks for. */
  readonly needs?: Needs
}
