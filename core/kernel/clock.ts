/**
 * Time, as an argument. Only this file reads the machine's clocks and starts timers.
 *
 * `nowMs` is for what people read and for deadlines that outlive a process; it may jump. `monotonicMs` is for durations
 * within a process; it never goes back.
 */

export type Timer = { cancel(): void }

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds since some moment of this process. */
  monotonicMs(): number
  /** Runs once, not before `delayMs` have passed. */
  after(delayMs: number, run: () => void): Timer
  /**
   * Runs once, when everything that this turn of the event loop brought has been looked at: what gathers until then goes
   * together.
   */
  soon(run: () => void): void
}

export function systemClock(): Clock {
  return {
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, run) {
      const handle = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(handle) }
    },
    soon: (run) => {
      setImmediate(run)
    },
  }
}

/** Resolves after `ms`, or at once when the signal is aborted; says which. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<'slept' | 'aborted'> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve('aborted')
    const onAbort = (): void => {
      timer.cancel()
      resolve('aborted')
    }
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve('slept')
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Resolves when everything that this turn of the event loop brought has had its turn. */
export function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve))
}

/** Calls `each` for one slice after the other, in order, with a turn of the event loop in between. */
export async function inTurns<T>(
  clock: Clock,
  all: readonly T[],
  perTurn: number,
  each: (slice: readonly T[], from: number) => void,
): Promise<void> {
  for (let from = 0; from < all.length; from += perTurn) {
    if (from > 0) await nextTurn(clock)
    each(all.slice(from, from + perTurn), from)
  }
}

/** Waits for a level, not for an edge: asks again every `everyMs` until it holds or `withinMs` have passed. */
export async function until(
  clock: Clock,
  holds: () => boolean | Promise<boolean>,
  { withinMs, everyMs = 20 }: { withinMs: number; everyMs?: number },
): Promise<boolean> {
  const endMs = clock.monotonicMs() + withinMs
  while (!(await holds())) {
    if (clock.monotonicMs() >= endMs) return false
    await sleep(clock, everyMs)
  }
  return true
}
