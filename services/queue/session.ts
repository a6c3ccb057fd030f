/**
 * A pilot's stream, without the wire: what it reports is written, what it offers is filled, and what it must know is told.
 *
 * Everything of a turn goes to the store together and comes back in one message. An answer leaves only after the commit that
 * it speaks of. A session holds no truth: when it ends, leases go on until they end, and the next session of the VM is told
 * again whatever the pilot does not say that it holds.
 */

import type { AttemptRef, VmId } from '../../core/ids.ts'
import { type Job, type JobEvent, leaseOf } from '../../core/job.ts'
import type { Ack, Assignment, Command, Offer, PilotMessage, Report, ServiceMessage } from '../../core/pilot.ts'
import { PilotageError } from '../../core/errors.ts'
import { isUp, placeOf } from '../../core/vm.ts'
import type { JobOutcome } from '../../core/ports/store.ts'
import { afterChange } from './after-change.ts'
import { type Granted, remaining, type Seat, type Taken } from './matcher.ts'
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

/** Throws `forbidden` for a VM that is not up. */
export async function openSession(queue: Queue, vmId: VmId, { send, end }: Wire): Promise<Session> {
  const kept = await queue.store.vm(vmId)
  if (!kept || !isUp(kept.vm.phase)) {
    throw new PilotageError('forbidden', `VM ${vmId} is ${kept ? kept.vm.phase.state : 'unknown'}: it takes no jobs`)
  }
  const { policy, clock, store } = queue
  const outbox = messageBox(queue, send)
  const ways = onTheWay()
  let offer: Offer | undefined
  let draining = kept.vm.phase.state === 'Draining'
  let open = true
  /** Until it is known what the VM holds nothing is claimed: an offer knows nothing of leases that never arrived. */
  let settled = false

  const seat: Seat = {
    vmId,
    place: placeOf(kept.vm),
    room: () => remaining(offer ?? { cores: 0, memoryBytes: 0, diskBytes: 0, remainingMs: 0 }, ways.all()),
    wants: () => (open && settled && !draining && offer ? offer.maxJobs - ways.count() : 0),
    reserve: (taken) => ways.reserve(taken),
    grant(granted, taken) {
      ways.sent(taken)
      outbox.assign(granted)
    },
    giveBack(taken, closed) {
      ways.drop(taken)
      if (closed) drain('the VM takes no more jobs')
    },
  }

  function drain(reason: string): void {
    if (draining) return
    draining = true
    outbox.command({ kind: 'drain', reason })
  }

  /** What the pilot says that it holds against what the store says: strangers are stopped, what never arrived comes again. */
  async function settle(held: readonly AttemptRef[]): Promise<void> {
    const leases = await store.leasesOn(vmId)
    const owned = new Map(leases.map((job) => [job.id, job.attempt]))
    for (const { jobId, attempt } of held) {
      if (owned.get(jobId) !== attempt) outbox.ack(strange({ jobId, attempt }))
    }
    const has = new Set(held.map(({ jobId, attempt }) => `${jobId}.${attempt}`))
    const missing = await renewed(
      queue,
      vmId,
      leases.filter((job) => !has.has(`${job.id}.${job.attempt}`)),
    )
    const specs = await store.specs(missing.map(({ id }) => id))
    for (const job of missing) {
      const spec = specs.get(job.id)
      const cores = leaseOf(job.phase)?.cores ?? 0
      if (!spec) continue
      const { memoryBytes, diskBytes } = spec.requirements
      const taken = { cores, memoryBytes, diskBytes }
      ways.reserve(taken)
      ways.sent(taken)
      const { vo, group, owner, classId, id, attempt } = job
      outbox.assign({
        jobId: id,
        attempt,
        cores,
        spec,
        queue: { vo, group, owner, id: classId, requirements: spec.requirements },
      })
    }
    settled = true
    queue.matcher.serve(seat)
    await look()
  }

  /** Reads what was decided about this VM and its jobs elsewhere. */
  async function look(): Promise<void> {
    const now = await store.vm(vmId)
    if (!now || !isUp(now.vm.phase)) {
      close()
      return end()
    }
    if (now.vm.phase.state === 'Draining') drain(now.vm.phase.why)
    for (const job of await store.leasesOn(vmId)) {
      const stop = leaseOf(job.phase)?.stop
      if (stop) outbox.command({ kind: 'stop', jobId: job.id, attempt: job.attempt, reason: `${stop.kind} by ${stop.by}` })
    }
  }

  const entry = {
    look() {
      look().catch((error: unknown) => queue.log.warn({ err: error, vmId }, 'look after a hint'))
    },
    replaced() {
      close()
      end()
    },
  }

  function close(): void {
    open = false
    queue.sessions.leave(vmId, entry)
    queue.matcher.leave(seat)
    outbox.close()
  }

  async function receive(message: PilotMessage): Promise<void> {
    const nowMs = clock.nowMs()
    const renew = message.hello ? [...message.renew, ...message.hello.held] : message.renew
    const events = [
      ...message.reports.map((report) => reportEvent(vmId, report)),
      ...renew.map((ref) => renewal(vmId, ref, nowMs + policy.leaseMs)),
    ]
    const written = events.length > 0 ? store.change(events, nowMs) : undefined
    if (message.offer) {
      offer = message.offer
      ways.received(offer.received)
      // Asked in the same turn as the reports are written: both share one commit.
      queue.matcher.serve(seat)
    }
    const outcomes = (await written) ?? []
    const reported = outcomes.slice(0, message.reports.length)
    for (const [at, report] of message.reports.entries()) outbox.ack(ackOf(report, reported[at]))
    if (renew.length > 0) answerRenewals(renew, outcomes.slice(message.reports.length))
    if (message.hello) await settle(message.hello.held)
    await afterChange(queue, reported)
  }

  function answerRenewals(renew: readonly AttemptRef[], outcomes: readonly JobOutcome[]): void {
    outbox.renewed(policy.leaseMs)
    for (const [at, ref] of renew.entries()) {
      const outcome = outcomes[at]
      const stop = outcome?.ok ? leaseOf(outcome.job.phase)?.stop : undefined
      if (!outcome?.ok) outbox.ack(strange(ref))
      else if (stop) outbox.command({ kind: 'stop', ...ref, reason: `${stop.kind} by ${stop.by}` })
    }
  }

  outbox.welcome({ leaseMs: policy.leaseMs, renewEveryMs: policy.renewEveryMs, serviceTimeMs: clock.nowMs() })
  queue.sessions.enter(vmId, entry)
  queue.matcher.sit(seat)
  return { receive, close }
}

function reportEvent(vmId: VmId, report: Report): JobEvent {
  const { jobId, attempt, startedMs } = report
  if (report.phase === 'ended') return { kind: 'ended', jobId, attempt, vmId, result: report.result }
  return { kind: report.phase, jobId, attempt, vmId, startedMs }
}

/** A pilot counts a lease from when it comes: what comes again must hold as long here, or another pilot gets it meanwhile. */
async function renewed({ store, clock, policy }: Queue, vmId: VmId, jobs: readonly Job[]): Promise<readonly Job[]> {
  if (jobs.length === 0) return jobs
  const nowMs = clock.nowMs()
  const renewals = jobs.map(({ id, attempt }) => renewal(vmId, { jobId: id, attempt }, nowMs + policy.leaseMs))
  const outcomes = await store.change(renewals, nowMs)
  return jobs.filter((_, at) => outcomes[at]?.ok)
}

function renewal(vmId: VmId, { jobId, attempt }: AttemptRef, untilMs: number): JobEvent {
  return { kind: 'renew', jobId, attempt, vmId, untilMs }
}

function ackOf({ jobId, attempt, reportId }: Report, outcome: JobOutcome | undefined): Ack {
  return { jobId, attempt, reportId, refusal: outcome?.ok ? '' : 'stale' }
}

/** Said of an attempt that was named without a report: it is not this VM's (any more). */
function strange({ jobId, attempt }: AttemptRef): Ack {
  return { jobId, attempt, reportId: 0, refusal: 'stale' }
}

/** Room that is spoken for and that the pilot's offer does not know of: picked, or sent and not yet counted as received. */
function onTheWay() {
  const reserved = new Set<Taken>()
  const under: { readonly index: number; readonly taken: Taken }[] = []
  let sentCount = 0
  return {
    all: (): Taken[] => [...reserved, ...under.map(({ taken }) => taken)],
    count: (): number => reserved.size + under.length,
    reserve: (taken: Taken): void => {
      reserved.add(taken)
    },
    drop: (taken: Taken): void => {
      reserved.delete(taken)
    },
    sent(taken: Taken): void {
      reserved.delete(taken)
      sentCount += 1
      under.push({ index: sentCount, taken })
    },
    received(count: number): void {
      while (under[0] && under[0].index <= count) under.shift()
    },
  }
}

/** Gathers what there is to say in one turn and says it in one message. */
function messageBox({ clock, policy }: Queue, send: (message: ServiceMessage) => void) {
  let welcome: ServiceMessage['welcome']
  let acks: Ack[] = []
  let assignments: Assignment[] = []
  let commands: Command[] = []
  let renewedMs: number | undefined
  let due = false
  let closed = false

  function flush(): void {
    due = false
    if (closed) return
    const message: ServiceMessage = { welcome, acks, assignments, commands, renewedMs }
    welcome = undefined
    acks = []
    assignments = []
    commands = []
    renewedMs = undefined
    send(message)
  }

  function later(): void {
    if (due) return
    due = true
    clock.soon(flush)
  }

  return {
    welcome(said: NonNullable<ServiceMessage['welcome']>): void {
      welcome = said
      later()
    },
    ack(ack: Ack): void {
      acks.push(ack)
      later()
    },
    assign({ jobId, attempt, queue, cores, spec }: Granted): void {
      assignments.push({ jobId, attempt, spec, cores, leaseMs: policy.leaseMs, vo: queue.vo, owner: queue.owner })
      later()
    },
    command(command: Command): void {
      commands.push(command)
      later()
    },
    renewed(ms: number): void {
      renewedMs = ms
      later()
    },
    close(): void {
      closed = true
    },
  }
}
