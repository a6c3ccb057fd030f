/**
 * The plan as it is kept: whole, as a note for the page and for explanations; and as a fact of a cloud when what is done or
 * held there becomes another kind of thing, so that a history of plans is short enough to be read.
 */

import type { Clock } from '../../core/clock.ts'
import type { NewFact } from '../../core/facts.ts'
import type { FleetPlan, PlanLine } from '../../core/fleet.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { FactStore } from '../../core/ports/store.ts'

/** The note's text is a FleetPlan as JSON. */
export const planNote = 'plan'

export type PlanKeeper = { keep(plan: FleetPlan): Promise<void> }

type Kept = { readonly text: string; readonly atMs: number; readonly kinds: ReadonlyMap<string, string> }

const reasonLength = 300

export function planKeeper(
  everyMs: number,
  { store, bus, clock }: { readonly store: FactStore; readonly bus: Bus; readonly clock: Clock },
): PlanKeeper {
  let last: Kept = { text: '', atMs: -Infinity, kinds: new Map() }
  return {
    async keep(plan) {
      const text = JSON.stringify(plan.lines)
      const kinds = kindsOf(plan.lines)
      const clouds = new Set([...kinds.keys(), ...last.kinds.keys()])
      const turned = [...clouds].filter((cloud) => kinds.get(cloud) !== last.kinds.get(cloud))
      const isDue = text !== last.text || plan.atMs - last.atMs >= everyMs
      if (!isDue) return
      await store.keepNote(planNote, JSON.stringify(plan))
      if (turned.length > 0) {
        await store.tell(
          turned.map((cloud) => planFact(cloud, plan.lines)),
          clock.nowMs(),
        )
        bus.hint({ kind: 'clouds', ids: turned })
      }
      last = { text, atMs: plan.atMs, kinds }
    },
  }
}

function kindsOf(lines: readonly PlanLine[]): ReadonlyMap<string, string> {
  const kinds = new Map<string, Set<string>>()
  for (const line of lines) {
    if (line.cloud === undefined) continue
    const set = kinds.get(line.cloud) ?? new Set()
    kinds.set(line.cloud, set.add(line.kind === 'hold' ? `hold ${line.why}` : line.kind))
  }
  return new Map([...kinds].map(([cloud, set]) => [cloud, [...set].sort().join()]))
}

function planFact(cloud: string, lines: readonly PlanLine[]): NewFact {
  const own = lines.filter((line) => line.cloud === cloud)
  const data: Record<string, string | number> = {}
  for (const line of own) {
    const key = line.kind === 'hold' ? `hold ${line.why}` : line.kind
    if (line.kind === 'hold') data[key] = line.reason.slice(0, reasonLength)
    else data[key] = Number(data[key] ?? 0) + (line.kind === 'create' ? line.count : 1)
  }
  return { subject: `cloud:${cloud}`, kind: own.length === 0 ? 'plan: nothing to do' : 'plan', data }
}
