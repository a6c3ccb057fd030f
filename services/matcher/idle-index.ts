/**
 * The waiting index of a process that serves no pilots: nobody asks it, so it keeps nothing.
 *
 * Such a process also makes jobs wait (a sweeper gives up leases, an operator reschedules). Those who serve hear of it by a hint,
 * or find it in the store.
 */

import type { WaitingIndex } from './waiting-index.ts'

export function idleIndex(epochMs: number): WaitingIndex {
  const nothing = (): void => {}
  return {
    arrived: nothing,
    take: () => undefined,
    missed: nothing,
    charge: nothing,
    usedBy: () => 0,
    learn: nothing,
    uses: () => ({ epochMs, owners: [] }),
    inherit: nothing,
    hear: nothing,
  }
}
