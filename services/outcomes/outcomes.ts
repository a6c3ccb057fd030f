/**
 * What a change of jobs means for others. Every writer (a pilot's reports, a claim, the sweeper, the director, a user)
 * publishes here what the store has committed; the matcher, the usage of owners, the hints to other processes and the jobs
 * that wait for others react here and nowhere else.
 *
 * Follows the store and never leads it. If a process dies between a commit and its reactions, jobs wait a little longer,
 * until a loop finds them, and the usage of the attempts that ended in that commit is not charged.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import type { JobOutcome } from '../../core/ports/store.ts'
import type { TaskQueue, WaitingJob } from '../../core/model/task-queue.ts'

/** A change that the store has made. */
export type JobChange = Extract<JobOutcome, { ok: true }>

/** Jobs that were submitted to a task queue and wait in it. */
export type Arrival = { readonly queue: TaskQueue; readonly jobs: readonly WaitingJob[] }

export type Reaction = {
  changed?(changes: readonly JobChange[]): Promise<void> | void
  arrived?(arrivals: readonly Arrival[]): void
  submitted?(queues: readonly TaskQueue[]): void
  blocked?(on: readonly JobId[]): void
}

export type Outcomes = {
  /** Outcomes as the store answered them; refusals are left out. Resolves when every reaction is over. */
  changed(outcomes: readonly JobOutcome[]): Promise<void>
  /** Jobs of a submission wait from now on; more of the same submission may follow. */
  arrived(arrivals: readonly Arrival[]): void
  /** All jobs of a submission have arrived, in these task queues. */
  submitted(queues: readonly TaskQueue[]): void
  /** Jobs of a submission wait for the ends of these, which were there before: some may have ended already. */
  blocked(on: readonly JobId[]): void
  /** Reactions happen in the order in which they were added; those that wait, at the same time. */
  react(reaction: Reaction): void
}

export function openOutcomes(): Outcomes {
  const reactions: Reaction[] = []
  return {
    react(reaction) {
      reactions.push(reaction)
    },
    async changed(outcomes) {
      const changes = outcomes.flatMap((outcome) => (outcome.ok ? [outcome] : []))
      if (changes.length === 0) return
      const waits = reactions.flatMap((reaction) => reaction.changed?.(changes) ?? [])
      if (waits.length > 0) await Promise.all(waits)
    },
    arrived(arrivals) {
      for (const reaction of reactions) reaction.arrived?.(arrivals)
    },
    submitted(queues) {
      for (const reaction of reactions) reaction.submitted?.(queues)
    },
    blocked(on) {
      for (const reaction of reactions) reaction.blocked?.(on)
    },
  }
}

/** Jobs that waited and still wait: their priority was set. */
export function reranked(changes: readonly JobChange[]): readonly JobChange['job'][] {
  return changes.filter(({ job, was }) => job.phase.state === 'Waiting' && was === 'Waiting').map(({ job }) => job)
}

/** Jobs that wait again: an attempt of theirs ended without a verdict, or they were released. */
export function waitingAgain(changes: readonly JobChange[]): readonly JobChange['job'][] {
  return changes.filter(({ job, was }) => job.phase.state === 'Waiting' && was !== 'Waiting').map(({ job }) => job)
}
