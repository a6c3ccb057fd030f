/**
 * What a run of VM lifetimes stands on: time, chance, the story, what went wrong, and the auditor's own books of VMs.
 *
 * The books are written where the store decides, and held against what really is in the clouds at that moment, which no
 * director can see.
 */

import type { VmId } from '../../core/kernel/ids.ts'
import type { Store } from '../../core/ports/store.ts'
import { isOver, refOf, type Vm, type VmPhase } from '../../core/model/vm.ts'
import { coreDecisions } from '../../core/model/apply.ts'
import { memoryStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import { type Dice, dice } from '../dice.ts'
import { type Timeline, timeline } from '../timeline.ts'
import { openTrace, type Trace } from '../trace.ts'
import { openViolations, type Violations } from '../violations.ts'

export type World = {
  readonly timeline: Timeline
  readonly dice: Dice
  readonly trace: Trace
  readonly violations: Violations
  readonly vms: Map<VmId, { readonly cloud: string; phase: VmPhase }>
  /** The clouds whose image may not be used, and since when. */
  readonly barred: Map<string, number>
  readonly toll: { kills: number; intents: number }
  /** Half of all that may go wrong goes wrong only as long as this holds. */
  isRough: boolean
}

/** The references of the machines that are there now for a VM. */
export type MachinesOf = (cloud: string, vmId: VmId) => readonly string[]

/** The VM that a machine was made for, whether it is there still or not; undefined: there never was such a machine. */
export type OwnerOf = (cloud: string, ref: string) => VmId | undefined

export function openWorld(seed: number): World {
  const time = timeline()
  const trace = openTrace(time)
  const violations = openViolations(trace)
  const toll = { kills: 0, intents: 0 }
  return { timeline: time, dice: dice(seed), trace, violations, vms: new Map(), barred: new Map(), toll, isRough: true }
}

/** The store that outlives every life of the director; the auditor looks at every decision that it takes. */
export function openTruth(world: World, machinesOf: MachinesOf, ownerOf: OwnerOf): Store {
  const { vms, violations, trace, toll } = world

  function audit(before: Vm, next: Vm): void {
    const { id, cloud, phase } = next
    const entry = vms.get(id)
    violations.check(entry?.phase.state === before.phase.state, 'vmRecord', { vmId: id }, () => {
      return `the store had ${before.phase.state}, the books ${entry?.phase.state}`
    })
    if (entry) entry.phase = phase
    if (phase.state !== before.phase.state)
      trace.note({ vmId: id }, 'why' in phase ? `${phase.state}: ${phase.why}` : phase.state)
    const ref = refOf(phase)
    if (ref !== '' && ref !== refOf(before.phase)) {
      const owner = ownerOf(cloud, ref)
      violations.check(owner === id, 'vmRecord', { vmId: id }, () => {
        return `its record names ${ref}, which was made for ${owner ?? 'no VM'}`
      })
    }
    if (!isOver(phase)) return
    // The second machine of an order that was carried out twice may be there still: it is found and ended as an orphan.
    const left = machinesOf(cloud, id).filter((one) => ref === '' || one === ref)
    violations.check(left.length === 0, 'vmRecord', { vmId: id }, () => {
      return `its record is ${phase.state} while ${left.join()} is in the cloud`
    })
  }

  const store = memoryStore({
    ...coreDecisions,
    changeVm(vm, event, leases, nowMs) {
      const decision = coreDecisions.changeVm(vm, event, leases, nowMs)
      if (decision.ok) audit(vm, decision.next)
      return decision
    },
  })
  return {
    ...store,
    async intend(vm, nowMs, under) {
      const isNew = await store.intend(vm, nowMs, under)
      if (!isNew) return false
      toll.intents += 1
      vms.set(vm.id, { cloud: vm.cloud, phase: vm.phase })
      trace.note({ vmId: vm.id }, `Intended: ${vm.cloud}/${vm.flavor}`)
      return true
    },
  }
}

/** Does something at random moments, so far apart on average, for as long as it is rough. */
export function nowAndThen(world: World, everyMs: number, act: () => void): void {
  world.timeline.after(world.dice.about(everyMs), () => {
    if (!world.isRough) return
    act()
    nowAndThen(world, everyMs, act)
  })
}
