/**
 * A loop around a step. The step takes no input, is idempotent, and is what tests call; the loop only decides when.
 *
 * One step at a time. A wake while a step runs means one more step after it: a hint is never lost, and a hundred hints cost
 * one step. A step that throws is reported to `onError` and comes again after the period: every loop also wakes by itself.
 */

import type { Clock, Timer } from '../../core/kernel/clock.ts'

export type Loop = {
  /** Run the step soon; harmless at any time. */
  wake(): void
  /** No further step starts; resolves when the running one has ended. */
  stop(): Promise<void>
}

export type LoopOptions = {
  readonly clock: Clock
  readonly periodMs: number
  /** The least time between two steps, so that a storm of hints cannot turn the loop into a spin. */
  readonly minMs?: number
  /**
   * The period counts from the beginning of a step and not from its end: for what must happen so often, however slow it is.
   */
  readonly isSteady?: boolean
  readonly step: () => Promise<void>
  readonly onError: (error: unknown) => void
}

export function startLoop({ clock, periodMs, minMs = 0, isSteady = false, step, onError }: LoopOptions): Loop {
  let running: Promise<void> | undefined
  let again = false
  let stopped = false
  let timer: Timer | undefined

  function schedule(delayMs: number): void {
    timer?.cancel()
    timer = clock.after(delayMs, run)
  }

  function run(): void {
    again = false
    const beganMs = clock.monotonicMs()
    running = step()
      .catch(onError)
      .then(() => {
        running = undefined
        const spentMs = isSteady ? clock.monotonicMs() - beganMs : 0
        if (!stopped) schedule(again ? minMs : Math.max(minMs, periodMs - spentMs))
      })
  }

  schedule(0)
  return {
    wake() {
      if (stopped || again) return
      again = true
      if (!running) schedule(minMs)
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await running
    },
  }
}
