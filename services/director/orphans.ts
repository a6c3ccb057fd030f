/**
 * Orphans: machines of ours in a cloud's list that no live record stands for. They cost money and hold nothing of use.
 *
 * The intent is written before a machine is asked for, so a machine whose record has ended, or whose record stands for
 * another machine, goes at once. One without any record at all should not exist; it gets a short grace against a mistake of
 * ours. Until they are gone, orphans count against the limits; one list that does not show them is not believed.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { CloudVm } from '../../core/model/cloud.ts'
import { lackingLists, type StrayMachine } from './memory.ts'
import type { Comparison } from './comparison.ts'

export type Orphan = { readonly ref: string; readonly vmId: VmId; readonly why: string }

export type Orphans = {
  readonly orphans: readonly Orphan[]
  readonly strangers: ReadonlyMap<string, number>
  readonly strayMachines: ReadonlyMap<string, StrayMachine>
  readonly strays: { readonly vms: number; readonly cores: number; readonly memoryBytes: number }
}

export function findOrphans(comparison: Comparison, listed: ReadonlyMap<VmId, CloudVm>): Orphans {
  const { cloud, list, listBeganMs, live, ended, memory, offerings, policy } = comparison
  const orphans: Orphan[] = []
  const strangers = new Map<string, number>()
  const strayMachines = new Map<string, StrayMachine>()
  for (const { ref, vmId } of list) {
    if (listed.get(vmId)?.ref === ref) continue
    const alive = live.get(vmId)?.vm
    const over = ended.get(vmId)
    const record = alive ?? over
    // Of a stranger nothing is known: it is taken for the largest that we could have made.
    strayMachines.set(ref, {
      cores: record?.cores ?? Math.max(0, ...offerings.map(({ cores }) => cores)),
      memoryBytes: record?.memoryBytes ?? Math.max(0, ...offerings.map(({ memoryBytes }) => memoryBytes)),
      lists: 0,
    })
    if (alive) {
      const why = alive.cloud === cloud ? `a second machine for ${vmId}` : `${vmId} belongs to cloud ${alive.cloud}`
      orphans.push({ ref, vmId, why })
    } else if (over) {
      orphans.push({ ref, vmId, why: `its record is over: ${over.phase.state}` })
    } else {
      const firstMs = memory.strangers.get(ref) ?? listBeganMs
      strangers.set(ref, firstMs)
      if (listBeganMs - firstMs >= policy.strangerMs) orphans.push({ ref, vmId, why: 'no record knows it' })
    }
  }
  const shown = new Set(list.map(({ ref }) => ref))
  for (const [ref, stray] of memory.strayMachines) {
    const lists = stray.lists + 1
    if (!shown.has(ref) && lists < lackingLists) strayMachines.set(ref, { ...stray, lists })
  }
  return { orphans, strangers, strayMachines, strays: sumOf([...strayMachines.values()]) }
}

function sumOf(machines: readonly StrayMachine[]): Orphans['strays'] {
  return {
    vms: machines.length,
    cores: machines.reduce((sum, { cores }) => sum + cores, 0),
    memoryBytes: machines.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
  }
}
