/**
 * What a cloud answered a short while ago about what hardly ever changes: the ids of names, versions, templates. Failures
 * are not kept.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'

export type LookUpCache = {
  /** One look-up per key at a time: callers that ask while it runs get the same answer. */
  get<T>(key: string, lookUp: () => Promise<T>): Promise<T>
  forget(key: string): void
  clear(): void
}

/** Images are replaced under their name and flavors withdrawn, but not often. */
const keptMs = 5 * 60_000

export function lookUpCache(clock: Clock): LookUpCache {
  const kept = new Map<string, { readonly untilMs: number; readonly answer: Promise<unknown> }>()
  return {
    get<T>(key: string, lookUp: () => Promise<T>): Promise<T> {
      const found = kept.get(key)
      if (found && clock.monotonicMs() < found.untilMs) return found.answer as Promise<T>
      const answer = lookUp()
      const entry = { untilMs: clock.monotonicMs() + keptMs, answer }
      kept.set(key, entry)
      answer.catch(() => {
        if (kept.get(key) === entry) kept.delete(key)
      })
      return answer
    },
    forget: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  }
}
