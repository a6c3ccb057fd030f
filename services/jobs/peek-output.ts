/**
 * Peek: what an attempt writes, while it writes it. What has ended is read from the sandbox; of a live attempt its pilot is
 * asked to send what there is and what comes. Both are the same bytes at the same offsets, so that one goes on where the
 * other ends.
 *
 * Woken by hints about the job; without them it reads the job by itself. Keeps an interest alive for as long as its reader
 * reads.
 */

import { type Caller, standingOf } from '../../core/access/caller.ts'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { AttemptRef, JobId, VmId } from '../../core/kernel/ids.ts'
import { liveOutputLimits } from '../../core/kernel/limits.ts'
import { isEnded, type Job, leaseOf } from '../../core/model/job.ts'
import type { OutputName } from '../../core/model/live-output.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { jobById } from './list-jobs.ts'
import { noAttempt } from './read-output.ts'

export type PeekPorts = {
  readonly store: Pick<JobStore, 'jobs'>
  readonly sandbox: Pick<Sandbox, 'read'>
  readonly live: Pick<LiveOutput, 'want' | 'read'>
  readonly bus: Bus
  readonly clock: Clock
}

export type PeekRequest = {
  readonly jobId: JobId
  /** undefined: the last one. */
  readonly attempt: number | undefined
  readonly name: OutputName
  readonly offset: number
  /**
   * To the end of the job, with the attempts that follow, and from a start that is yet to come; false: what there is now of
   * this attempt.
   */
  readonly follow: boolean
}

/** `data` at `offset` of the attempt; empty: the attempt has begun. */
export type PeekPiece = { readonly attempt: number; readonly offset: number; readonly data: Uint8Array }

/** A call under way. `at`: how much of `attempt` is given; 0: none has begun. */
type Reading = {
  readonly ports: PeekPorts
  readonly request: PeekRequest
  readonly gone: AbortSignal
  attempt: number
  at: number
  wantedMs: number
  /** What is left of it in the sandbox is given. */
  isKept: boolean
  readonly sinceMs: number
}

/**
 * Ends when `gone` is aborted. Throws `not-found` for an attempt that there never was, and, without `follow`, for a job that
 * has not started; `forbidden` for the job of another member of the VO; `unavailable` where the pilot does not answer a
 * caller who does not follow.
 */
export async function* peekOutput(
  ports: PeekPorts,
  caller: Caller,
  request: PeekRequest,
  gone: AbortSignal,
): AsyncGenerator<PeekPiece, void, undefined> {
  const { jobId } = request
  const wake = wakeOf(ports.bus, jobId)
  const { clock } = ports
  const sinceMs = clock.monotonicMs()
  const reading: Reading = { ports, request, gone, attempt: 0, at: 0, wantedMs: -Infinity, isKept: false, sinceMs }
  try {
    let job = await jobById(ports, caller, jobId, 'its output')
    checkAttempt(job, request)
    let readMs = clock.monotonicMs()
    while (!gone.aborted) {
      const next = yield* step(reading, job)
      if (next === 'over') return
      if (next === 'wait') await wake.sleep(clock, waitMs(job, reading), gone)
      if (!wake.isDue() && clock.monotonicMs() - readMs < liveOutputLimits.jobEveryMs) continue
      job = await again(ports, caller, job)
      readMs = clock.monotonicMs()
    }
  } finally {
    wake.end()
  }
}

type Next = 'more' | 'wait' | 'over'

/** What there is of the job as it was read last. `more`: the next piece may be there already. */
async function* step(reading: Reading, job: Job): AsyncGenerator<PeekPiece, Next, undefined> {
  const { request } = reading
  const isOver = isEnded(job.phase) || !request.follow
  if (reading.attempt === 0) {
    const attempt = request.attempt ?? job.attempt
    if (attempt === 0 || attempt > job.attempt) return isOver ? 'over' : 'wait'
    yield begun(reading, attempt, request.offset)
  }
  const lease = reading.attempt === job.attempt ? leaseOf(job.phase) : undefined
  if (lease) return yield* live(reading, lease.vmId)
  if (!reading.isKept) yield* kept(reading)
  reading.isKept = true
  if (reading.attempt === job.attempt || !request.follow) return isOver ? 'over' : 'wait'
  yield begun(reading, reading.attempt + 1, 0)
  return 'more'
}

function begun(reading: Reading, attempt: number, offset: number): PeekPiece {
  reading.attempt = attempt
  reading.at = offset
  reading.wantedMs = -Infinity
  reading.isKept = false
  return { attempt, offset, data: new Uint8Array() }
}

async function* live(reading: Reading, vmId: VmId): AsyncGenerator<PeekPiece, Next, undefined> {
  const { ports, request } = reading
  const { clock } = ports
  const ref = refOf(reading)
  if (clock.monotonicMs() - reading.wantedMs >= liveOutputLimits.renewMs) {
    const untilMs = clock.nowMs() + liveOutputLimits.interestMs
    await ports.live.want({ ...ref, name: request.name, vmId, untilMs }, clock.nowMs())
    reading.wantedMs = clock.monotonicMs()
    ports.bus.hint({ kind: 'outputs', ids: [vmId] })
  }
  const { data, isCaughtUp } = await ports.live.read({ ...ref, name: request.name }, reading.at)
  if (data.length > 0) {
    yield { attempt: reading.attempt, offset: reading.at, data }
    reading.at += data.length
    return 'more'
  }
  if (request.follow) return 'wait'
  if (isCaughtUp) return 'over'
  if (clock.monotonicMs() - reading.sinceMs < liveOutputLimits.answerMs) return 'wait'
  throw new PilotageError('unavailable', `the pilot of job ${request.jobId} does not send its output now`)
}

/** From the sandbox; nothing where the attempt left nothing. */
async function* kept(reading: Reading): AsyncGenerator<PeekPiece, void, undefined> {
  const pieces = await reading.ports.sandbox.read(refOf(reading), reading.request.name)
  if (!pieces) return
  let seen = 0
  for await (const piece of pieces) {
    const data = piece.subarray(Math.max(0, reading.at - seen))
    seen += piece.length
    if (data.length === 0) continue
    yield { attempt: reading.attempt, offset: reading.at, data }
    reading.at += data.length
    if (reading.gone.aborted) return
  }
}

function refOf({ request: { jobId }, attempt }: Reading): AttemptRef {
  return { jobId, attempt }
}

function waitMs({ phase }: Job, { attempt }: Reading): number {
  return attempt > 0 && leaseOf(phase) ? liveOutputLimits.readEveryMs : liveOutputLimits.jobEveryMs
}

function checkAttempt(job: Job, { attempt, follow }: PeekRequest): void {
  if (attempt !== undefined && attempt > job.attempt) throw new PilotageError('not-found', noAttempt(job, attempt))
  const hasNothing = job.attempt === 0 && (!follow || isEnded(job.phase))
  if (hasNothing) throw new PilotageError('not-found', noAttempt(job, attempt))
}

/** The job as it is now. One that was forgotten in the meantime has said all that it will say. */
async function again({ store }: PeekPorts, caller: Caller, job: Job): Promise<Job> {
  const [now] = await store.jobs([job.id])
  if (!now || standingOf(caller, now) !== 'reached') throw new PilotageError('not-found', `no job ${job.id}`)
  return now
}

type Wake = {
  /** Something was said of the job since the last time that this was asked. */
  isDue(): boolean
  sleep(clock: Clock, ms: number, gone: AbortSignal): Promise<void>
  end(): void
}

function wakeOf(bus: Bus, jobId: JobId): Wake {
  let isHinted = false
  let hinted = new AbortController()
  const deafen = bus.listen('jobs', (ids) => {
    if (!ids.includes(jobId)) return
    isHinted = true
    hinted.abort()
  })
  return {
    isDue() {
      const due = isHinted
      isHinted = false
      return due
    },
    async sleep(clock, ms, gone) {
      if (isHinted) return
      hinted = new AbortController()
      await sleep(clock, ms, AbortSignal.any([hinted.signal, gone]))
    },
    end: deafen,
  }
}
