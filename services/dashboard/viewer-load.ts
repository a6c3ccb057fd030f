/**
 * How much one viewer asks at once and per second. Beyond the rate its requests wait, in the order of coming; beyond what
 * may be under way it is refused. Other viewers notice neither.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { viewerLimits } from './limits.ts'
import { openTurns } from './turns.ts'

export type ViewerLoad = {
  /** Resolves when it is the request's turn. Throws `cancelled` for a caller that has gone. */
  turn(viewer: string, isGone: () => boolean): Promise<void>
  /** Counts a request; answers how it ends. Throws `overloaded`. */
  begin(viewer: string): () => void
  stop(): void
}

export function viewerLoad(clock: Clock): ViewerLoad {
  const turns = openTurns(clock, viewerLimits)
  const underWay = new Map<string, number>()

  return {
    turn: turns.turn,
    begin(viewer) {
      const count = underWay.get(viewer) ?? 0
      if (count >= viewerLimits.atOnce) {
        const text = `${count} requests of yours are under way, at most ${viewerLimits.atOnce} at once`
        throw new PilotageError('overloaded', text, { retryAfterMs: 1000 })
      }
      underWay.set(viewer, count + 1)
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        const left = (underWay.get(viewer) ?? 1) - 1
        if (left === 0) underWay.delete(viewer)
        else underWay.set(viewer, left)
      }
    },
    stop: turns.stop,
  }
}
