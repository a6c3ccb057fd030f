/**
 * A process of the simulated world: it can be stalled (SIGSTOP, a hung machine) and killed, at any moment between two
 * events.
 *
 * Everything that happens inside a process happens through its clock or its `deliver`. What stays true: a dead process does
 * nothing any more, and a stalled one does everything later, in the order in which it would have been done.
 */

import type { Clock, Timer } from '../core/kernel/clock.ts'
import { epochMs, type Timeline } from './timeline.ts'

export type SimProcess = {
  readonly clock: Clock
  isAlive(): boolean
  isStalled(): boolean
  /** When it last woke from a stall; -Infinity: it never stalled. */
  wokeMs(): number
  /** Runs inside it, so much later at the earliest. */
  deliver(delayMs: number, run: () => void): Timer
  stall(ms: number): void
  kill(): void
}

export type ProcessOptions = {
  readonly timeline: Timeline
  /** Its wall clock less the true one, at any moment. */
  readonly skewMs?: () => number
  /** Whether what it runs on is there. */
  readonly isGrounded?: () => boolean
}

export function simProcess({ timeline, skewMs = () => 0, isGrounded = () => true }: ProcessOptions): SimProcess {
  let killed = false
  let stalledUntilMs = -Infinity

  const isAlive = (): boolean => !killed && isGrounded()
  const isStalled = (): boolean => timeline.nowMs() < stalledUntilMs

  function deliver(delayMs: number, run: () => void): Timer {
    let cancelled = false
    const arrive = (): void => {
      if (cancelled || !isAlive()) return
      if (isStalled()) timeline.after(stalledUntilMs - timeline.nowMs(), arrive)
      else run()
    }
    const timer = timeline.after(delayMs, arrive)
    return {
      cancel() {
        cancelled = true
        timer.cancel()
      },
    }
  }

  const clock: Clock = {
    nowMs: () => epochMs + timeline.nowMs() + skewMs(),
    monotonicMs: () => timeline.nowMs(),
    after: deliver,
    soon: (run) => {
      deliver(0, run)
    },
  }
  return {
    clock,
    isAlive,
    isStalled,
    wokeMs: () => (isStalled() ? timeline.nowMs() : stalledUntilMs),
    deliver,
    stall(ms) {
      stalledUntilMs = Math.max(stalledUntilMs, timeline.nowMs() + ms)
    },
    kill() {
      killed = true
    },
  }
}
