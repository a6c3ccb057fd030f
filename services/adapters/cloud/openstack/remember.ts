/** What a cloud said a short while ago, for what hardly ever changes: ids of names, versions. Failures are not remembered. */

import type { Clock } from '../../../../core/kernel/clock.ts'

export type Memory = {
  /** One question at a time for one key: who asks meanwhile gets the same answer. */
  of<T>(key: string, ask: () => Promise<T>): Promise<T>
  clear(): void
}

/** An image is replaced under its name and a flavor withdrawn, but not often. */
const keptMs = 5 * 60_000

export function memory(clock: Clock): Memory {
  const kept = new Map<string, { readonly untilMs: number; readonly answer: Promise<unknown> }>()
  return {
    of<T>(key: string, ask: () => Promise<T>): Promise<T> {
      const found = kept.get(key)
      if (found && clock.monotonicMs() < found.untilMs) return found.answer as Promise<T>
      const answer = ask()
      const entry = { untilMs: clock.monotonicMs() + keptMs, answer }
      kept.set(key, entry)
      answer.catch(() => {
        if (kept.get(key) === entry) kept.delete(key)
      })
      return answer
    },
    clear: () => kept.clear(),
  }
}
