/**
 * A pilot's stream, without the wire: what it reports is written, what it offers is filled, and what it must know is told.
 *
 * Everything of a turn goes to the store together and comes back in one message. An answer leaves only after the commit that
 * it speaks of. A session holds no truth: when it ends, leases go on until they end, and the next session of the VM is told
 * again whatever the pilot does not say that it holds.
 */

import { PilotageError } from '../../core/errors.ts'
import type { AttemptRef, VmId } from '../../core/ids.ts'
import { type Job, type JobEvent, leaseOf } from '../../core/job.ts'
import type { Ack, Assignment, Offer, PilotMessage, Report, ServiceMessage } from '../../core/pilot.ts'
import type { JobOutcome } from '../../core/ports/store.ts'
import type { Room } from '../../core/requirements.ts'
import { isUp, placeOf, roomOf, type Vm } from '../../core/vm.ts'
import { afterChange } from './after-change.ts'
import type { Seat } from './matcher.ts'
import { onTheWay, type OnTheWay } from './on-the-way.ts'
import { openOutbox, type Outbox } from './outbox.ts'
import type { Queue } from './queue.ts'

export type Session = {
  /** Resolves when everything in the message is durable and answered. Throws where the store cannot. */
  receive(message: PilotMessage): Promise<void>
  close(): void
}

export type Wire = {
  /** Called until `close`; must not throw. */
  send(message: ServiceMessage): void
  /** The stream is of no more use: the VM is not up any more, or has opened another one. */
  end(): void
}

/** One conversation as it stands. */
type Talk = {
  readonly queue: Queue
  readonly vmId: VmId
  readonly outbox: Outbox
  readonly ways: OnTheWay
  readonly seat: Seat
  offer: Offer | undefined
  draining: boolean
  /** Until it is known what the VM holds nothing is claimed: an offer knows nothing of leases that never arrived. */
  settled: boolean
  open: boolean
  end(): void
}

/** Throws `forbidden` for a VM that is not up. */
export async function openSession(queue: Queue, vmId: VmId, { send, end }: Wire): Promise<Session> {
  const kept = await queue.store.vm(vmId)
  if (!kept || !isUp(kept.vm.phase)) {
    throw new PilotageError('forbidden', `VM ${vmId} is ${kept ? kept.vm.phase.state : 'unknown'}: it takes no jobs`)
  }
  const outbox = openOutbox(queue.clock, send)
  const ways = onTheWay()
  const entry = {
    look: () => {
      look(talk).catch((error: unknown) => queue.log.warn({ err: error, vmId }, 'look after a hint'))
    },
    replaced: () => talk.end(),
  }
  const close = (): void => {
    talk.open = false
    queue.sessions.leave(vmId, entry)
    queue.matcher.leave(talk.seat)
    outbox.close()
  }
  const talk: Talk = {
    queue,
    vmId,
    outbox,
    ways,
    seat: seatOf(() => talk, kept.vm),
    offer: undefined,
    draining: false,
    settled: false,
    open: true,
    end() {
      close()
      end()
    },
  }
  const { leaseMs, renewEveryMs } = queue.policy
  outbox.welcome({ leaseMs, renewEveryMs, serviceTimeMs: queue.clock.nowMs() })
  queue.sessions.enter(vmId, entry)
  queue.matcher.sit(talk.seat)
  return { receive: (message) => receive(talk, message), close }
}

const noRoom = { cores: 0, memoryBytes: 0, diskBytes: 0, remainingMs: 0 }

/** What a pilot claims, by its own measure and clock, may only narrow what the record says that the VM is. */
function narrower(claimed: Room, whole: Room): Room {
  return {
    cores: Math.min(claimed.cores, whole.cores),
    memoryBytes: Math.min(claimed.memoryBytes, whole.memoryBytes),
    diskBytes: Math.min(claimed.diskBytes, whole.diskBytes),
    remainingMs: Math.min(claimed.remainingMs, whole.remainingMs),
  }
}

function seatOf(talk: () => Talk, vm: Vm): Seat {
  return {
    vmId: vm.id,
    place: placeOf(vm),
    room() {
      const { offer, ways, queue } = talk()
      return ways.lessFrom(narrower(offer ?? noRoom, roomOf(vm, vm.endByMs - queue.clock.nowMs())))
    },
    wants() {
      const { open, settled, draining, offer, ways } = talk()
      return open && settled && !draining && offer ? offer.maxJobs - ways.count() : 0
    },
    reserve: (taken) => talk().ways.reserve(taken),
    grant(granted, taken) {
      const { queue, ways, outbox } = talk()
      ways.sent(taken)
      const { queue: taskQueue, ...rest } = granted
      outbox.assign({ ...rest, leaseMs: queue.policy.leaseMs, vo: taskQueue.vo, owner: taskQueue.owner })
    },
    giveBack(taken, closed) {
      talk().ways.drop(taken)
      if (closed) drain(talk(), 'the VM takes no more jobs')
    },
  }
}

async function receive(talk: Talk, { hello, reports, offer, renew: named }: PilotMessage): Promise<void> {
  const { queue, vmId, outbox } = talk
  const nowMs = queue.clock.nowMs()
  const renew = hello ? [...named, ...hello.held] : named
  const events = [
    ...reports.map((report) => reportEvent(vmId, report)),
    ...renew.map((ref) => renewal(vmId, ref, nowMs + queue.policy.leaseMs)),
  ]
  const written = events.length > 0 ? queue.store.change(events, nowMs) : undefined
  if (offer) {
    talk.offer = offer
    talk.ways.received(offer.received)
    // Asked in the same turn as the reports are written: both share one commit.
    queue.matcher.serve(talk.seat)
  }
  const outcomes = (await written) ?? []
  const reported = outcomes.slice(0, reports.length)
  for (const [at, report] of reports.entries()) outbox.ack(ackOf(report, reported[at]))
  if (renew.length > 0) answerRenewals(talk, renew, outcomes.slice(reports.length))
  if (hello) await settle(talk, hello.held)
  await afterChange(queue, reported)
}

function answerRenewals({ outbox, queue }: Talk, renew: readonly AttemptRef[], outcomes: readonly JobOutcome[]): void {
  outbox.renewed(queue.policy.leaseMs)
  for (const [at, ref] of renew.entries()) {
    const outcome = outcomes[at]
    if (outcome?.ok) tellStop(outbox, outcome.job)
    else outbox.ack({ ...ref, reportId: 0, refusal: 'stale' })
  }
}

/** What the store says that the VM holds, and the pilot does not: it never arrived, and comes again. */
async function settle(talk: Talk, held: readonly AttemptRef[]): Promise<void> {
  const { queue, vmId, ways, outbox } = talk
  const has = new Set(held.map(({ jobId, attempt }) => `${jobId}.${attempt}`))
  const leases = await queue.store.leasesOn(vmId)
  const missing = await renewed(
    talk,
    leases.filter((job) => !has.has(`${job.id}.${job.attempt}`)),
  )
  const specs = await queue.store.specs(missing.map(({ id }) => id))
  for (const job of missing) {
    const spec = specs.get(job.id)
    if (!spec) continue
    const cores = leaseOf(job.phase)?.cores ?? 0
    const { memoryBytes, diskBytes } = spec.requirements
    ways.sent({ cores, memoryBytes, diskBytes })
    const { id: jobId, attempt, vo, owner } = job
    const assignment: Assignment = { jobId, attempt, spec, cores, leaseMs: queue.policy.leaseMs, vo, owner }
    outbox.assign(assignment)
  }
  talk.settled = true
  queue.matcher.serve(talk.seat)
  await look(talk)
}

/** A pilot counts a lease from when it comes: what comes again must hold as long here, or another pilot gets it meanwhile. */
async function renewed({ queue, vmId }: Talk, jobs: readonly Job[]): Promise<readonly Job[]> {
  if (jobs.length === 0) return jobs
  const nowMs = queue.clock.nowMs()
  const renewals = jobs.map(({ id, attempt }) => renewal(vmId, { jobId: id, attempt }, nowMs + queue.policy.leaseMs))
  const outcomes = await queue.store.change(renewals, nowMs)
  return jobs.filter((_, at) => outcomes[at]?.ok)
}

/** Reads what was decided about this VM and its jobs elsewhere. */
async function look(talk: Talk): Promise<void> {
  const { queue, vmId, outbox } = talk
  const kept = await queue.store.vm(vmId)
  if (!kept || !isUp(kept.vm.phase)) return talk.end()
  if (kept.vm.phase.state === 'Draining') drain(talk, kept.vm.phase.why)
  for (const job of await queue.store.leasesOn(vmId)) tellStop(outbox, job)
}

function drain(talk: Talk, reason: string): void {
  if (talk.draining) return
  talk.draining = true
  talk.outbox.command({ kind: 'drain', reason })
}

/** Said as often as it is found: a command that was lost comes again, one that was obeyed does no harm. */
function tellStop(outbox: Outbox, { id: jobId, attempt, phase }: Job): void {
  const stop = leaseOf(phase)?.stop
  if (stop) outbox.command({ kind: 'stop', jobId, attempt, reason: `${stop.kind} by ${stop.by}` })
}

function reportEvent(vmId: VmId, report: Report): JobEvent {
  const { jobId, attempt, startedMs } = report
  if (report.phase === 'ended') return { kind: 'ended', jobId, attempt, vmId, result: report.result }
  return { kind: report.phase, jobId, attempt, vmId, startedMs }
}

function renewal(vmId: VmId, { jobId, attempt }: AttemptRef, untilMs: number): JobEvent {
  return { kind: 'renew', jobId, attempt, vmId, untilMs }
}

function ackOf({ jobId, attempt, reportId }: Report, outcome: JobOutcome | undefined): Ack {
  return { jobId, attempt, reportId, refusal: outcome?.ok ? '' : 'stale' }
}
