/**
 * The facts as they come, read once for all who listen. Woken by any hint, and by itself when hints were lost.
 *
 * Reads only while there is a listener, and never more than one batch per step. A listener that is further behind than that,
 * the feed itself included, is moved forward to the latest facts and gets `skipped`. Does not know how listeners work.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { type Loop, startLoop } from '../coordination/loop.ts'
import type { Bus, HintKind } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { FactStore } from '../../core/ports/store.ts'

const feedEveryMs = 2000
/** How long facts gather: a person can follow five updates per second, and no more. */
const minFeedMs = 200
/** What one step reads at most, a few hundred KiB: no person reads more in a fifth of a second. */
export const maxBatch = 500

const hintKinds: readonly HintKind[] = ['waiting', 'jobs', 'vms', 'clouds', 'images']

export type Listener = {
  /** The last fact that was sent or left out; undefined: from now on. */
  after: number | undefined
  /** False while it has not taken the last batch. The feed passes over it, and brings it up to date later. */
  isReady(): boolean
  /** `skipped`: facts before these were left out, because there were too many. Moves `after` on by itself. */
  send(batch: Batch): Promise<void>
}

export type Batch = { readonly facts: readonly Fact[]; readonly lastSeq: number; readonly skipped: boolean }

export type FactFeed = {
  readonly listeners: Set<Listener>
  wake(): void
  stop(): Promise<void>
}

export type FeedOptions = {
  readonly store: Pick<FactStore, 'facts'>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
}

export function factFeed({ store, bus, clock, log }: FeedOptions): FactFeed {
  const listeners = new Set<Listener>()
  /** The last fact that the feed has read; undefined: there was no listener. */
  let stand: number | undefined

  async function step(): Promise<void> {
    if (listeners.size === 0) {
      stand = undefined
      return
    }
    const before = stand ?? (await lastOf(store))
    const batch = await readAfter(store, before)
    stand = batch.lastSeq
    for (const listener of [...listeners]) {
      if (!listener.isReady()) continue
      // One that is ahead of us comes from another installation's page: it goes on from here.
      const after = Math.min(listener.after ?? before, batch.lastSeq)
      listener.after = after
      if (after === batch.lastSeq) continue
      const own = after === before ? batch : await readAfter(store, after)
      await listener.send(own)
    }
  }

  const loop: Loop = startLoop({
    clock,
    periodMs: feedEveryMs,
    minMs: minFeedMs,
    step,
    onError: (err) => log.warn({ err }, 'the recent facts could not be read'),
  })
  const deafen = hintKinds.map((kind) => bus.listen(kind, () => listeners.size > 0 && loop.wake()))

  return {
    listeners,
    wake: () => loop.wake(),
    async stop() {
      for (const stop of deafen) stop()
      await loop.stop()
    },
  }
}

async function lastOf(store: FeedOptions['store']): Promise<number> {
  return (await store.facts(-1, 1)).at(-1)?.seq ?? 0
}

async function readAfter(store: FeedOptions['store'], after: number): Promise<Batch> {
  const facts = await store.facts(after, maxBatch)
  if (facts.length < maxBatch) return { facts, lastSeq: facts.at(-1)?.seq ?? after, skipped: false }
  const latest = await store.facts(-1, maxBatch)
  const skipped = (latest[0]?.seq ?? 0) > (facts.at(-1)?.seq ?? 0)
  if (!skipped) return { facts, lastSeq: facts.at(-1)?.seq ?? after, skipped }
  return { facts: latest, lastSeq: latest.at(-1)?.seq ?? after, skipped }
}
