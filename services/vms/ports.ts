/** What the use cases of a VM's life are given. */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { FactStore, VmStore } from '../../core/ports/store.ts'

export type VmPorts = {
  readonly store: VmStore & Pick<FactStore, 'emit'>
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
}
