/**
 * What a cloud answered a short while ago about what hardly ever changes: the ids of names, versions, templates. Failures
 * are not kept, and what a kept answer lacks is looked up once more before it is refused: what an operator has just added
 * must not be missing for minutes.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'

export type LookUpCache = {
  /** One look-up per key at a time: callers that ask while it runs get the same answer. */
  get<T>(key: string, lookUp: () => Promise<T>): Promise<T>
  /**
   * What `pick` takes from the answer. If it throws `cloud-refused` on an answer that an earlier caller asked for, the
   * answer is replaced by a new one, once for all callers that were refused by it, and `pick` decides on that.
   */
  find<T, Found>(key: string, lookUp: () => Promise<T>, pick: (answer: T) => Found): Promise<Found>
  forget(key: string): void
  clear(): void
}

/** Images are replaced under their name and flavors withdrawn, but not often. */
const keptMs = 5 * 60_000

export function lookUpCache(clock: Clock): LookUpCache {
  const kept = new Map<string, Entry>()

  /** `isOwn`: this caller asked for it. */
  function entryOf(key: string, lookUp: () => Promise<unknown>): { readonly entry: Entry; readonly isOwn: boolean } {
    const found = kept.get(key)
    if (found && clock.monotonicMs() < found.untilMs) return { entry: found, isOwn: false }
    const entry = { untilMs: clock.monotonicMs() + keptMs, answer: lookUp() }
    kept.set(key, entry)
    entry.answer.catch(() => {
      if (kept.get(key) === entry) kept.delete(key)
    })
    return { entry, isOwn: true }
  }

  return {
    get: <T>(key: string, lookUp: () => Promise<T>) => entryOf(key, lookUp).entry.answer as Promise<T>,
    async find<T, Found>(key: string, lookUp: () => Promise<T>, pick: (answer: T) => Found): Promise<Found> {
      const { entry, isOwn } = entryOf(key, lookUp)
      const answer = (await entry.answer) as T
      try {
        return pick(answer)
      } catch (thrown) {
        if (isOwn || !isRefused(thrown)) throw thrown
      }
      // Another caller may have replaced it by now.
      if (kept.get(key) === entry) kept.delete(key)
      return pick((await entryOf(key, lookUp).entry.answer) as T)
    },
    forget: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  }
}

type Entry = { readonly untilMs: number; readonly answer: Promise<unknown> }

function isRefused(thrown: unknown): boolean {
  return thrown instanceof PilotageError && thrown.code === 'cloud-refused'
}
