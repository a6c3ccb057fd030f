/**
 * The matcher of a process that serves pilots, put together: the waiting index, the matcher over it, the open streams, and
 * what they do when jobs change. A process that serves no pilots has none.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { noSizes, needsOf, requirementClass } from '../../core/language/requirement-class.ts'
import type { Job } from '../../core/model/job.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { JobStore, Store } from '../../core/ports/store.ts'
import type { UsageLedger } from '../../core/share/ledger.ts'
import { type Arrival, type Outcomes, type Reaction, reranked, waitingAgain } from '../outcomes/outcomes.ts'
import { type Matcher, matcher } from './matcher.ts'
import { openStreams, type OpenStreams } from './pilot-streams.ts'
import { type ReadNext, type WaitingIndex, waitingIndex } from './waiting-index.ts'
import type { Part } from './window.ts'

export type MatchingPolicy = { readonly leaseMs: number; readonly renewEveryMs: number }

export type MatchingOptions = {
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly policy: MatchingPolicy
  readonly outcomes: Outcomes
  readonly ledger: UsageLedger
  /** Which of the processes that serve pilots this one is. */
  readonly part: () => Part
}

/** What a pilot's stream needs. */
export type Matching = Omit<MatchingOptions, 'part'> & {
  readonly waiting: WaitingIndex
  readonly matcher: Matcher
  readonly streams: OpenStreams
}

export function openMatching({ ledger, part, ...options }: MatchingOptions): Matching {
  const { store, bus, clock, log, policy, outcomes } = options
  const failed = (what: string) => (error: unknown) => log.error({ err: error }, what)
  const readNext: ReadNext = (classId, limit) => store.next(classId, limit)
  const waiting = waitingIndex({ readNext, onError: failed('reading waiting jobs'), ledger, part })
  const { leaseMs } = policy
  const match = matcher({ store, waiting, ledger, clock, leaseMs, outcomes, onError: failed('claiming jobs') })
  outcomes.react(reactionOf(store, waiting, match))
  return { ...options, ledger, waiting, matcher: match, streams: openStreams(bus) }
}

/**
 * Above this number of task queues in one call every pilot is served once, in place of each pilot being asked about each of
 * them.
 */
const maxServedSingly = 16

function reactionOf(store: Pick<JobStore, 'specs'>, waiting: WaitingIndex, match: Matcher): Reaction {
  async function arriveAgain(again: readonly Job[]): Promise<void> {
    const specs = await store.specs(again.map(({ id }) => id))
    for (const job of again) {
      const spec = specs.get(job.id)
      if (!spec) continue
      const { queue, jobs } = arrivalOf(job, spec.requirements)
      waiting.arrived(queue, jobs)
      match.serveQueue(queue)
    }
  }

  return {
    changed(changes) {
      for (const [classId, jobs] of Map.groupBy(reranked(changes), (job) => job.classId)) waiting.reranked(classId, jobs)
      const again = waitingAgain(changes)
      return again.length === 0 ? undefined : arriveAgain(again)
    },
    arrived(arrivals) {
      for (const { queue, jobs } of arrivals) waiting.arrived(queue, jobs)
    },
    submitted(queues) {
      if (queues.length > maxServedSingly) match.serveAll()
      else for (const queue of queues) match.serveQueue(queue)
    },
  }
}

/**
 * Where the index does not know the task queue: at least what any job of the class asks for, whichever offerings there were.
 */
function arrivalOf(job: Job, exact: TaskQueue['requirements']): Arrival {
  const { vo, group, owner, classId, id, priority, submittedMs } = job
  const requirements = requirementClass(exact, noSizes)
  const needs = needsOf(exact, requirements)
  return { queue: { vo, group, owner, id: classId, requirements }, jobs: [{ id, priority, submittedMs, needs }] }
}
