/**
 * The usage that the service charges, audited: for every attempt whose end the store has answered to a life of the service,
 * that life charges the owner once. An end whose answer never reached a living process is charged by none.
 */

import type { UsageLedger } from '../core/share/ledger.ts'
import type { Store } from '../core/ports/store.ts'
import type { Outcomes } from '../services/outcomes/outcomes.ts'
import type { Ground } from './ground.ts'
import type { SimProcess } from './process.ts'

export type ChargeBooks = {
  /** The store as this life sees it: what it answers has to be charged. */
  watched(store: Store, life: SimProcess): Store
  /** Watches what a life publishes and charges. `isForgetful`: the ends of lost leases are not published. */
  audit(outcomes: Outcomes, ledger: UsageLedger, isForgetful: boolean): void
  /** What should have been charged a while ago. */
  check(): void
}

type Due = { readonly life: SimProcess; readonly atMs: number }

/** A writer publishes in the turn in which it gets the answer; a stalled one later. */
const chargedWithinMs = 60_000

export function openCharges({ timeline, violations }: Pick<Ground, 'timeline' | 'violations'>): ChargeBooks {
  const due = new Map<string, Due>()
  const charged = new Set<string>()

  function publish(key: string, jobId: number): void {
    violations.check(!charged.has(key), 'charged', { jobId }, () => `attempt ${key} is charged twice`)
    charged.add(key)
    due.delete(key)
  }

  return {
    watched: (store, life) => ({
      ...store,
      async change(events, nowMs) {
        const outcomes = await store.change(events, nowMs)
        for (const outcome of outcomes) {
          if (outcome.ok && outcome.ended) due.set(keyOf(outcome), { life, atMs: timeline.nowMs() })
        }
        return outcomes
      },
    }),
    audit(outcomes, ledger, isForgetful) {
      const { charge } = ledger
      const { changed } = outcomes
      let charges = 0
      ledger.charge = (...args) => {
        charges += 1
        charge(...args)
      }
      outcomes.changed = (given) => {
        const seen = isForgetful ? given.filter((one) => !(one.ok && one.ended && !('result' in one.job.phase))) : given
        const ended = seen.flatMap((one) => (one.ok && one.ended ? [one] : []))
        const before = charges
        // The charges are made in this turn; other reactions may take longer.
        const done = changed(seen)
        const made = charges - before
        violations.check(made >= ended.length, 'charged', {}, () => `${ended.length} attempts ended, ${made} were charged`)
        for (const outcome of ended) publish(keyOf(outcome), outcome.job.id)
        return done
      }
    },
    check() {
      for (const [key, { life, atMs }] of due) {
        if (!life.isAlive()) due.delete(key)
        else if (life.isStalled() || timeline.nowMs() - Math.max(atMs, life.wokeMs()) < chargedWithinMs) continue
        else violations.report('charged', { jobId: Number.parseInt(key, 10) }, `attempt ${key} is not charged`)
      }
    },
  }
}

function keyOf({
  job,
  ended,
}: {
  readonly job: { readonly id: number }
  readonly ended?: { readonly attempt: number }
}): string {
  return `${job.id}.${ended?.attempt}`
}
