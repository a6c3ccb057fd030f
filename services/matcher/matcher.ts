/**
 * The matcher: brings waiting jobs and free room together. A pilot is a pilot's free room while its stream is open.
 *
 * Decides nothing that the index (whose turn is it) and the rules (does it fit) do not decide, and owns nothing: a job is a
 * VM's when the store has said so. Everything that is picked in one turn is claimed together. Pilots are served in the order
 * in which their VMs came, so that old VMs fill up and young ones run empty and can be let go.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { AttemptRef, ClassId, VmId } from '../../core/kernel/ids.ts'
import { attemptText } from '../../core/model/facts.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import type { JobSpec } from '../../core/model/job.ts'
import { jobsPerOffer } from '../../core/kernel/limits.ts'
import type { JobOutcome, JobStore } from '../../core/ports/store.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import { exactly, minOf } from '../../core/language/requirement-class.ts'
import { takenFrom } from '../../core/language/packing.ts'
import { hasRoom, suits } from '../../core/language/rules.ts'
import type { Place, Resources, Room } from '../../core/model/resources.ts'
import type { OpenClaim, UsageLedger } from '../../core/share/ledger.ts'
import type { Outcomes } from '../outcomes/outcomes.ts'
import type { Search } from './pick.ts'
import type { Picked, WaitingIndex } from './waiting-index.ts'

/** A claim that the store granted. */
export type Granted = AttemptRef & {
  readonly queue: TaskQueue
  readonly cores: number
  readonly gpus?: number
  readonly spec: JobSpec
}

export type OpenPilot = {
  readonly vmId: VmId
  readonly place: Place
  /** Free now, everything on its way taken off. */
  room(): Room
  /** How many assignments it would take now. */
  wants(): number
  /** The only task queue that may be given its room; undefined: any may. */
  reservedFor(): ClassId | undefined
  /** Room is spoken for; answered by exactly one of the two below. */
  reserve(taken: Resources): void
  grant(granted: Granted, taken: Resources): void
  giveBack(taken: Resources, why: NotGranted): void
}

/**
 * gone: the job was not to be had. closed: the VM takes no more jobs at all. full: its record has no room for the job.
 * unknown: the store may have granted it.
 */
export type NotGranted = 'gone' | 'closed' | 'full' | 'unknown'

export type Matcher = {
  join(pilot: OpenPilot): void
  leave(pilot: OpenPilot): void
  /** Looks for jobs for one pilot, or for pilots for whatever waits. */
  serve(pilot: OpenPilot): void
  serveQueue(queue: TaskQueue): void
  serveAll(): void
}

export type MatcherOptions = {
  readonly store: Pick<JobStore, 'change'>
  readonly waiting: WaitingIndex
  readonly ledger: Pick<UsageLedger, 'claim' | 'granted' | 'refused'>
  readonly clock: Clock
  readonly leaseMs: number
  readonly outcomes: Pick<Outcomes, 'changed'>
  readonly onError: (error: unknown) => void
}

type Claim = { readonly pilot: OpenPilot; readonly pick: Picked; readonly taken: Resources; readonly counted: OpenClaim }

export function matcher({ store, waiting, ledger, clock, leaseMs, outcomes: published, onError }: MatcherOptions): Matcher {
  const pilots = new Set<OpenPilot>()

  function pickFor(pilot: OpenPilot, nowMs: number): Claim[] {
    const claims: Claim[] = []
    const search: Search = new Set()
    while (claims.length < maxClaims(pilot) && pilot.wants() > 0) {
      const room = pilot.room()
      const pick = nextFor(pilot, waiting, room, search)
      if (!pick) break
      const requirements = exactly(pick.queue.requirements, pick.job.needs)
      // From the pick until the pilot has counted it itself.
      const taken = takenFrom(room, requirements)
      pilot.reserve(taken)
      claims.push({ pilot, pick, taken, counted: ledger.claim(pick.queue, taken.cores, nowMs) })
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
        published.changed(outcomes).catch(onError)
        for (const pilot of new Set(claims.filter((_, at) => !outcomes[at]?.ok).map(({ pilot }) => pilot))) serve(pilot)
      })
      .catch((error: unknown) => {
        // Whether they were granted is unknown; those that were are found by their streams, the others wait on.
        for (const asked of claims) {
          undo(asked, 'unknown', nowMs)
          waiting.arrived(asked.pick.queue, [asked.pick.job])
        }
        onError(error)
      })
  }

  function answer(asked: Claim | undefined, outcome: JobOutcome, nowMs: number): void {
    if (!asked) return
    const { pilot, pick, taken, counted } = asked
    if (outcome.ok && outcome.spec) {
      const { attempt } = outcome.job
      ledger.granted(counted, attemptText({ jobId: pick.job.id, attempt }))
      pilot.grant({ ...grantOf(taken), jobId: pick.job.id, attempt, queue: pick.queue, spec: outcome.spec }, taken)
      return
    }
    const why = notGranted(outcome)
    undo(asked, why, nowMs)
    if (why === 'gone') waiting.missed(pick.queue)
    else {
      // It still waits, for another VM.
      waiting.arrived(pick.queue, [pick.job])
      serveQueue(pick.queue)
    }
  }

  function undo({ pilot, taken, counted }: Claim, why: NotGranted, nowMs: number): void {
    ledger.refused(counted, nowMs)
    pilot.giveBack(taken, why)
  }

  function serve(pilot: OpenPilot): void {
    if (!pilots.has(pilot)) return
    const nowMs = clock.nowMs()
    claim(pickFor(pilot, nowMs), nowMs)
  }

  function serveQueue(queue: TaskQueue): void {
    for (const pilot of pilots) if (pilot.wants() > 0 && mayTake(pilot, queue)) serve(pilot)
  }

  function serveAll(): void {
    for (const pilot of pilots) if (pilot.wants() > 0) serve(pilot)
  }

  waiting.onReady(serveAll)
  return {
    join: (pilot) => void pilots.add(pilot),
    leave: (pilot) => void pilots.delete(pilot),
    serve,
    serveQueue,
    serveAll,
  }
}

/** With its first claim a task queue has had what was reserved for it. */
function maxClaims(pilot: OpenPilot): number {
  return pilot.reservedFor() === undefined ? jobsPerOffer : 1
}

function nextFor(pilot: OpenPilot, waiting: WaitingIndex, room: Room, search: Search): Picked | undefined {
  const only = pilot.reservedFor()
  return only === undefined ? waiting.take(pilot.place, room, search) : waiting.takeOf(only, pilot.place, room)
}

/** Whether it has room for any job of the queue: for a job that needs less than its class asks for as well. */
function mayTake(pilot: OpenPilot, { id, vo, requirements }: TaskQueue): boolean {
  if ((pilot.reservedFor() ?? id) !== id) return false
  return hasRoom({ vo, requirements: minOf(requirements) }, pilot.room()) && suits({ vo, requirements }, pilot.place)
}

function notGranted(outcome: JobOutcome): NotGranted {
  if (outcome.ok) return 'gone'
  if (outcome.why === 'vm-not-active') return 'closed'
  return outcome.why === 'vm-full' ? 'full' : 'gone'
}

function grantOf({ cores, gpus }: Resources): Pick<Resources, 'cores' | 'gpus'> {
  return gpus ? { cores, gpus } : { cores }
}

function claimEvent({ pilot, pick, taken }: Claim, untilMs: number): JobEvent {
  return { kind: 'claim', jobId: pick.job.id, vmId: pilot.vmId, ...grantOf(taken), untilMs }
}
