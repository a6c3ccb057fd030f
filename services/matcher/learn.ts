/**
 * Learn: what every process that serves pilots does by itself now and then. Its index learns what it missed, a slice of all
 * task queues at a time; free seats are served from it, and what owners used is exchanged with the other processes.
 *
 * One step, idempotent. Hints only make it come earlier.
 */

import type { ClassId } from '../../core/kernel/ids.ts'
import { sweepEveryMs } from '../../core/kernel/limits.ts'
import type { JobStore } from '../../core/ports/store.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import type { Matching } from './matching.ts'
import type { WaitingIndex } from './waiting-index.ts'

export const learnEveryMs = sweepEveryMs

/** Task queues that are read in one step, each some microseconds for the store and for us. */
const maxSlice = 1000
/** Hinted ones that are kept for the next steps; the others come with their slice. */
const maxHinted = 10_000

export type Learn = {
  step(): Promise<void>
  /** Jobs wait in these task queues: they are read before the next slice. */
  hint(ids: readonly (string | number)[]): void
}

/** At a start: all of them, a slice at a time. */
export async function learnAll(store: Pick<JobStore, 'queues'>, waiting: WaitingIndex): Promise<void> {
  let after: string | undefined = ''
  while (after !== undefined) {
    const slice: readonly QueueCount[] = await store.queues({ after, limit: maxSlice })
    waiting.learn(slice)
    after = slice.length < maxSlice ? undefined : slice.at(-1)?.queue.id
  }
}

export function learn({ store, waiting, matcher }: Pick<Matching, 'store' | 'waiting' | 'matcher'>): Learn {
  const hinted = new Set<ClassId>()
  let after = ''

  async function readHinted(): Promise<void> {
    const ids = [...hinted].slice(0, maxSlice)
    if (ids.length === 0) return
    for (const id of ids) hinted.delete(id)
    waiting.learn(await store.queues({ ids }))
  }

  async function readSlice(): Promise<void> {
    const slice = await store.queues({ after, limit: maxSlice })
    after = slice.length < maxSlice ? '' : (slice.at(-1)?.queue.id ?? '')
    waiting.learn(slice)
  }

  return {
    hint(ids) {
      for (const id of ids) if (hinted.size < maxHinted) hinted.add(id as ClassId)
    },
    async step() {
      await readHinted()
      await readSlice()
      matcher.serveAll()
    },
  }
}
