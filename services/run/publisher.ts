/**
 * The publisher of facts: moves what the store has on to the stream, for as long as this process holds the role `facts`.
 *
 * The role keeps two processes from doing the work twice, not from doing harm: a fact that is published twice is known by
 * its `seq`. An unreachable NATS is no fault of a service: it is logged once, and everything else goes on.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { asPilotageError } from '../../core/kernel/errors.ts'
import { holdRole } from '../coordination/role-lease.ts'
import { startLoop } from '../coordination/loop.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { FactStream } from '../../core/ports/fact-stream.ts'
import type { Log } from '../../core/ports/log.ts'
import type { FactStore, RoleStore } from '../../core/ports/store.ts'
import { publishFacts } from './publish-facts.ts'

export const factsRole = 'facts'

export type PublisherOptions = {
  readonly store: FactStore & RoleStore
  readonly stream: FactStream
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly holder: string
}

const everyMs = 1000
/** However many jobs change: facts go in batches. */
const minMs = 100

export function startPublisher({ store, stream, bus, clock, log, holder }: PublisherOptions): { stop(): Promise<void> } {
  let working = new AbortController()
  let isUnreachable = false
  const roleLease = holdRole({
    role: factsRole,
    store,
    clock,
    holder,
    onTurn(turn) {
      // The next publisher begins behind what is noted as published: the batch that is under way is the last one.
      if (turn === 'lost' || turn === 'unsure') working.abort()
      if (turn === 'taken' || turn === 'sure') {
        working = new AbortController()
        loop.wake()
      }
    },
    onError: (error) => log.warn({ err: error, role: factsRole }, 'the role could not be renewed'),
  })
  const loop = startLoop({
    clock,
    periodMs: everyMs,
    minMs,
    async step() {
      if (!roleLease.now()) return
      await publishFacts({ store, stream }, working.signal)
      if (isUnreachable) log.info({}, 'facts are published again')
      isUnreachable = false
    },
    onError(thrown) {
      const error = asPilotageError(thrown, 'publishing facts')
      if (error.code !== 'unavailable') log.error({ err: error }, 'facts are not published')
      else if (!isUnreachable) log.warn({ err: error }, 'facts wait in the store')
      isUnreachable = error.code === 'unavailable'
    },
  })
  const stopListening = (['jobs', 'vms', 'clouds', 'images'] as const).map((kind) => bus.listen(kind, () => loop.wake()))
  return {
    async stop() {
      for (const stop of stopListening) stop()
      working.abort()
      await loop.stop()
      await roleLease.stop()
    },
  }
}
