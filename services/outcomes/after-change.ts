/**
 * What follows from changes of jobs once the store has them: the matcher learns who waits again, owners are charged what was
 * really used, and hints go out. Follows the truth and never leads it: losing all of it costs time only.
 */

import { isEnded, type Job, type JobStateName, leaseOf } from '../../core/model/job.ts'
import { usageAdvanceMs } from '../../core/kernel/limits.ts'
import type { JobOutcome } from '../../core/ports/store.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import { needsOf, noSizes, requirementClass } from '../../core/language/requirement-class.ts'
import type { Queue } from '../jobs/queue.ts'

/** Resolves when the matcher knows of every job that waits again. */
export async function afterChange(queue: Queue, outcomes: readonly JobOutcome[]): Promise<void> {
  const changed = outcomes.flatMap((outcome) => (outcome.ok ? [outcome] : []))
  if (changed.length === 0) return
  queue.bus.hint({ kind: 'jobs', ids: changed.map(({ job }) => job.id) })
  chargeEnded(queue, changed)
  const waits = changed.filter(({ job, was }) => job.phase.state === 'Waiting' && was !== 'Waiting').map(({ job }) => job)
  if (waits.length > 0) await waitAgain(queue, waits)
}

function chargeEnded(queue: Queue, changed: readonly { job: Job; was: JobStateName }[]): void {
  const nowMs = queue.clock.nowMs()
  for (const { job, was } of changed) {
    const wasLeased = was === 'Matched' || was === 'Running' || was === 'Completing'
    if (!wasLeased || leaseOf(job.phase) || !isEnded(job.phase) || !job.phase.lease) continue
    const { cores, claimedMs } = job.phase.lease
    // By our own clock from claim to end: what a pilot says of times does not move shares.
    queue.waiting.charge(job, cores * (nowMs - claimedMs - usageAdvanceMs), nowMs)
  }
}

async function waitAgain(queue: Queue, jobs: readonly Job[]): Promise<void> {
  const specs = await queue.store.specs(jobs.map(({ id }) => id))
  for (const job of jobs) {
    const spec = specs.get(job.id)
    if (!spec) continue
    const { vo, group, owner, classId } = job
    // Where the index does not know it: at least what any job of the class asks for, whichever offerings there were.
    const taskQueue: TaskQueue = {
      vo,
      group,
      owner,
      id: classId,
      requirements: requirementClass(spec.requirements, noSizes),
    }
    const { id, priority, submittedMs } = job
    queue.waiting.arrived(taskQueue, [
      { id, priority, submittedMs, needs: needsOf(spec.requirements, taskQueue.requirements) },
    ])
    queue.matcher.serveQueue(taskQueue)
  }
  queue.bus.hint({ kind: 'waiting', ids: [...new Set(jobs.map(({ classId }) => classId))] })
}
