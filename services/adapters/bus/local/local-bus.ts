/** The bus within one process. A hint reaches its listeners after the one who gave it has gone on, never in its middle. */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Bus, Hint, HintKind } from '../../../../core/ports/bus.ts'

type Hear = (ids: Hint['ids']) => void

export function localBus(clock: Clock): Bus {
  const listeners = new Map<HintKind, Set<Hear>>()
  let gathered: Hint[] = []

  function deliver(): void {
    const hints = gathered
    gathered = []
    for (const { kind, ids } of hints) for (const hear of listeners.get(kind) ?? []) hear(ids)
  }

  return {
    hint(hint) {
      if (hint.ids.length === 0 || !listeners.get(hint.kind)?.size) return
      gathered.push(hint)
      if (gathered.length === 1) clock.soon(deliver)
    },
    listen(kind, hear) {
      const hearers = listeners.get(kind) ?? new Set()
      listeners.set(kind, hearers.add(hear))
      return () => {
        hearers.delete(hear)
      }
    },
  }
}
