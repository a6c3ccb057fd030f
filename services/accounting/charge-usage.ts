/**
 * Charges an owner for each attempt that ended, once, whichever way it ended: its cores for the time from the claim to the
 * end, by the service's clock. What the matcher charged in advance when it claimed the job is taken off.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { usageAdvanceMs } from '../../core/kernel/limits.ts'
import type { UsageLedger } from '../../core/share/ledger.ts'
import type { Reaction } from '../outcomes/outcomes.ts'

export function chargeUsage(ledger: Pick<UsageLedger, 'charge'>, clock: Clock): Reaction {
  return {
    changed(changes) {
      const nowMs = clock.nowMs()
      for (const { job, ended } of changes) {
        if (!ended) continue
        const { cores, claimedMs } = ended.lease
        ledger.charge(job, cores * (nowMs - claimedMs - usageAdvanceMs), nowMs)
      }
    },
  }
}
