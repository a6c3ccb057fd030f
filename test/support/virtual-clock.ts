/**
 * A clock that stands still until a test moves it. Timers run in the order of their times, and between two of them
 * everything that is ready runs, so that a run of many machines repeats exactly.
 */

import { type Clock, systemClock } from '../../core/kernel/clock.ts'

export type VirtualClock = Clock & {
  /** Moves on by so much and runs what becomes due, timers set during it included. */
  advance(ms: number): Promise<void>
  /** Lets everything run that waits for no timer. */
  settle(): Promise<void>
  /** The wall clock goes back by so much; the monotonic one and the timers do not. */
  putBack(ms: number): void
  /** When the next timer is due; Infinity where there is none. */
  nextMs(): number
}

type Waiting = { readonly atMs: number; readonly order: number; readonly run: () => void }

export function virtualClock(startMs = 1_700_000_000_000): VirtualClock {
  // Turns of the event loop are real: only time is not.
  const { soon } = systemClock()
  let nowMs = startMs
  let order = 0
  let backMs = 0
  const timers = new Set<Waiting>()

  const next = (): Waiting | undefined => {
    let first: Waiting | undefined
    for (const timer of timers) {
      if (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) first = timer
    }
    return first
  }

  const settle = (): Promise<void> => new Promise((resolve) => soon(resolve))

  return {
    nowMs: () => nowMs - backMs,
    monotonicMs: () => nowMs - startMs,
    after(delayMs, run) {
      const timer: Waiting = { atMs: nowMs + Math.max(0, delayMs), order, run }
      order += 1
      timers.add(timer)
      return {
        cancel() {
          timers.delete(timer)
        },
      }
    },
    soon,
    async advance(ms) {
      const endMs = nowMs + ms
      await settle()
      for (let timer = next(); timer && timer.atMs <= endMs; timer = next()) {
        timers.delete(timer)
        nowMs = timer.atMs
        timer.run()
        await settle()
      }
      nowMs = endMs
      await settle()
    },
    settle,
    putBack(ms) {
      backMs += ms
    },
    nextMs: () => next()?.atMs ?? Infinity,
  }
}
