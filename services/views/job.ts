/**
 * A job, flat and field by field, so that nothing travels that was not meant to: its arguments and environment have no way through
 * here.
 */

import type { Result } from '../../core/model/attempt.ts'
import { isEnded, type Job, leaseOf, type Stop } from '../../core/model/job.ts'

export type JobView = Omit<Job, 'phase'> & {
  readonly state: Job['phase']['state']
  readonly why: string
  /** Where it runs or ran last; empty: nowhere yet. */
  readonly vmId: string
  readonly cores: number
  readonly leaseUntilMs?: number
  readonly startedMs?: number
  /** What its pilot was asked to do and has not done yet. */
  readonly asked?: Stop
  readonly result?: Result
}

export function jobView({ phase, ...job }: Job): JobView {
  const lease = 'lease' in phase ? phase.lease : undefined
  const result = 'result' in phase ? phase.result : undefined
  return {
    ...job,
    state: phase.state,
    why: 'why' in phase ? phase.why : '',
    vmId: lease?.vmId ?? '',
    cores: lease?.cores ?? 0,
    leaseUntilMs: leaseOf(phase)?.untilMs,
    startedMs: 'startedMs' in phase ? phase.startedMs : result?.startedMs,
    asked: isEnded(phase) ? undefined : lease?.stop,
    result,
  }
}

/** What its pilot was asked to do, else why it is in its state; empty: nothing is to be said. */
export function reasonText({ why, asked }: JobView): string {
  return asked ? `asked to ${asked.kind} by ${asked.by}` : why
}
