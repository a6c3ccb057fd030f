/**
 * Which claims exceed the record of their VM: counted from the pages after the claims are in the store, before their pilots
 * hear of them. Of two processes that claim for one VM at the same moment each sees the claims of the other, or its own are
 * older and within the record: what is beyond it is never handed out.
 */

import { heldBeside, judgeClaims } from '../../../../core/model/apply.ts'
import type { NewFact } from '../../../../core/model/fact-shapes.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { JobEvent } from '../../../../core/model/job-event.ts'
import type { Random } from '../../../../core/kernel/random.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import { type Resources, resourcesOf, fromList } from '../../../../core/model/resources.ts'
import { openAlarms } from '../../../../core/model/overclaim.ts'
import { type Database, guarded } from './database.ts'
import { emittedFactDocuments } from './emitted-facts.ts'
import { usedBy } from './vms.ts'

export type Claim = {
  readonly event: Extract<JobEvent, { kind: 'claim' }>
  readonly taken: Resources
}

export type ClaimRoom = {
  /** Those to be taken back: of a VM's claims the last ones, until the rest is within its record. */
  beyond<One extends Claim>(claims: readonly One[], nowMs: number): Promise<readonly One[]>
}

/** Some hundred bytes each. A VM's size never changes. */
const maxSizes = 20_000

export function openClaimRoom(database: Database, random: Random): ClaimRoom {
  const sizes = new Map<string, Resources>()
  const alarms = openAlarms()

  async function learn(ids: readonly VmId[]): Promise<void> {
    const missing = ids.filter((id) => !sizes.has(id))
    if (missing.length === 0) return
    const found = await guarded('reading VMs', () =>
      database.vms.find({ _id: { $in: missing } }, { projection: { doc: 1 } }).toArray(),
    )
    for (const { _id, doc } of found) {
      sizes.set(_id, resourcesOf(JSON.parse(doc) as Vm))
      if (sizes.size > maxSizes) sizes.delete(sizes.keys().next().value as string)
    }
  }

  return {
    async beyond(claims, nowMs) {
      const byVm = Map.groupBy(claims, ({ event }) => event.vmId)
      const ids = [...byVm.keys()]
      const [used] = await Promise.all([usedBy(database, { lv: { $in: ids } }), learn(ids)])
      const facts: NewFact[] = []
      const late: (typeof claims)[number][] = []
      for (const [vmId, ofVm] of byVm) {
        const size = sizes.get(vmId)
        const [, ...all] = used.get(vmId) ?? [0]
        if (!size) continue
        const taken = ofVm.map((claim) => claim.taken)
        const held = heldBeside(fromList(all), taken)
        const { fitting, alarm } = judgeClaims(vmId, size, held, taken)
        late.push(...ofVm.slice(fitting))
        if (alarm && alarms.isDue(vmId, nowMs)) facts.push(alarm)
      }
      if (facts.length > 0) {
        const documents = emittedFactDocuments(facts, nowMs, random)
        await guarded('keeping facts', () => database.emittedFacts.insertMany(documents))
      }
      return late
    },
  }
}
