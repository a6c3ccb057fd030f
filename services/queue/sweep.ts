/**
 * Sweep: what nobody asks for and somebody must do. Leases that ended are given up, the index learns what it missed, shares
 * are kept for the next start, and what ended long ago is forgotten.
 *
 * One step, idempotent, in any process. After a start and after a stall of our own nobody's lease is ended for our silence:
 * every lease gets its whole time again before the first one is given up.
 */

import type { JobId } from '../../core/ids.ts'
import { sweepEveryMs } from '../../core/limits.ts'
import { shownUse } from '../../core/share.ts'
import { afterChange } from './after-change.ts'
import type { FactStore } from '../../core/ports/store.ts'
import type { Queue } from './queue.ts'
import type { Uses } from './waiting-index.ts'

/** Leases given up in one step, and jobs forgotten in one round. */
const most = 1000
const forgetEveryMs = 60_000
/** Rounds follow each other for so long, so that what is kept does not grow for ever; the next step is not late for it. */
const forgetMostMs = 2000
const keepUsesEveryMs = 30_000

export type Sweep = { step(): Promise<void> }

export function sweep(queue: Queue): Sweep {
  const { store, clock, policy, waiting } = queue
  let graceUntilMs = clock.monotonicMs() + policy.leaseMs
  let lastMs = clock.monotonicMs()
  let forgotMs = lastMs
  let keptUsesMs = lastMs

  async function loseExpired(): Promise<void> {
    const nowMs = clock.nowMs()
    const expired = await store.expired(nowMs, most)
    if (expired.length === 0) return
    const why = 'the lease ended without a renewal'
    const outcomes = await store.change(
      expired.map((ref) => ({ kind: 'lost', ...ref, why, ifBeforeMs: nowMs })),
      nowMs,
    )
    await afterChange(queue, outcomes)
  }

  async function forget(): Promise<void> {
    const endMs = clock.monotonicMs() + forgetMostMs
    while (clock.monotonicMs() < endMs) {
      const forgotten: readonly JobId[] = await store.forget(clock.nowMs() - policy.keepEndedMs, most)
      if (forgotten.length === 0) return
      await queue.sandbox.forget(forgotten)
    }
  }

  return {
    async step() {
      const nowMs = clock.monotonicMs()
      // We were not running for a while: pilots may have renewed and found nobody.
      if (nowMs - lastMs > 5 * sweepEveryMs) graceUntilMs = nowMs + policy.leaseMs
      lastMs = nowMs
      if (nowMs >= graceUntilMs) await loseExpired()
      waiting.learn(await store.queues())
      queue.matcher.serveAll()
      if (nowMs - keptUsesMs >= keepUsesEveryMs) {
        keptUsesMs = nowMs
        await keepUses(queue)
      }
      if (nowMs - forgotMs >= forgetEveryMs) {
        forgotMs = nowMs
        await forget()
      }
    },
  }
}

const usesNote = 'uses'

/** Policy, not truth: a restart that loses the last half minute of it is a little less fair for a while. */
async function keepUses({ store, waiting, clock }: Queue): Promise<void> {
  await store.keepNote(usesNote, JSON.stringify(waiting.uses(clock.nowMs())))
}

/** What owners used, as the last run kept it, in the money of today: every start begins a new epoch. */
export async function readUses(store: FactStore, nowMs: number): Promise<Uses> {
  const text = await store.note(usesNote)
  const { epochMs, owners } = text === undefined ? { epochMs: nowMs, owners: [] } : (JSON.parse(text) as Uses)
  return { epochMs: nowMs, owners: owners.map(([key, use]) => [key, shownUse(use, nowMs, epochMs)] as const) }
}
