/**
 * The open streams of this process, by VM. One per VM: a second one means that the first is dead, whether TCP has noticed or
 * not. A hint about a VM reaches its stream by one look-up, however many are open.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { OutputRef } from '../../core/model/live-output.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { RunningAttempt } from '../../core/share/ledger.ts'

type Open = {
  /** Something about the VM or its leases was decided elsewhere. */
  look(): void
  /** Another stream of the same VM has come. */
  replaced(): void
  /** A user reads an output of a payload there. */
  peek(output: OutputRef): void
  /** What runs there. */
  running(): Iterable<RunningAttempt>
}

export type OpenStreams = {
  enter(vmId: VmId, stream: Open): void
  leave(vmId: VmId, stream: Open): void
  /** The open stream of the VM in this process; undefined: it has none here. */
  of(vmId: VmId): Pick<Open, 'peek'> | undefined
  /** What runs on all VMs that have a stream here. */
  running(): readonly RunningAttempt[]
}

export function openStreams(bus: Bus): OpenStreams {
  const open = new Map<VmId, Open>()
  bus.listen('vms', (ids) => {
    for (const id of ids) open.get(id as VmId)?.look()
  })
  return {
    enter(vmId, stream) {
      const former = open.get(vmId)
      open.set(vmId, stream)
      former?.replaced()
    },
    leave(vmId, stream) {
      if (open.get(vmId) === stream) open.delete(vmId)
    },
    of: (vmId) => open.get(vmId),
    running: () => [...open.values()].flatMap((one) => [...one.running()]),
  }
}
