/**
 * The operations of the embedded store on VMs. Those that have not ended are held in memory as well: they are few, and every
 * claim asks for one.
 */

import { applyToVm } from '../../../../core/model/apply.ts'
import { vmFact } from '../../../../core/model/facts.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { Job } from '../../../../core/model/job.ts'
import type { Fence, VmOutcome } from '../../../../core/ports/store.ts'
import { type KeptVm, isOver, type Vm, type VmEvent } from '../../../../core/model/vm.ts'
import type { Inside } from './inside.ts'
import { factWriter } from './facts.ts'

export type VmOperations = {
  intend(vm: Vm, nowMs: number, under?: Fence): boolean
  changeVms(events: readonly VmEvent[], nowMs: number): readonly VmOutcome[]
  vm(id: VmId): KeptVm | undefined
  liveVms(): readonly KeptVm[]
  leasesOn(id: VmId): readonly Job[]
}

export function vmOperations(inside: Inside): { operations: VmOperations; reload(): void } {
  const { db, liveVms } = inside
  const one = db.prepare('select doc from vms where id = ?')
  const insert = db.prepare('insert into vms (id, over, intended_ms, site, doc) values (?, 0, ?, ?, ?)')
  const update = db.prepare('update vms set over = ?, doc = ? where id = ?')
  const fenceOf = db.prepare('select fence from roles where role = ?')
  const emit = factWriter(inside)

  const find = (id: VmId): Vm | undefined => {
    const row = liveVms.get(id) ? undefined : one.get(id)
    return liveVms.get(id) ?? (row && vmOf(row))
  }

  function apply(event: VmEvent, nowMs: number): VmOutcome {
    const { leases } = inside.tallies.loadOf(event.vmId)
    const { outcome, changed, facts } = applyToVm(find(event.vmId), event, leases, nowMs, inside.decisions)
    if (changed) {
      const over = isOver(changed.phase)
      update.run(over ? 1 : 0, JSON.stringify(changed), changed.id)
      if (over) liveVms.delete(changed.id)
      else liveVms.set(changed.id, changed)
    }
    for (const fact of facts) emit(fact, nowMs)
    return outcome
  }

  return {
    operations: {
      intend(vm, nowMs, under) {
        if (find(vm.id) || (under && fenceOf.get(under.role)?.fence !== under.fence)) return false
        insert.run(vm.id, vm.intendedMs, vm.site, JSON.stringify(vm))
        liveVms.set(vm.id, vm)
        inside.tallies.vmKnown(vm.id, vm.site)
        inside.columns.vmKnown(vm.id, vm.site, vm.cloud)
        emit(vmFact(vm), nowMs)
        return true
      },
      changeVms: (events, nowMs) => events.map((event) => apply(event, nowMs)),
      vm(id) {
        const vm = find(id)
        return vm && { vm, ...inside.tallies.loadOf(id) }
      },
      liveVms: () => [...liveVms.values()].map((vm) => ({ vm, ...inside.tallies.loadOf(vm.id) })),
      leasesOn: (id) => inside.tallies.leasesOn(id),
    },
    reload() {
      liveVms.clear()
      for (const row of db.prepare('select doc from vms where over = 0').iterate()) {
        const vm = vmOf(row)
        liveVms.set(vm.id, vm)
      }
      for (const row of db.prepare("select id, site, doc ->> '$.cloud' as cloud from vms").iterate()) {
        const [id, site] = [String(row.id) as VmId, String(row.site)]
        inside.tallies.vmKnown(id, site)
        inside.columns.vmKnown(id, site, String(row.cloud))
      }
    },
  }
}

export function vmOf(row: Record<string, unknown>): Vm {
  return JSON.parse(String(row.doc)) as Vm
}
