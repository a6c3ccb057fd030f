/** How an attempt ended, for accounting: said once, in the fact of the change that ended it. */

import type { End } from './attempt.ts'
import type { JobEvent } from './job-event.ts'
import type { Job, Lease } from './job.ts'
import type { AttemptEnding } from './usage-record.ts'

const endings: Readonly<Record<End, AttemptEnding>> = {
  exited: 'failed',
  signalled: 'failed',
  'wall-limit': 'limit-exceeded',
  'memory-limit': 'limit-exceeded',
  'disk-limit': 'limit-exceeded',
  stopped: 'machine-lost',
  'not-started': 'not-started',
  abandoned: 'abandoned',
}

/** `lease`: of the attempt, before the event. What was asked for counts, also where the machine was lost after it. */
export function endingOf({ stop }: Lease, after: Job, event: JobEvent): AttemptEnding {
  if (after.phase.state === 'Done') return 'done'
  if (after.phase.state === 'Killed') return 'killed'
  if (event.kind === 'withdraw') return 'withdrawn'
  const end = event.kind === 'ended' ? event.result.end : 'stopped'
  return end === 'stopped' && stop?.kind === 'reschedule' ? 'rescheduled' : endings[end]
}
