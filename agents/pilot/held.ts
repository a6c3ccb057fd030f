/**
 * What a pilot holds: the attempts it has taken and not yet seen acknowledged as ended, and its link to the service.
 *
 * Only nouns and questions about them; what may happen to them is decided in pilot.ts.
 */

import type { Result } from '../../core/model/attempt.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Resources } from '../../core/model/resources.ts'

/** A job as it is handed to this pilot. */
export type Task = AttemptRef & {
  readonly spec: JobSpec
  /** Granted: between the least and the most that the job can use. */
  readonly cores: number
  /** Absent: none. */
  readonly gpus?: number
  /** The limit of its wall time here; absent: what it asks for. */
  readonly wallMs?: number
  readonly leaseMs: number
  readonly vo: string
  readonly owner: string
}

export type Taken = AttemptRef & {
  readonly size: Resources
  readonly leaseFromMs: number
  readonly leaseMs: number
  /** Its job names files that are kept when the payload ends. */
  readonly hasOutputFiles: boolean
}

export type Held =
  | (Taken & { readonly state: 'waiting'; readonly task: Task })
  /** `stopping`: why the pilot stops the payload. `dropped`: the pilot does not report its end any more. */
  | (Taken & { readonly state: 'starting' | 'running'; readonly stopping?: string; readonly dropped: boolean })
  | (Taken & { readonly state: 'keeping'; readonly reportId: number; readonly result: Result })
  | (Taken & { readonly state: 'ended' })

export type Link =
  | { readonly state: 'down' }
  /** Hello was said, Welcome has not come. */
  | { readonly state: 'joining' }
  | {
      readonly state: 'up'
      readonly leaseMs: number
      readonly renewEveryMs: number
      readonly renewDueMs: number
      /** When the first renewal was sent that has not been confirmed. */
      readonly renewSentMs?: number
      /** Assignments on this stream. */
      readonly received: number
      /** The last offer as sent, to see whether anything changed. */
      readonly offered: string
    }

export function keyOf({ jobId, attempt }: AttemptRef): string {
  return `${jobId}.${attempt}`
}

/** The attempts that the service may believe are ours. */
export function owned(held: ReadonlyMap<string, Held>): readonly AttemptRef[] {
  return [...held.values()].filter((one) => !isDropped(one)).map(({ jobId, attempt }) => ({ jobId, attempt }))
}

export function isLive(held: Held): held is Extract<Held, { state: 'starting' | 'running' }> {
  return held.state === 'starting' || held.state === 'running'
}

export function isDropped(held: Held): boolean {
  return isLive(held) && held.dropped
}
