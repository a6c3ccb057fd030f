/**
 * A reading that is shared for a moment: however many pages ask, the store and the rules are asked once. Pages that refresh
 * by themselves must not cost the matcher its time.
 */

import type { Clock } from '../../core/kernel/clock.ts'

/** A failed reading is not kept: the next one asks again. */
export function recentReading<Value>(clock: Clock, keepMs: number, read: () => Promise<Value>): () => Promise<Value> {
  let kept: { readonly value: Promise<Value>; readonly untilMs: number } | undefined
  return () => {
    const nowMs = clock.monotonicMs()
    if (kept && nowMs < kept.untilMs) return kept.value
    const reading = { value: read(), untilMs: nowMs + keepMs }
    kept = reading
    reading.value.catch(() => {
      if (kept === reading) kept = undefined
    })
    return reading.value
  }
}
