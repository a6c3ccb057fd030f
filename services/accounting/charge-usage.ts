/**
 * Charges an owner for each attempt that ended, once, whichever way it ended: its cores for the time from the claim to the
 * end, by the service's clock.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { attemptText } from '../../core/model/facts.ts'
import type { UsageLedger } from '../../core/share/ledger.ts'
import type { Reaction } from '../outcomes/outcomes.ts'

export function chargeUsage(ledger: Pick<UsageLedger, 'charge'>, clock: Clock): Reaction {
  return {
    changed(changes) {
      const nowMs = clock.nowMs()
      for (const { job, ended } of changes) {
        if (!ended) continue
        const { cores, claimedMs } = ended.lease
        const attempt = attemptText({ jobId: job.id, attempt: ended.attempt })
        ledger.charge(job, { attempt, cores, ranMs: Math.max(0, nowMs - claimedMs) }, nowMs)
      }
    },
  }
}
