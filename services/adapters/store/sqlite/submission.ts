/**
 * A submission on its way to the engine: packed, and a large one in slices, so that neither the thread that asks nor the one
 * that writes works on all of it in one piece. Nothing can be seen of it before the last call has answered.
 */

import { jobsPerTransaction, jobsPerTurn } from '../../../../core/kernel/limits.ts'
import type { ClassId } from '../../../../core/kernel/ids.ts'
import { needsOf } from '../../../../core/language/requirement-class.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import type { Submission, SubmitOutcome } from '../../../../core/ports/store.ts'
import type { PackedJob } from './job-operations.ts'
import type { Ask } from './thread.ts'

/** `nextTurn`: lets others go on. */
export function submitter(
  ask: Ask,
  nextTurn: () => Promise<void>,
): (submission: Submission, nowMs: number) => Promise<SubmitOutcome> {
  let lastTicket = 0

  /** Packs one slice, in turns. */
  async function pack(jobs: Submission['jobs'], requirementsOf: RequirementsOf): Promise<PackedJob[]> {
    const slice: PackedJob[] = []
    for (let at = 0; at < jobs.length; at += jobsPerTurn) {
      if (at > 0) await nextTurn()
      slice.push(...jobs.slice(at, at + jobsPerTurn).map((job) => packed(job, requirementsOf)))
    }
    return slice
  }

  async function stage(ticket: number, submission: Submission): Promise<SubmitOutcome | undefined> {
    const { jobs, queues, ...rest } = submission
    const head = { ...rest, count: jobs.length, queueIds: queues.map(({ id }) => id) }
    const undescribed = new Map(queues.map((queue) => [queue.id, queue]))
    const requirementsOf = requirementsIn(submission)
    let written: Promise<SubmitOutcome | undefined | void> = ask('stageBegin', ticket, head)
    for (let from = 0; from < jobs.length; from += jobsPerTransaction) {
      // One slice is packed while the one before it is written.
      const [outcome, slice] = await Promise.all([
        written,
        pack(jobs.slice(from, from + jobsPerTransaction), requirementsOf),
      ])
      if (outcome) return outcome
      const named = new Set(slice.map(({ classId }) => classId))
      const described = [...named].flatMap((id) => undescribed.get(id) ?? [])
      for (const { id } of described) undescribed.delete(id)
      written = ask('stage', ticket, { from, jobs: slice, queues: described })
    }
    await written
    return undefined
  }

  async function staged(submission: Submission, nowMs: number): Promise<SubmitOutcome> {
    lastTicket += 1
    const ticket = lastTicket
    try {
      return (await stage(ticket, submission)) ?? (await ask('stageEnd', ticket, nowMs))
    } catch (error) {
      // Where this fails as well, the store deletes what was staged when it is opened again.
      ask('stageDrop', ticket).catch(() => {})
      throw error
    }
  }

  return (submission, nowMs) => {
    if (submission.jobs.length > jobsPerTransaction) return staged(submission, nowMs)
    const requirementsOf = requirementsIn(submission)
    const jobs = submission.jobs.map((job) => packed(job, requirementsOf))
    return ask('submit', { ...submission, jobs }, nowMs)
  }
}

type RequirementsOf = (id: ClassId) => Requirements | undefined

function requirementsIn({ queues }: Submission): RequirementsOf {
  const known = new Map(queues.map((queue) => [queue.id, queue.requirements]))
  return (id) => known.get(id)
}

function packed({ classId, spec }: Submission['jobs'][number], requirementsOf: RequirementsOf): PackedJob {
  return {
    classId,
    needs: needsOf(spec.requirements, requirementsOf(classId) ?? spec.requirements),
    name: spec.name,
    jobGroup: spec.jobGroup,
    jobType: spec.jobType,
    priority: spec.priority,
    maxAttempts: spec.maxAttempts,
    maxMachineLosses: spec.maxMachineLosses,
    ...(spec.after === undefined ? {} : { after: spec.after }),
    inputs: spec.inputFiles.length === 0 ? undefined : spec.inputFiles.map(({ digest }) => digest),
    spec: JSON.stringify(spec),
  }
}
