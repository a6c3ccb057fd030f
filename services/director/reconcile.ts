/**
 * Reconcile: a cloud's list against our records, both ways. Decides what each of them must learn from the other.
 *
 * A machine without a live record is an orphan and goes. A record without a machine ends, but only on a list that was begun
 * after all that could explain the difference, and that is plausible as a whole. Pure: what is remembered from earlier lists
 * comes in and goes out. The records must have been read after the list, so that every listed machine of ours has one.
 */

import type { Comparison } from './comparison.ts'
import type { CloudVm } from '../../core/model/cloud.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { contactMs, isComing, isUp, refOf, type Vm, type VmEvent } from '../../core/model/vm.ts'
import { type CloudMemory, lackingLists, type Missing } from './memory.ts'
import { findOrphans, type Orphan } from './orphans.ts'

export type Reconciled = Pick<CloudMemory, 'implausible' | 'missing' | 'strangers' | 'strayMachines' | 'listed'> & {
  /** Why the list is not believed; empty: it is. */
  readonly doubt: string
  readonly events: readonly VmEvent[]
  /** Intended, never made as far as can be known: to be asked for once more. */
  readonly again: readonly Vm[]
  readonly orphans: readonly Orphan[]
  readonly strays: { readonly vms: number; readonly cores: number; readonly memoryBytes: number }
}

/**
 * A list that lacks more than half of at least this number of machines is doubted, until it was repeated on the next two
 * cycles.
 */
const minKnown = 4
const doubtfulLists = lackingLists - 1

type Verdict =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'again' }
  | { readonly kind: 'absent'; readonly why: string }
  /** It should be there: the number of lists in a row that did not show it. */
  | ({ readonly kind: 'missing' } & Missing)

export function reconcile(comparison: Comparison, nowMs: number): Reconciled {
  const { cloud, live, memory } = comparison
  const listed = matched(comparison)
  const missing = new Map<VmId, Missing>()
  const events: VmEvent[] = []
  const absents: { readonly vm: Vm; readonly why: string }[] = []
  const again: Vm[] = []
  let [known, lacking] = [0, 0]
  for (const { vm } of live.values()) {
    if (vm.cloud !== cloud) continue
    const settled = shouldBeListed(vm, comparison)
    if (settled) known += 1
    const found = listed.get(vm.id)
    if (found) {
      const event = seen(vm, found, memory.shown)
      if (event) events.push(event)
      continue
    }
    if (settled) lacking += 1
    const said = absence(vm, comparison, settled, nowMs)
    if (said.kind === 'again') again.push(vm)
    if (said.kind === 'absent') absents.push({ vm, why: said.why })
    if (said.kind === 'missing') {
      missing.set(vm.id, { lists: said.lists, sinceMs: said.sinceMs })
      if (said.lists >= lackingLists) absents.push({ vm, why: 'no longer in the list of its cloud' })
    }
  }
  const doubtful = known >= minKnown && lacking * 2 > known
  const implausible = doubtful ? memory.implausible + 1 : 0
  const doubt = doubtful && implausible <= doubtfulLists ? `its list lacks ${lacking} of ${known} known VMs` : ''
  const { orphans, strangers, strayMachines, strays } = findOrphans(comparison, listed)
  const common = { listed, implausible, missing, strangers, strayMachines, strays, doubt }
  if (doubt !== '') return { ...common, events, again: [], orphans: [] }
  return {
    ...common,
    events: [...events, ...absents.map(absent)],
    again,
    orphans,
  }
}

/** A VM that has been in contact since it was read is there. One that stops may still send heartbeats. */
function absent({ vm, why }: { readonly vm: Vm; readonly why: string }): VmEvent {
  // What never existed was never of use, and says nothing against what it would have been made from.
  const faultUnless = refOf(vm.phase) === '' ? {} : ({ faultUnless: 'offered' } as const)
  const event = { kind: 'absent', vmId: vm.id, why, ...faultUnless } as const
  return vm.phase.state === 'Stopping' ? event : { ...event, ifContactMs: contactMs(vm) }
}

/** The machine of each live record: the one with its reference, or the first by name while the record knows none. */
function matched({ cloud, list, live }: Comparison): ReadonlyMap<VmId, CloudVm> {
  const listed = new Map<VmId, CloudVm>()
  for (const found of list.toSorted((a, b) => (a.ref < b.ref ? -1 : 1))) {
    const vm = live.get(found.vmId)?.vm
    if (!vm || vm.cloud !== cloud || listed.has(vm.id)) continue
    const ref = refOf(vm.phase)
    if (ref === '' || ref === found.ref) listed.set(vm.id, found)
  }
  return listed
}

function seen({ id, phase, ...vm }: Vm, found: CloudVm, shown: CloudMemory['shown']): VmEvent | undefined {
  const { ref, power, addresses } = found
  const running = power === 'running'
  const hasMoved = addresses !== undefined && addresses.join() !== (vm.addresses ?? []).join()
  const said = saidOf(phase, found, shown)
  const isSaid = said !== undefined && said !== (vm.said ?? '')
  const isNews = refOf(phase) === '' || (phase.state === 'Requested' && running) || hasMoved || isSaid
  if (!isNews) return undefined
  return { kind: 'seen', vmId: id, ref, running, ...(hasMoved ? { addresses } : {}), ...(isSaid ? { said } : {}) }
}

/**
 * What goes into the record of what the cloud says: of a VM that comes, and that two lists in a row have said, since states
 * that pass are of no interest and each would be a write. Nothing of one that runs. Undefined: as before.
 */
function saidOf(phase: Vm['phase'], { ref, power, detail }: CloudVm, shown: CloudMemory['shown']): string | undefined {
  if (power === 'running' || detail === '') return ''
  return isComing(phase) && shown.get(ref) === detail ? detail : undefined
}

/**
 * It is known to exist for a time after which any list of its cloud must show it. Counted from the end of the create call,
 * which may have come long after the intent; a director that was restarted since then does not know it, and counts from its
 * own start.
 */
function shouldBeListed({ id, phase, changedMs, intendedMs }: Vm, comparison: Comparison): boolean {
  const { listBeganMs, memory, policy, watchedSinceMs } = comparison
  if (phase.state === 'Stopping' || refOf(phase) === '') return false
  const askedMs = memory.asked.get(id) ?? Math.max(intendedMs, watchedSinceMs)
  return listBeganMs > changedMs && listBeganMs >= askedMs + policy.settleMs
}

function absence(vm: Vm, comparison: Comparison, settled: boolean, nowMs: number): Verdict {
  const { listBeganMs, memory, policy, bootMs, live, watchedSinceMs, isBarred } = comparison
  const { id, phase, intendedMs } = vm
  // A create call of an earlier process may have been under way when this one was started.
  const askedMs = memory.asked.get(id) ?? (refOf(phase) === '' ? Math.max(intendedMs, watchedSinceMs) : intendedMs)
  const neverMade = listBeganMs >= askedMs + policy.settleMs
  switch (phase.state) {
    case 'Intended':
      if (!neverMade) return { kind: 'nothing' }
      if (memory.orders.has(id) && nowMs < intendedMs + bootMs && !isBarred(vm)) return { kind: 'again' }
      return { kind: 'absent', why: 'the cloud never showed it' }
    case 'Stopping': {
      const confirmed = neverMade && (phase.ref === '' || memory.gone.has(id))
      return confirmed ? { kind: 'absent', why: phase.why } : { kind: 'nothing' }
    }
    default: {
      // Who has spoken since the first list that lacked it lives, whatever lists say.
      const { lists, sinceMs } = memory.missing.get(id) ?? { lists: 0, sinceMs: listBeganMs }
      const spoke = isUp(phase) && (live.get(id)?.vm.beat?.atMs ?? 0) >= sinceMs
      return settled && !spoke ? { kind: 'missing', lists: lists + 1, sinceMs } : { kind: 'nothing' }
    }
  }
}
