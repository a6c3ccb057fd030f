/**
 * The matcher: brings waiting jobs and free room together. A seat is a pilot's free room while its stream is open.
 *
 * Decides nothing that the index (whose turn is it) and the rules (does it fit) do not decide, and owns nothing: a job is a
 * VM's when the store has said so. Everything that is picked in one turn is claimed together. Seats are served in the order
 * in which their VMs came, so that old VMs fill up and young ones run empty and can be let go.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import type { JobEvent, JobSpec } from '../../core/model/job.ts'
import { jobsPerOffer, usageAdvanceMs } from '../../core/kernel/limits.ts'
import type { JobOutcome, JobStore } from '../../core/ports/store.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import { exactly, leastOf } from '../../core/language/requirement-class.ts'
import { grantedCores, hasRoom, suits } from '../../core/language/rules.ts'
import type { Place, Room } from '../../core/model/resources.ts'
import type { Picked, Search, WaitingIndex } from './waiting-index.ts'

/** A claim that the store granted. */
export type Granted = AttemptRef & {
  readonly queue: TaskQueue
  readonly cores: number
  readonly spec: JobSpec
}

/** What a pick takes of the room, from the pick until the pilot has counted it itself. */
export type Taken = { readonly cores: number; readonly memoryBytes: number; readonly diskBytes: number }

export type Seat = {
  readonly vmId: VmId
  readonly place: Place
  /** Free now, everything on its way taken off. */
  room(): Room
  /** How many assignments it would take now. */
  wants(): number
  /** Room is spoken for; answered by exactly one of the two below. */
  reserve(taken: Taken): void
  grant(granted: Granted, taken: Taken): void
  giveBack(taken: Taken, why: NotGranted): void
}

/**
 * gone: the job was not to be had. closed: the VM takes no more jobs at all. full: its record has no room for the job. unknown:
 * the store may have granted it.
 */
export type NotGranted = 'gone' | 'closed' | 'full' | 'unknown'

export type Matcher = {
  sit(seat: Seat): void
  leave(seat: Seat): void
  /** Looks for jobs for one seat, or for seats for whatever waits. */
  serve(seat: Seat): void
  serveQueue(queue: TaskQueue): void
  serveAll(): void
}

export type MatcherOptions = {
  readonly store: Pick<JobStore, 'change'>
  readonly waiting: WaitingIndex
  readonly clock: Clock
  readonly leaseMs: number
  /** Told what the store said to the claims of a turn, after the seats have been. */
  readonly onClaimed: (outcomes: readonly JobOutcome[]) => void
  readonly onError: (error: unknown) => void
}

type Claim = { readonly seat: Seat; readonly pick: Picked; readonly taken: Taken }

export function matcher({ store, waiting, clock, leaseMs, onClaimed, onError }: MatcherOptions): Matcher {
  const seats = new Set<Seat>()

  function pickFor(seat: Seat, nowMs: number): Claim[] {
    const claims: Claim[] = []
    const search: Search = new Map()
    while (claims.length < jobsPerOffer && seat.wants() > 0) {
      const room = seat.room()
      const pick = waiting.take(seat.place, room, search)
      if (!pick) break
      const requirements = exactly(pick.queue.requirements, pick.job.needs)
      const cores = grantedCores(requirements, room)
      const taken = { cores, memoryBytes: requirements.memoryBytes, diskBytes: requirements.diskBytes }
      seat.reserve(taken)
      waiting.charge(pick.queue, cores * usageAdvanceMs, nowMs)
      claims.push({ seat, pick, taken })
    }
    return claims
  }

  function claim(claims: readonly Claim[], nowMs: number): void {
    if (claims.length === 0) return
    store
      .change(
        claims.map((one) => claimEvent(one, nowMs + leaseMs)),
        nowMs,
      )
      .then((outcomes) => {
        for (const [at, outcome] of outcomes.entries()) answer(claims[at], outcome, nowMs)
        onClaimed(outcomes)
        for (const seat of new Set(claims.filter((_, at) => !outcomes[at]?.ok).map(({ seat }) => seat))) serve(seat)
      })
      .catch((error: unknown) => {
        // Whether they were granted is unknown; those that were are found by their sessions, the others wait on.
        for (const asked of claims) {
          undo(asked, 'unknown', nowMs)
          waiting.arrived(asked.pick.queue, [asked.pick.job])
        }
        onError(error)
      })
  }

  function answer(asked: Claim | undefined, outcome: JobOutcome, nowMs: number): void {
    if (!asked) return
    const { seat, pick, taken } = asked
    if (outcome.ok && outcome.spec) {
      const { attempt } = outcome.job
      seat.grant({ jobId: pick.job.id, attempt, queue: pick.queue, cores: taken.cores, spec: outcome.spec }, taken)
      return
    }
    const why = notGranted(outcome)
    undo(asked, why, nowMs)
    // It still waits, for another VM.
    if (why === 'gone') waiting.missed(pick.queue)
    else waitOn(pick)
  }

  function undo({ seat, pick, taken }: Claim, why: NotGranted, nowMs: number): void {
    waiting.charge(pick.queue, -taken.cores * usageAdvanceMs, nowMs)
    seat.giveBack(taken, why)
  }

  function waitOn({ queue, job }: Picked): void {
    waiting.arrived(queue, [job])
    serveQueue(queue)
  }

  function serve(seat: Seat): void {
    if (!seats.has(seat)) return
    const nowMs = clock.nowMs()
    claim(pickFor(seat, nowMs), nowMs)
  }

  function serveQueue(queue: TaskQueue): void {
    for (const seat of seats) if (seat.wants() > 0 && mayTake(seat, queue)) serve(seat)
  }

  return {
    sit(seat) {
      seats.add(seat)
    },
    leave(seat) {
      seats.delete(seat)
    },
    serve,
    serveQueue,
    serveAll() {
      for (const seat of seats) if (seat.wants() > 0) serve(seat)
    },
  }
}

/** Whether it has room for any job of the queue: for a job that needs less than its class asks for as well. */
function mayTake(seat: Seat, { vo, requirements }: TaskQueue): boolean {
  return hasRoom({ vo, requirements: leastOf(requirements) }, seat.room()) && suits({ vo, requirements }, seat.place)
}

function notGranted(outcome: JobOutcome): NotGranted {
  if (outcome.ok) return 'gone'
  if (outcome.why === 'vm-not-active') return 'closed'
  return outcome.why === 'vm-full' ? 'full' : 'gone'
}

function claimEvent({ seat, pick, taken }: Claim, untilMs: number): JobEvent {
  return { kind: 'claim', jobId: pick.job.id, vmId: seat.vmId, cores: taken.cores, untilMs }
}
