/** Hints to every process, this one included: which jobs have changed, and in which task queues jobs wait. */

import type { Bus } from '../../core/ports/bus.ts'
import { type Reaction, reranked, waitingAgain } from './outcomes.ts'

export function hintsTo(bus: Bus): Reaction {
  return {
    changed(changes) {
      bus.hint({ kind: 'jobs', ids: changes.map(({ job }) => job.id) })
      const waiting = new Set([...waitingAgain(changes), ...reranked(changes)].map(({ classId }) => classId))
      if (waiting.size > 0) bus.hint({ kind: 'waiting', ids: [...waiting] })
    },
    submitted(queues) {
      bus.hint({ kind: 'waiting', ids: queues.map(({ id }) => id) })
    },
  }
}
