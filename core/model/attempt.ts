/**
 * An attempt: one try at a job on one VM. Says how a payload can end and what that means for its job.
 *
 * An end that the payload is answerable for (it exited, it broke a limit it asked for) is final. After any other end the job
 * is tried again, until the count that the end belongs to has reached its maximum:
 *
 *   exited, signalled, wall-limit, memory-limit, disk-limit   final
 *   stopped without a request            machine loss: the VM stops or is preempted, or the lease ended without contact
 *   the lease or the VM was lost         machine loss: the sweeper or the director says so, and no pilot
 *   abandoned                            attempt: the VM lives on, and the payload may have ended the pilot
 *   not-started                          free up to `freeAttempts`, then attempt: what no machine can start has an end
 *   withdrawn, or stopped to reschedule  free: the payload never began, or its user asked for it
 *
 * attempt: up to the job's `maxAttempts`. machine loss: up to its `maxMachineLosses`, so that a job which ends every VM that
 * it runs on has an end, too. free: in no count.
 */

import { never } from '../kernel/assert.ts'

export const ends = [
  'exited',
  'signalled',
  'wall-limit',
  'memory-limit',
  'disk-limit',
  'stopped',
  'not-started',
  'abandoned',
] as const

/**
 * exited       by itself, with an exit code
 * signalled    by a signal that neither it nor we had planned
 * wall-limit, memory-limit, disk-limit   stopped by the pilot for taking more than it asked for
 * stopped      by the pilot, by a command (a kill, a reschedule) or as its lease ended
 * not-started  the pilot could not start it, which costs its job no try. No such executable is an exit of 127, as in a shell
 * abandoned    the pilot was restarted and found it gone
 */
export type End = (typeof ends)[number]

/**
 * As the pilot saw it; its times by the service's clock once it is stored (0: it never started). Byte counts of what is kept
 * in the sandbox; `droppedBytes` were written beyond the cap.
 */
export type Result = {
  readonly end: End
  readonly exitCode: number
  readonly signal: string
  readonly detail: string
  readonly peakMemoryBytes: number
  readonly cpuMs: number
  readonly wallMs: number
  readonly startedMs: number
  readonly endedMs: number
  readonly stdoutBytes: number
  readonly stderrBytes: number
  readonly droppedBytes: number
}

/**
 * A time that the VM's clock said, by the service's: no earlier than the claim, and no later than its report. Where the two
 * clocks agree it stays as it is.
 */
export function byServiceClock(saidMs: number, claimedMs: number, nowMs: number): number {
  return Math.max(claimedMs, Math.min(saidMs, nowMs))
}

/**
 * `startedMs`: by the service's clock, where that is known already. The wall time is the pilot's, which counts it by one
 * clock.
 */
export function resultByServiceClock(
  result: Result,
  { claimedMs, startedMs }: { readonly claimedMs: number; readonly startedMs?: number },
  nowMs: number,
): Result {
  if (result.startedMs === 0) return result
  const began = startedMs ?? byServiceClock(result.startedMs, claimedMs, nowMs - result.wallMs)
  return { ...result, startedMs: began, endedMs: Math.max(began, Math.min(nowMs, began + result.wallMs)) }
}

/** The count that an end without a verdict on the job belongs to. */
export type Counted = 'attempt' | 'machine-loss' | 'free'

export type Verdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'lost'; readonly why: string; readonly counted: Exclude<Counted, 'machine-loss'> }

export function verdict(result: Result): Verdict {
  switch (result.end) {
    case 'exited':
      return result.exitCode === 0 ? { kind: 'done' } : { kind: 'failed', why: `exit code ${result.exitCode}` }
    case 'signalled':
      return { kind: 'failed', why: `signal ${result.signal}` }
    case 'wall-limit':
    case 'memory-limit':
    case 'disk-limit':
      return { kind: 'failed', why: withDetail(result) }
    case 'stopped':
      return { kind: 'stopped' }
    case 'not-started':
      return { kind: 'lost', why: withDetail(result), counted: 'free' }
    case 'abandoned':
      return { kind: 'lost', why: withDetail(result), counted: 'attempt' }
    default:
      return never(result.end)
  }
}

function withDetail({ end, detail }: Result): string {
  return detail === '' ? end : `${end}: ${detail}`
}

/** How often a job was tried and lost, and how often it may be. */
type Tries = {
  readonly attempt: number
  readonly maxAttempts: number
  readonly machineLosses: number
  readonly maxMachineLosses: number
}

/** Of which count this end was the last; undefined: the job may be tried again. */
export function lastOf(
  { attempt, maxAttempts, machineLosses, maxMachineLosses }: Tries,
  counted: Counted,
): string | undefined {
  switch (counted) {
    case 'free':
      return undefined
    case 'attempt':
      return attempt < maxAttempts ? undefined : `after ${attempt} of ${maxAttempts} attempts`
    case 'machine-loss': {
      const losses = `after ${machineLosses} of ${maxMachineLosses} machine losses`
      return machineLosses < maxMachineLosses ? undefined : losses
    }
    default:
      return never(counted)
  }
}
