/**
 * The open streams of this process, by VM. One a VM: a second one means that the first is dead, whether TCP has noticed or
 * not. A hint about a VM reaches its stream by one look-up, however many are open.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { Bus } from '../../core/ports/bus.ts'

type Open = {
  /** Something about the VM or its leases was decided elsewhere. */
  look(): void
  /** Another stream of the same VM has come. */
  replaced(): void
}

export type Sessions = {
  enter(vmId: VmId, session: Open): void
  leave(vmId: VmId, session: Open): void
}

export function openSessions(bus: Bus): Sessions {
  const open = new Map<VmId, Open>()
  bus.listen('vms', (ids) => {
    for (const id of ids) open.get(id as VmId)?.look()
  })
  return {
    enter(vmId, session) {
      const former = open.get(vmId)
      open.set(vmId, session)
      former?.replaced()
    },
    leave(vmId, session) {
      if (open.get(vmId) === session) open.delete(vmId)
    },
  }
}
