/**
 * Whether this process can do its work: whether its store answers. One question every few seconds, for all callers.
 *
 * Does not say whether to end the process: an unreachable store comes back by itself, and a restart would not help.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { startLoop } from '../coordination/loop.ts'
import type { FactStore } from '../../core/ports/store.ts'

export type Readiness = {
  /** False before the first answer. */
  isReady(): boolean
  /** Resolves when the first question has been answered, or was not in time. */
  readonly asked: Promise<void>
  /** Calls `hear` with the readiness now, and at every change. Returns how to stop. */
  watch(hear: (ready: boolean) => void): () => void
  stop(): Promise<void>
}

const askEveryMs = 2000
/** A store that needs longer than this for one small document serves no caller in time. */
const answerMs = 3000

export function startReadiness(store: Pick<FactStore, 'note'>, clock: Clock): Readiness {
  const hearers = new Set<(ready: boolean) => void>()
  const first = Promise.withResolvers<void>()
  let ready = false
  const loop = startLoop({
    clock,
    periodMs: askEveryMs,
    step: async () => {
      const is = await answers(store, clock)
      first.resolve()
      if (is === ready) return
      ready = is
      for (const hear of hearers) hear(is)
    },
    onError: () => undefined,
  })
  return {
    isReady: () => ready,
    asked: first.promise,
    watch(hear) {
      hearers.add(hear)
      hear(ready)
      return () => void hearers.delete(hear)
    },
    async stop() {
      await loop.stop()
      first.resolve()
    },
  }
}

/** Any name will do: that there is no such document is an answer. */
async function answers(store: Pick<FactStore, 'note'>, clock: Clock): Promise<boolean> {
  const waiting = new AbortController()
  try {
    const asked = store.note('readiness').then(() => true)
    return await Promise.race([asked, sleep(clock, answerMs, waiting.signal).then(() => false)])
  } catch {
    return false
  } finally {
    waiting.abort()
  }
}
