/**
 * A job, flat and field by field, so that nothing travels that was not meant to: its arguments and environment have no way
 * through here. Every edge shows this one; a field of Job that is not named here is not shown.
 */

import type { Result } from '../../core/model/attempt.ts'
import { isEnded, type Job, leaseOf, openOf, type Stop } from '../../core/model/job.ts'
import type { Places } from '../jobs/places.ts'

export type JobView = Omit<Job, 'phase' | 'awaited'> & {
  readonly state: Job['phase']['state']
  /** Why it is Held, Failed or Killed. */
  readonly why: string
  /** What its pilot was asked to do, else why it is in its state; empty: there is no reason to show. */
  readonly reason: string
  /** Where it runs or ran last; empty: nowhere yet. */
  readonly vmId: string
  /** Of this VM; absent: nowhere yet, or the edge did not read it. */
  readonly site?: string
  readonly cloud?: string
  readonly cores: number
  readonly leaseUntilMs?: number
  readonly startedMs?: number
  readonly endedMs?: number
  /** What its pilot was asked to do and has not done yet. */
  readonly asked?: Stop
  readonly result?: ResultView
  /** How many jobs it still waits for. */
  readonly waitsFor: number
}

/** Without an exit code where the payload did not exit by itself: no 0 that looks like a success. */
export type ResultView = Omit<Result, 'exitCode'> & { readonly exitCode?: number }

/** One object per job and no other copy: listings make thousands. `places`: the VMs that were read for these jobs. */
export function jobView(job: Job, places?: Places): JobView {
  const { phase } = job
  const lease = 'lease' in phase ? phase.lease : undefined
  const result = 'result' in phase ? phase.result : undefined
  const live = leaseOf(phase)
  const why = 'why' in phase ? phase.why : ''
  const place = lease && places?.get(lease.vmId)
  return {
    id: job.id,
    classId: job.classId,
    vo: job.vo,
    group: job.group,
    owner: job.owner,
    needs: job.needs,
    name: job.name,
    jobGroup: job.jobGroup,
    jobType: job.jobType,
    priority: job.priority,
    maxAttempts: job.maxAttempts,
    machineLosses: job.machineLosses,
    maxMachineLosses: job.maxMachineLosses,
    submittedMs: job.submittedMs,
    changedMs: job.changedMs,
    attempt: job.attempt,
    state: phase.state,
    why,
    reason: live?.stop ? `${live.stop.kind} asked by ${live.stop.by}` : why,
    vmId: lease?.vmId ?? '',
    site: place?.site,
    cloud: place?.cloud,
    cores: lease?.cores ?? 0,
    leaseUntilMs: live?.untilMs,
    startedMs: 'startedMs' in phase ? phase.startedMs : result?.startedMs,
    endedMs: isEnded(phase) ? job.changedMs : undefined,
    asked: live?.stop,
    waitsFor: openOf(phase).length,
    result: result && (result.end === 'exited' ? result : { ...result, exitCode: undefined }),
  }
}
