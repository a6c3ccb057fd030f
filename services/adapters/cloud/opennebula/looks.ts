/** Looking at something together with whoever else wants to look, and no longer than one may wait. Knows not what is seen. */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'

/**
 * Looks that begin after they were asked for, shared by all who ask meanwhile: one runs, and one more waits for it. So many
 * who look at once cost two looks and not many.
 */
export function sharedLooks<T>(look: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  let next: Promise<T> | undefined

  function start(): Promise<T> {
    const begun = look().finally(() => {
      if (running === begun) running = undefined
    })
    running = begun
    return begun
  }

  return () => {
    if (!running) return start()
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return start()
      })
    return next
  }
}

/** Or `cloud-transient`. What was begun goes on for the others who wait for it. */
export function inTime<T>(work: Promise<T>, clock: Clock, leftMs: number, doing: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(Math.max(0, leftMs), () =>
      reject(new PilotageError('cloud-transient', `${doing}: no time is left`)),
    )
    work.then(resolve, reject).finally(() => timer.cancel())
  })
}
