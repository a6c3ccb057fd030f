/**
 * The service's wall clock as a VM knows it: what the service said last, carried on by the VM's own monotonic clock.
 *
 * For what the service has set as a time and the VM must judge: the end of its life. What stays true: the VM's wall clock
 * has no part in it, whether it is off or is being set; before the service has said a time nothing is known. A VM that stood
 * still is behind by that time until the service says the next one.
 */

import type { Clock } from '../../core/kernel/clock.ts'

export type ServiceClock = {
  /** Undefined before the service has said a time. */
  nowMs(): number | undefined
  /** `sentMs`: when it was asked, monotonic: its time was true about half way from then to now. 0 says no time. */
  hear(serviceTimeMs: number, sentMs: number): void
}

export function serviceClock(clock: Pick<Clock, 'nowMs' | 'monotonicMs'>): ServiceClock {
  let aheadMs: number | undefined
  return {
    nowMs: () => (aheadMs === undefined ? undefined : clock.monotonicMs() + aheadMs),
    hear(serviceTimeMs, sentMs) {
      const monotonicMs = clock.monotonicMs()
      // A service that says no time leaves the VM with its own clock.
      const nowMs = serviceTimeMs === 0 ? clock.nowMs() : serviceTimeMs + (monotonicMs - sentMs) / 2
      aheadMs = nowMs - monotonicMs
    },
  }
}
