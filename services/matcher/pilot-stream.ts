/**
 * A pilot's stream, without the wire: what it reports is written, what it offers is filled, and what it must know is sent.
 *
 * Everything of a turn goes to the store together and comes back in one message. An answer leaves only after the commit that
 * it speaks of. A session holds no truth: when it ends, leases go on until they end, and the next session of the VM is sent
 * again whatever the pilot does not say that it holds. The same is done within a session whenever the store may have given
 * the VM a lease that this stream has not sent.
 */

import { PilotageError } from '../../core/kernel/errors.ts'
import { attemptText } from '../../core/model/facts.ts'
import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { type Job, leaseOf } from '../../core/model/job.ts'
import { overclaimPauseMs } from '../../core/kernel/limits.ts'
import type { OutputRef } from '../../core/model/live-output.ts'
import type { Offer, PilotMessage, ServiceMessage } from '../../core/model/pilot.ts'
import type { JobOutcome } from '../../core/ports/store.ts'
import {
  type Place,
  type Room,
  fits,
  lesser,
  minus,
  noRoom,
  powerOf,
  type Resources,
  total,
  takenWith,
  noResources,
} from '../../core/model/resources.ts'
import { foundPlace } from '../../core/model/isolation.ts'
import { isUp, type Vm } from '../../core/model/vm.ts'
import { placeOf, promisedRoom } from '../../core/model/vm-place.ts'
import { type Reservation, reservationOf } from '../../core/model/reservation.ts'
import { ownerKey, type RunningAttempt } from '../../core/share/ledger.ts'
import type { Granted, OpenPilot } from './matcher.ts'
import { inTransitOf, type InTransit } from './in-transit.ts'
import { ackOf, renewal, reportEvent } from './reports.ts'
import { limited, noteFound } from './assignment.ts'
import { openOutbox, type Outbox } from './outbox.ts'
import type { Matching } from './matching.ts'

export type PilotStream = {
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

/** The state of one stream. */
type Stream = {
  readonly matching: Matching
  readonly vmId: VmId
  readonly vm: Vm
  readonly outbox: Outbox
  readonly inTransit: InTransit
  readonly pilot: OpenPilot
  /** The record's, narrowed by what the pilot has found. */
  place: Place
  offer: Offer | undefined
  draining: boolean
  /** Until it is known what the VM holds nothing is claimed: an offer knows nothing of leases that never arrived. */
  settled: boolean
  /** Its last claim exceeded the record of the VM. */
  paused: boolean
  /** As the record of the VM said it last. */
  reserved: Reservation | undefined
  /** Settles when the ends that it reported are written, or could not be. */
  written: Promise<unknown>
  /** Jobs were claimed for it while such ends were on their way to the store. */
  isAhead: boolean
  /**
   * The attempts that the pilot said it holds, or was sent on this stream, and has not reported as ended. Undefined: what
   * the store says of it is not known yet.
   */
  readonly sent: Map<string, RunningAttempt | undefined>
  open: boolean
  end(): void
}

/** Throws `forbidden` for a VM that is not up. */
export async function openPilotStream(matching: Matching, vmId: VmId, { send, end }: Wire): Promise<PilotStream> {
  const kept = await matching.store.vm(vmId)
  if (!kept || !isUp(kept.vm.phase)) {
    throw new PilotageError('forbidden', `VM ${vmId} is ${kept ? kept.vm.phase.state : 'unknown'}: it takes no jobs`)
  }
  if (kept.vm.service !== undefined) {
    throw new PilotageError('forbidden', `VM ${vmId} is a ${kept.vm.service} of its site: it takes no jobs`)
  }
  const outbox = openOutbox(matching.clock, send)
  const inTransit = inTransitOf()
  const entry = {
    look: () => {
      look(stream).catch((error: unknown) => matching.log.warn({ err: error, vmId }, 'look after a hint'))
    },
    replaced: () => stream.end(),
    peek: ({ jobId, attempt, name }: OutputRef) => outbox.command({ kind: 'peek', jobId, attempt, name }),
    running: () => [...stream.sent.values()].filter((one) => one !== undefined),
  }
  const close = (): void => {
    stream.open = false
    matching.streams.leave(vmId, entry)
    matching.matcher.leave(stream.pilot)
    outbox.close()
  }
  const stream: Stream = {
    matching,
    vmId,
    vm: kept.vm,
    outbox,
    inTransit,
    pilot: openPilotOf(() => stream, kept.vm),
    place: placeOf(kept.vm),
    offer: undefined,
    draining: false,
    settled: false,
    paused: false,
    reserved: kept.vm.reserved,
    written: Promise.resolve(),
    isAhead: false,
    sent: new Map(),
    open: true,
    end() {
      close()
      end()
    },
  }
  const { leaseMs, renewEveryMs } = matching.policy
  outbox.welcome({ leaseMs, renewEveryMs, serviceTimeMs: matching.clock.nowMs() })
  matching.streams.enter(vmId, entry)
  matching.matcher.join(stream.pilot)
  return { receive: (message) => receive(stream, message), close }
}

/** What a pilot claims, by its own measure and clock, may only narrow what the record says that the VM is. */
function narrower(claimed: Room, whole: Room, { traits = {} }: Place): Room {
  const remainingMs = Math.min(claimed.remainingMs, whole.remainingMs)
  return { ...lesser(claimed, whole), remainingMs, ...powerOf(traits), isWhole: claimed.isWhole === true }
}

function openPilotOf(stream: () => Stream, vm: Vm): OpenPilot {
  return {
    vmId: vm.id,
    get place() {
      return stream().place
    },
    room() {
      const { offer, inTransit, matching, place } = stream()
      const whole = promisedRoom(vm, vm.endByMs - matching.clock.nowMs())
      return inTransit.leftOf(narrower(offer ?? noRoom, whole, place))
    },
    wants() {
      const { open, settled, draining, paused, offer, inTransit } = stream()
      return open && settled && !draining && !paused && offer ? offer.maxJobs - inTransit.count() : 0
    },
    reservedFor: () => reservationOf(stream(), stream().matching.clock.nowMs())?.classId,
    reserve: (taken) => stream().inTransit.reserve(taken),
    grant(granted, taken) {
      const { matching, vmId, inTransit, outbox, sent, open } = stream()
      inTransit.sent(taken)
      const { queue: taskQueue, ...rest } = granted
      const [attempt, claimedMs] = [attemptText(granted), matching.clock.nowMs()]
      sent.set(attempt, { attempt, ownerKey: ownerKey(taskQueue), cores: granted.cores, claimedMs })
      const { vo, owner } = taskQueue
      outbox.assign(limited({ ...rest, leaseMs: matching.policy.leaseMs, vo, owner }, stream().place.traits?.power))
      // It came too late for this stream: if the VM has another one by now, that one is to look.
      if (!open) matching.bus.hint({ kind: 'vms', ids: [vmId] })
      if (stream().reserved?.classId === taskQueue.id) unreserve(stream(), granted)
      answered(stream())
    },
    giveBack(taken, why) {
      stream().inTransit.drop(taken)
      if (why === 'closed') drain(stream(), 'the VM takes no more jobs')
      if (why === 'unknown') stream().settled = false
      if (why === 'full') pause(stream())
      answered(stream())
    },
  }
}

/**
 * The pilot offers more than its VM's record has room for. An honest pilot does so while the end that makes the room is on
 * its way to the store: it is served again when that is written. Else the next try is later, so that offers without room
 * cost the store little.
 */
function pause(stream: Stream): void {
  const { matching, vmId } = stream
  if (stream.paused) return
  stream.paused = true
  const resume = (): void => {
    stream.paused = false
    matching.matcher.serve(stream.pilot)
  }
  if (stream.isAhead) {
    stream.isAhead = false
    stream.written.then(resume)
    return
  }
  matching.log.warn({ vmId }, 'claim refused: the pilot offers more than its VM has room for')
  matching.clock.after(overclaimPauseMs, resume)
}

/** The task queue that the room was kept for has got it: the rest is for everyone. */
function unreserve(stream: Stream, { jobId, queue }: Granted): void {
  const { matching, vmId } = stream
  stream.reserved = undefined
  const event = { kind: 'unreserve', vmId, classId: queue.id, why: `job ${jobId} was claimed there` } as const
  matching.store
    .changeVms([event], matching.clock.nowMs())
    .then(() => matching.bus.hint({ kind: 'vms', ids: [vmId] }))
    // The sweeper finds it, and it ends by itself.
    .catch((error: unknown) => matching.log.warn({ err: error, vmId }, 'reserved room not released'))
  matching.matcher.serve(stream.pilot)
}

/** A claim has been answered, or never will be: when none is under way any more it can be seen what the VM holds. */
function answered(stream: Stream): void {
  if (!stream.settled && stream.inTransit.claims() === 0) settleAgain(stream, settleAgainMs.first)
}

const settleAgainMs = { first: 500, max: 15_000 } as const

/** Until the store answers. Until then nothing is claimed for the VM. */
function settleAgain(stream: Stream, againMs: number): void {
  const { matching, vmId } = stream
  if (!stream.open || stream.settled) return
  settle(stream).catch((error: unknown) => {
    matching.log.warn({ err: error, vmId }, 'what a VM holds is not known')
    matching.clock.after(againMs, () => settleAgain(stream, Math.min(2 * againMs, settleAgainMs.max)))
  })
}

async function receive(stream: Stream, { hello, reports, offer, renew: named }: PilotMessage): Promise<void> {
  const { matching, vmId, outbox } = stream
  const nowMs = matching.clock.nowMs()
  const renew = hello ? [...named, ...hello.held] : named
  const events = [
    ...reports.map((report) => reportEvent(vmId, report)),
    ...renew.map((ref) => renewal(vmId, ref, nowMs + matching.policy.leaseMs)),
  ]
  const written = events.length > 0 ? matching.store.change(events, nowMs) : undefined
  if (written && reports.some((report) => report.phase === 'ended' && stream.sent.has(attemptText(report)))) {
    stream.written = Promise.allSettled([stream.written, written])
    stream.isAhead = true
  }
  if (offer) {
    stream.offer = offer
    stream.inTransit.received(offer.received)
    // Asked in the same turn as the reports are written: both share one commit.
    matching.matcher.serve(stream.pilot)
  }
  const outcomes = (await written) ?? []
  const reported = outcomes.slice(0, reports.length)
  for (const [at, report] of reports.entries()) {
    outbox.ack(ackOf(report, reported[at]))
    if (report.phase === 'ended') stream.sent.delete(attemptText(report))
  }
  if (renew.length > 0) answerRenewals(stream, renew, outcomes.slice(reports.length))
  if (hello) {
    const { version, isolation = '', found = {} } = hello
    matching.log.info({ vmId: stream.pilot.vmId, version, isolation }, 'pilot connected')
    stream.place = foundPlace(placeOf({ ...stream.vm, found }), isolation)
    noteFound(matching, stream.vmId, stream.vm, found)
    for (const held of hello.held) stream.sent.set(attemptText(held), undefined)
    await settle(stream)
  }
  await matching.outcomes.changed(reported)
}

function answerRenewals({ outbox, matching }: Stream, renew: readonly AttemptRef[], outcomes: readonly JobOutcome[]): void {
  outbox.renewed(matching.policy.leaseMs)
  for (const [at, ref] of renew.entries()) {
    const outcome = outcomes[at]
    if (outcome?.ok) sendStop(outbox, outcome.job)
    else outbox.ack({ ...ref, reportId: 0, refusal: 'stale' })
  }
}

/** What the store says that the VM holds, and the pilot does not: it never arrived, and comes again. */
async function settle(stream: Stream): Promise<void> {
  const { matching, vmId, inTransit, outbox, sent } = stream
  const all = await matching.store.leasesOn(vmId)
  const surplus = await withdrawn(stream, all)
  const leases = all.filter((job) => !surplus.has(job))
  const missing = await renewed(stream, leases.filter(isUnsent(stream)))
  // From here on all of them are dealt with, whatever becomes of them; no other claim is under way.
  sent.clear()
  for (const job of leases) sent.set(attemptText({ jobId: job.id, attempt: job.attempt }), runningOf(job))
  const specs = await matching.store.specs(missing.map(({ id }) => id))
  for (const job of missing) {
    const spec = specs.get(job.id)
    if (!spec) continue
    const { cores = 0, gpus } = leaseOf(job.phase) ?? {}
    inTransit.sent(takenWith({ cores, gpus }, spec.requirements))
    const { id: jobId, attempt, vo, owner } = job
    const assignment = { jobId, attempt, spec, cores, gpus, leaseMs: matching.policy.leaseMs, vo, owner }
    outbox.assign(limited(assignment, stream.place.traits?.power))
  }
  stream.settled = true
  matching.matcher.serve(stream.pilot)
  await look(stream)
}

/**
 * Claims whose outcome was unknown may exceed the record of the VM: those that were not sent to the pilot are taken back,
 * the last ones first, before it hears of any.
 */
async function withdrawn(stream: Stream, leases: readonly Job[]): Promise<ReadonlySet<Job>> {
  const { matching, vmId, vm } = stream
  const surplus = new Set<Job>()
  const unsent = leases.filter(isUnsent(stream))
  if (unsent.length === 0) return surplus
  const specs = await matching.store.specs(leases.map(({ id }) => id))
  const taken = (job: Job): Resources => {
    return takenWith(leaseOf(job.phase) ?? noResources, specs.get(job.id)?.requirements ?? noResources)
  }
  let held = total(leases.map(taken))
  for (const job of unsent.toReversed()) {
    if (fits(held, vm)) break
    held = minus(held, taken(job))
    surplus.add(job)
  }
  if (surplus.size === 0) return surplus
  const why = 'the record of its VM has no room for it'
  const events = [...surplus].map(({ id: jobId, attempt }): JobEvent => ({ kind: 'withdraw', jobId, attempt, vmId, why }))
  await matching.outcomes.changed(await matching.store.change(events, matching.clock.nowMs()))
  return surplus
}

/** A pilot counts a lease from when it comes: what comes again must hold as long here, or another pilot gets it. */
async function renewed({ matching, vmId }: Stream, jobs: readonly Job[]): Promise<readonly Job[]> {
  if (jobs.length === 0) return jobs
  const nowMs = matching.clock.nowMs()
  const renewals = jobs.map(({ id, attempt }) => renewal(vmId, { jobId: id, attempt }, nowMs + matching.policy.leaseMs))
  const outcomes = await matching.store.change(renewals, nowMs)
  return jobs.filter((_, at) => outcomes[at]?.ok)
}

/** Reads what was decided about this VM and its jobs elsewhere. */
async function look(stream: Stream): Promise<void> {
  const { matching, vmId, outbox } = stream
  const kept = await matching.store.vm(vmId)
  if (!kept || !isUp(kept.vm.phase)) return stream.end()
  const was = stream.reserved
  stream.reserved = kept.vm.reserved
  if (was && !stream.reserved) matching.matcher.serve(stream.pilot)
  if (kept.vm.phase.state === 'Draining') drain(stream, kept.vm.phase.why)
  const leases = await matching.store.leasesOn(vmId)
  for (const job of leases) sendStop(outbox, job)
  // Claimed for a stream that has ended. What is claimed for this one now is sent when the claim is answered.
  if (stream.settled && stream.inTransit.claims() === 0 && leases.some(isUnsent(stream))) {
    stream.settled = false
    settleAgain(stream, settleAgainMs.first)
  }
}

function isUnsent({ sent }: Stream): (job: Job) => boolean {
  return ({ id: jobId, attempt }) => !sent.has(attemptText({ jobId, attempt }))
}

function drain(stream: Stream, reason: string): void {
  if (stream.draining) return
  stream.draining = true
  stream.outbox.command({ kind: 'drain', reason })
}

/** Sent each time that it is found: a command that was lost comes again, one that was obeyed does no harm. */
function sendStop(outbox: Outbox, { id: jobId, attempt, phase }: Job): void {
  const stop = leaseOf(phase)?.stop
  if (stop) outbox.command({ kind: 'stop', jobId, attempt, reason: `${stop.kind} by ${stop.by}` })
}

function runningOf(job: Job): RunningAttempt | undefined {
  const lease = leaseOf(job.phase)
  const attempt = attemptText({ jobId: job.id, attempt: job.attempt })
  return lease && { attempt, ownerKey: ownerKey(job), cores: lease.cores, claimedMs: lease.claimedMs }
}
