/** How much one viewer asks at once and per second: beyond it that viewer is refused for a moment, and nobody else is. */

import type { Clock } from '../../core/clock.ts'
import { PilotageError } from '../../core/errors.ts'
import { viewerLimits } from './limits.ts'

export type ViewerLoad = {
  /** Counts a request; answers how it ends. Throws `overloaded`. */
  begin(viewer: string): () => void
  /** Viewers that are remembered. */
  size(): number
}

type Load = { level: number; atMs: number; underWay: number }

/** More viewers than one process shows pages to; one that is forgotten begins with a full burst again. */
const maxViewers = 10_000

export function viewerLoad(clock: Clock): ViewerLoad {
  const loads = new Map<string, Load>()

  function loadOf(viewer: string): Load {
    const nowMs = clock.monotonicMs()
    const known = loads.get(viewer) ?? { level: viewerLimits.burst, atMs: nowMs, underWay: 0 }
    known.level = Math.min(viewerLimits.burst, known.level + ((nowMs - known.atMs) * viewerLimits.perSecond) / 1000)
    known.atMs = nowMs
    // In front of the map is who asked longest ago.
    loads.delete(viewer)
    loads.set(viewer, known)
    const oldest = loads.keys().next()
    if (loads.size > maxViewers && !oldest.done) loads.delete(oldest.value)
    return known
  }

  return {
    begin(viewer) {
      const load = loadOf(viewer)
      if (load.underWay >= viewerLimits.atOnce) {
        const text = `${load.underWay} requests of yours are under way, at most ${viewerLimits.atOnce} at once`
        throw new PilotageError('overloaded', text, { retryAfterMs: 1000 })
      }
      if (load.level < 1) {
        const text = `at most ${viewerLimits.perSecond} requests per second`
        throw new PilotageError('overloaded', text, { retryAfterMs: 1000 })
      }
      load.level -= 1
      load.underWay += 1
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        load.underWay -= 1
      }
    },
    size: () => loads.size,
  }
}
