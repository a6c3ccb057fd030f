/** What a pilot reports, as an event of the job, and what the store answered, as an acknowledgement. */

import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import type { Ack, Report } from '../../core/model/pilot.ts'
import type { JobOutcome } from '../../core/ports/store.ts'

export function reportEvent(vmId: VmId, report: Report): JobEvent {
  const { jobId, attempt, startedMs } = report
  if (report.phase === 'ended') return { kind: 'ended', jobId, attempt, vmId, result: report.result }
  return { kind: report.phase, jobId, attempt, vmId, startedMs }
}

export function renewal(vmId: VmId, { jobId, attempt }: AttemptRef, untilMs: number): JobEvent {
  return { kind: 'renew', jobId, attempt, vmId, untilMs }
}

export function ackOf({ jobId, attempt, reportId }: Report, outcome: JobOutcome | undefined): Ack {
  return { jobId, attempt, reportId, refusal: outcome?.ok ? '' : 'stale' }
}
