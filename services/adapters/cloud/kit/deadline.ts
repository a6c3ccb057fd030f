/** The time that one call of the port has for all of its requests together. */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { cloudCallMs } from '../../../../core/kernel/limits.ts'

export type Deadline = {
  /** More than nothing. Throws `cloud-transient` when the time is over. */
  leftMs(doing: string): number
}

export function deadline(clock: Clock, withinMs: number = cloudCallMs): Deadline {
  const endMs = clock.monotonicMs() + withinMs
  return {
    leftMs(doing) {
      const left = Math.floor(endMs - clock.monotonicMs())
      if (left > 0) return left
      throw new PilotageError('cloud-transient', `${doing}: no time left of ${withinMs} ms`)
    },
  }
}

/** Ends earlier: `keptMs` are kept for what has to come afterwards, or half of it where there is less. */
export function shortened(whole: Deadline, clock: Clock, keptMs: number, doing: string): Deadline {
  const left = whole.leftMs(doing)
  return deadline(clock, Math.max(left - keptMs, Math.ceil(left / 2)))
}

/** Or `cloud-transient`. What was begun goes on for the other callers that wait for it. */
export function inTime<T>(work: Promise<T>, clock: Clock, leftMs: number, doing: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(Math.max(0, leftMs), () => {
      reject(new PilotageError('cloud-transient', `${doing}: no answer within ${Math.round(leftMs)} ms`))
    })
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}
