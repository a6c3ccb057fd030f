/**
 * The auditor's own books of VMs: what the store says of each, held against its leases and against the cloud itself.
 *
 * The auditor sees what no director can: the machines that really are there at this moment. A record that ends while its
 * machine is still there has forgotten it, whatever a list said.
 */

import type { VmId } from '../core/kernel/ids.ts'
import type { Vm, VmDecision, VmEvent, VmStateName } from '../core/model/vm.ts'
import { isOverState } from './job-books.ts'
import type { Trace } from './trace.ts'
import type { Violations } from './violations.ts'

export type VmEntry = { state: VmStateName; readonly cloud: string; why: string; overMs?: number }

export type VmBooks = {
  readonly entries: ReadonlyMap<VmId, VmEntry>
  intended(vm: Vm): void
  decided(before: Vm, event: VmEvent, decision: VmDecision): void
  state(vmId: VmId): VmStateName | undefined
  /** When its record ended; undefined: it has not. */
  overSinceMs(vmId: VmId): number | undefined
  live(): readonly VmId[]
}

export type VmAuditOptions = {
  readonly violations: Violations
  readonly trace: Trace
  readonly nowMs: () => number
  readonly leasesOn: (vmId: VmId) => number
  /** The references of the machines that are in the cloud for it now. */
  readonly machinesOf: (vmId: VmId) => readonly string[]
}

export function vmBooks({ violations, trace, nowMs, leasesOn, machinesOf }: VmAuditOptions): VmBooks {
  const entries = new Map<VmId, VmEntry>()

  function audit(entry: VmEntry, before: Vm, event: VmEvent, next: Vm): void {
    const { vmId } = event
    const { check } = violations
    const [from, to] = [entry.state, next.phase.state]
    check(before.phase.state === from, 'vmRecord', { vmId }, () => `the store had ${before.phase.state}, the books ${from}`)
    check(!isOverState(from), 'vmRecord', { vmId }, () => `${event.kind} on a record that is over (${from})`)
    if (event.kind === 'retire' && to === 'Stopping' && from !== 'Stopping') {
      const leases = leasesOn(vmId)
      check(leases === 0, 'busyVm', { vmId }, () => `retired (${event.why}) while it holds ${leases} live leases`)
    }
    const isKept = next.reserved !== undefined && to !== 'Active'
    check(!isKept, 'held', { vmId }, () => `it is ${to} and keeps room for job ${next.reserved?.jobId}`)
    if (isOverState(to)) {
      const left = machinesOf(vmId)
      check(left.length === 0, 'vmRecord', { vmId }, () => `its record is ${to} while ${left.join()} is in the cloud`)
    }
  }

  return {
    entries,
    intended(vm) {
      entries.set(vm.id, { state: 'Intended', cloud: vm.cloud, why: '' })
      trace.note({ vmId: vm.id }, `intended: ${vm.cloud}/${vm.flavor}, ${vm.reason}`)
    },
    decided(before, event, decision) {
      const { vmId } = event
      const entry = entries.get(vmId)
      if (!entry) {
        violations.report('vmRecord', { vmId }, 'the store changes a VM that has no intent')
        return
      }
      if (decision.ok) audit(entry, before, event, decision.next)
      const isNews = !decision.ok || decision.next.phase.state !== entry.state
      if (isNews) {
        const now = decision.ok ? decision.next.phase.state : `refused as ${decision.why}`
        trace.note({ vmId }, `${event.kind}${'why' in event ? ` (${event.why})` : ''}: ${now}`)
      }
      if (!decision.ok) return
      Object.assign(entry, { state: decision.next.phase.state, why: event.kind })
      if (isOverState(entry.state)) entry.overMs ??= nowMs()
    },
    state: (vmId) => entries.get(vmId)?.state,
    overSinceMs: (vmId) => entries.get(vmId)?.overMs,
    live: () => [...entries].filter(([, { state }]) => !isOverState(state)).map(([vmId]) => vmId),
  }
}
