/** When to try again: at random up to a bound that doubles, so that ten thousand VMs do not come back at one instant. */

import type { Random } from './random.ts'

export type Backoff = {
  /** The delay before the next try; every call without a `reset` doubles the bound. */
  next(): number
  reset(): void
}

export function backoff(random: Random, firstMs: number, maxMs: number): Backoff {
  let boundMs = firstMs
  return {
    next() {
      const delayMs = random.next() * boundMs
      boundMs = Math.min(boundMs * 2, maxMs)
      return delayMs
    },
    reset() {
      boundMs = firstMs
    },
  }
}
