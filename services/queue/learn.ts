/**
 * Learn: what every process that serves pilots does by itself now and then. Its index learns what it missed, whoever sits free
 * is served from it, and what owners used is exchanged with the other processes.
 *
 * One step, idempotent. Hints only make it come earlier.
 */

import { sweepEveryMs } from '../../core/limits.ts'
import type { ProcessSeat } from '../../core/seat.ts'
import type { Queue } from './queue.ts'
import { shareUses } from './uses.ts'

export const learnEveryMs = sweepEveryMs
const exchangeEveryMs = 30_000

export type Learn = { step(): Promise<void> }

export function learn(queue: Queue, seatNow: () => ProcessSeat | undefined): Learn {
  const { store, clock, waiting, matcher } = queue
  const uses = shareUses(store, waiting)
  let exchangedMs = clock.monotonicMs()
  return {
    async step() {
      waiting.learn(await store.queues())
      matcher.serveAll()
      const nowMs = clock.monotonicMs()
      const seat = seatNow()
      if (nowMs - exchangedMs < exchangeEveryMs && !uses.isNew(seat)) return
      exchangedMs = nowMs
      await uses.exchange(seat, clock.nowMs())
    },
  }
}
