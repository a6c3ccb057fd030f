/**
 * One life of a pilot: the real state machine, the real journal's lines and the real words of the wire, on simulated
 * payloads, disk and network. Mirrors what agents/pilot/agent.ts does around that machine and decides nothing that it
 * decides.
 *
 * Of the disk it holds that a line, once appended, outlives the process; that an end is sent only after a sync is the
 * machine's own doing and is simulated.
 */

import { never } from '../core/kernel/assert.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { attemptText } from '../core/model/facts.ts'
import { asFound } from '../core/model/traits.ts'
import type { AttemptRef } from '../core/kernel/ids.ts'
import { jobsPerOffer, leaseMarginMs, leaseMs } from '../core/kernel/limits.ts'
import { type Backoff, backoff } from '../core/kernel/backoff.ts'
import { type ServiceClock, serviceClock } from '../agents/kit/service-clock.ts'
import { isLive, type Task } from '../agents/pilot/held.ts'
import { type JournalLine, replay } from '../agents/pilot/journal.ts'
import { recover } from '../agents/pilot/leftovers.ts'
import type { PilotEffect, PilotState } from '../agents/pilot/state.ts'
import { type PilotEvent, startPilot, statusOf, type Step, step, withoutPayload } from '../agents/pilot/pilot.ts'
import { eventsOf, messageOf } from '../agents/pilot/wire.ts'
import { pilotMessageToWire, serviceMessageOf } from '../proto/codec/pilot.ts'
import { outputKeeper } from '../services/jobs/keep-output.ts'
import type { JobPorts } from '../services/jobs/ports.ts'
import type { Host, Pilot } from './host-state.ts'
import type { SimProcess } from './process.ts'
import type { Stream } from './streams.ts'

/** What agents/pilot/agent.ts keeps in its fields. */
type Shell = {
  readonly host: Host
  readonly process: SimProcess
  readonly life: number
  readonly delays: Backoff
  readonly waiting: PilotEvent[]
  readonly serviceTime: ServiceClock
  state: PilotState
  stream: Stream | undefined
  isWorking: boolean
  isFlushing: boolean
  recordedId: number
  durableId: number
}

/** Coarser than the real 250 ms: the margins are tens of seconds. */
const tickMs = 1000
const welcomeMs = 10_000
/** A full disk takes some of the short lines of the journal; a pilot that cannot write it ends, and is started again. */
const fatalRate = 0.3
const restartMs = 5000

export function startPilotProcess(host: Host): Pilot {
  const { ground, disk, payloads } = host
  const process = host.newProcess()
  // What a former life has left is ended before anything new starts.
  payloads.endAll()
  const { life, first } = wake(host, process.clock.monotonicMs())
  disk.journal.push(JSON.stringify({ kind: 'life', life } satisfies JournalLine))
  const shell: Shell = {
    ...{ host, process, life },
    delays: backoff(ground.dice.random, 200, 5000),
    waiting: [],
    serviceTime: serviceClock(process.clock),
    state: first.state,
    stream: undefined,
    isWorking: false,
    isFlushing: false,
    recordedId: 0,
    durableId: 0,
  }
  for (const effect of first.effects) act(shell, effect)
  process.deliver(ground.dice.between(50, 500), () => connect(shell))
  tick(shell)
  return {
    process,
    kill() {
      process.kill()
      shell.stream?.abandon()
    },
  }
}

function wake({ disk, size }: Host, nowMs: number): { readonly life: number; readonly first: Step } {
  const replayed = replay(disk.journal.join('\n'))
  const life = replayed.life + 1
  const start = { size, leaseMarginMs, maxJobs: jobsPerOffer, ...recover({ ...replayed, life }) }
  return { life, first: startPilot(start, nowMs) }
}

function take(shell: Shell, ...events: readonly PilotEvent[]): void {
  const { waiting, process } = shell
  waiting.push(...events)
  if (shell.isWorking) return
  shell.isWorking = true
  for (let event = waiting.shift(); event; event = waiting.shift()) {
    const next = step(shell.state, event, process.clock.monotonicMs())
    shell.state = next.state
    for (const effect of next.effects) act(shell, effect)
    if (event.kind !== 'flush') flushSoon(shell)
  }
  shell.isWorking = false
}

function act(shell: Shell, effect: PilotEffect): void {
  const { host, process, stream } = shell
  const { config, ground, payloads, vmId } = host
  switch (effect.kind) {
    case 'take':
      append(shell, { ...refOf(effect), kind: 'taken', size: effect.size })
      break
    case 'start':
      startPayload(shell, effect.task)
      break
    case 'stop':
      ground.trace.note({ jobId: effect.jobId, vmId }, `the pilot stops ${attemptText(effect)}: ${effect.why}`)
      payloads.stop(effect, effect.why, effect.graceMs)
      break
    case 'record':
      shell.recordedId = Math.max(shell.recordedId, effect.reportId)
      append(shell, { ...refOf(effect), kind: 'ended', reportId: effect.reportId, result: effect.result })
      break
    case 'keep':
      keep(shell, refOf(effect), backoff(ground.dice.random, 100, 2000))
      break
    case 'forget':
      append(shell, { ...refOf(effect), kind: 'forgotten' })
      payloads.remove(effect)
      break
    case 'send': {
      const nowMs = shell.serviceTime.nowMs() ?? process.clock.nowMs()
      const remainingMs = Math.max(1, Math.round(config.policy.endByMs - nowMs))
      const said = { isolation: 'plain', found: asFound(config.traits ?? {}) } as const
      stream?.send(pilotMessageToWire(messageOf(effect.message, said, remainingMs)))
      break
    }
    default:
      never(effect)
  }
}

function append({ host }: Shell, line: JournalLine): void {
  host.disk.journal.push(JSON.stringify(line))
}

function startPayload(shell: Shell, task: Task): void {
  const { host, process } = shell
  const ref = refOf(task)
  const hasSlept = process.wokeMs() > host.ground.timeline.nowMs() - leaseMs
  // Its mark is of no use here: what is left is found by the machine itself.
  auditFitness(host, ref)
  const isStarted = host.payloads.start(task, !hasSlept, (result) => {
    process.deliver(0, () => take(shell, { ...ref, kind: 'ended', result }))
  })
  if (!isStarted) {
    take(shell, { ...ref, kind: 'ended', result: withoutPayload('not-started', 'no account was free for it') })
    return
  }
  take(shell, { ...ref, kind: 'started', startedMs: Math.round(process.clock.nowMs()) })
}

function keep(shell: Shell, ref: AttemptRef, retries: Backoff): void {
  const { host, process } = shell
  host.switchboard.call(
    process,
    host.link,
    (queue) => putOutput(queue, host, ref),
    (answer) => {
      const isFinal = !answer.ok && answer.error instanceof PilotageError && answer.error.code === 'forbidden'
      if (answer.ok || isFinal) take(shell, { ...ref, kind: 'kept' })
      else process.deliver(retries.next(), () => keep(shell, ref, retries))
    },
  )
}

function flushSoon(shell: Shell): void {
  if (shell.isFlushing) return
  shell.isFlushing = true
  const upTo = shell.recordedId
  shell.process.deliver(shell.host.ground.dice.about(2), () => {
    shell.isFlushing = false
    const { disk, ground } = shell.host
    if (disk.fullSinceMs !== undefined && ground.dice.chance(fatalRate)) {
      shell.host.killPilot(restartMs)
      return
    }
    shell.durableId = Math.max(shell.durableId, upTo)
    take(shell, { kind: 'flush', durableReportId: shell.durableId })
    if (shell.recordedId > shell.durableId) flushSoon(shell)
  })
}

function connect(shell: Shell): void {
  const { host, process, delays } = shell
  if (host.disk.credential === '') {
    process.deliver(200, () => connect(shell))
    return
  }
  let isWelcomed = false
  const opened = host.switchboard.openStream(host.vmId, process, host.link, {
    onMessage(message) {
      if (!isWelcomed) delays.reset()
      isWelcomed = true
      const said = serviceMessageOf(message)
      if (said.welcome) shell.serviceTime.hear(said.welcome.serviceTimeMs, process.clock.monotonicMs())
      take(shell, ...eventsOf(said))
    },
    onEnd() {
      patience.cancel()
      shell.stream = undefined
      take(shell, { kind: 'unlinked' })
      process.deliver(delays.next(), () => connect(shell))
    },
  })
  shell.stream = opened
  const patience = process.deliver(welcomeMs, () => {
    if (!isWelcomed) opened.close()
  })
  take(shell, { kind: 'linked' })
}

function tick(shell: Shell): void {
  const { host, process } = shell
  take(shell, { kind: 'tick' })
  writeStatus(shell)
  auditAccounts(host, shell.state)
  auditLeases(host, shell.state, process.clock.monotonicMs(), process.wokeMs())
  process.deliver(tickMs, () => tick(shell))
}

function writeStatus({ host, process, state, life }: Shell): void {
  const nowMs = process.clock.nowMs()
  const { idleSinceMs, ...status } = statusOf(state)
  const idleMs = Math.round(process.clock.monotonicMs() - idleSinceMs)
  const unhealthy = host.payloads.retiredSinceMs() === undefined ? status.unhealthy : 'accounts-retired'
  host.disk.pilotStatus = { pid: life, atMs: nowMs, ...status, unhealthy, idleMs, size: host.size }
}

/** A monitor says it within a heartbeat; a director may be without its cloud's list for a while, or dead. */
const unfitMs = 15 * 60_000

function auditFitness({ ground, disk, payloads, vmId }: Host, { jobId }: AttemptRef): void {
  const sinceMs = Math.min(disk.fullSinceMs ?? Infinity, payloads.retiredSinceMs() ?? Infinity)
  const passedMs = ground.timeline.nowMs() - sinceMs
  const what = (): string => `it is given a job ${Math.round(passedMs / 1000)} s after it became of no use`
  ground.violations.check(passedMs <= unfitMs, 'unfit', { jobId, vmId }, what)
}

function auditAccounts({ ground, payloads, vmId }: Host, { held }: PilotState): void {
  for (const key of payloads.taken()) {
    const jobId = Number.parseInt(key, 10)
    ground.violations.check(held.has(key), 'held', { jobId, vmId }, () => `${key} has an account, and the pilot forgot it`)
  }
}

/** A pilot that is awake has stopped every payload by the end of its lease, as it sees it. */
function auditLeases({ ground, vmId }: Host, state: PilotState, nowMs: number, wokeMs: number): void {
  if (nowMs - wokeMs < leaseMarginMs) return
  for (const held of state.held.values()) {
    if (!isLive(held)) continue
    const endMs = held.leaseFromMs + held.leaseMs
    const { jobId } = held
    const what = (): string => `${attemptText(held)} runs ${(nowMs - endMs) / 1000} s beyond its lease`
    ground.violations.check(nowMs <= endMs, 'leaseInView', { jobId, vmId }, what)
  }
}

/** The real use case: only who has the lease of the attempt may bring its output. Payloads of a run print nothing. */
async function putOutput(queue: JobPorts, { vmId }: Host, attempt: AttemptRef): Promise<void> {
  await outputKeeper(queue).keep(vmId, { attempt, name: 'stdout', pieces: nothing() })
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function refOf({ jobId, attempt }: AttemptRef): AttemptRef {
  return { jobId, attempt }
}
