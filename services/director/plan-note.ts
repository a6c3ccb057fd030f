/**
 * The plan as it is kept: for each cloud as a note of its holder's, for the page; and as a fact of the cloud when what is
 * done or held there becomes another kind of thing, so that a history of plans is short enough to be read.
 *
 * What the plan says of no single cloud stands in every note: a reader takes it from the newest one.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { type DataOf, newFact, type NewFact } from '../../core/model/fact-shapes.ts'
import { blockedText } from '../../core/plan/cause-text.ts'
import { planNote, planText } from '../../core/plan/cloud-note.ts'
import type { FleetPlan, PlanLine } from '../../core/plan/fleet.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { FactStore } from '../../core/ports/store.ts'
import type { CloudLease } from './cloud-lease.ts'
import type { DirectorOptions } from './options.ts'

export type PlanKeeper = { keep(plan: FleetPlan, leases: readonly CloudLease[]): Promise<void> }

type Kept = { readonly text: string; readonly atMs: number; readonly kinds: ReadonlyMap<string, string> }

const reasonLength = 300

/** What of a plan is for a director to do and to show: of the clouds that it holds, and of no configured cloud. */
export function ownLines(
  lines: readonly PlanLine[],
  leases: readonly CloudLease[],
  { clouds }: Pick<DirectorOptions, 'clouds'>,
): readonly PlanLine[] {
  const others = new Set(clouds.map(({ cloud }) => cloud.name))
  for (const { directed } of leases) others.delete(directed.cloud.name)
  return lines.filter(({ cloud }) => cloud === undefined || !others.has(cloud))
}

export function planKeeper(
  everyMs: number,
  { store, bus, clock, clouds }: Pick<DirectorOptions, 'clouds'> & { store: FactStore; bus: Bus; clock: Clock },
): PlanKeeper {
  const configured = new Set(clouds.map(({ cloud }) => cloud.name))
  const first = clouds[0]?.cloud.name
  const kept = new Map<string, Kept>()

  async function keep(cloud: string, plan: FleetPlan): Promise<void> {
    const last: Kept = kept.get(cloud) ?? { text: '', atMs: -Infinity, kinds: new Map() }
    const lines = plan.lines.filter(
      (line) => line.cloud === cloud || line.cloud === undefined || !configured.has(line.cloud),
    )
    const text = JSON.stringify(lines)
    // One director shows clouds that are not configured: the one that holds the first.
    const shown = lines.filter((line) => line.cloud === cloud || cloud === first)
    const kinds = kindsOf(shown)
    const turned = [...new Set([...kinds.keys(), ...last.kinds.keys()])].filter(
      (name) => kinds.get(name) !== last.kinds.get(name),
    )
    const isDue = text !== last.text || plan.atMs - last.atMs >= everyMs
    if (!isDue) return
    await store.keepNote(planNote(cloud), planText({ atMs: plan.atMs, lines }))
    if (turned.length > 0) {
      await store.emit(
        turned.map((name) => planFact(name, shown)),
        clock.nowMs(),
      )
      bus.hint({ kind: 'clouds', ids: turned })
    }
    kept.set(cloud, { text, atMs: plan.atMs, kinds })
  }

  return {
    async keep(plan, leases) {
      await Promise.all(
        leases.map((cloudLease) => (cloudLease.isHeld() ? keep(cloudLease.directed.cloud.name, plan) : undefined)),
      )
    },
  }
}

function kindsOf(lines: readonly PlanLine[]): ReadonlyMap<string, string> {
  const kinds = new Map<string, Set<string>>()
  for (const line of lines) {
    if (line.cloud === undefined) continue
    const set = kinds.get(line.cloud) ?? new Set()
    kinds.set(line.cloud, set.add(line.kind === 'hold' ? `hold ${line.cause.why}` : line.kind))
  }
  return new Map([...kinds].map(([cloud, set]) => [cloud, [...set].sort().join()]))
}

function planFact(cloud: string, lines: readonly PlanLine[]): NewFact {
  const own = lines.filter((line) => line.cloud === cloud)
  const data: { -readonly [Key in keyof DataOf<'plan'>]: DataOf<'plan'>[Key] } = {}
  for (const line of own) {
    if (line.kind === 'hold') data[`hold ${line.cause.why}`] = blockedText(line).slice(0, reasonLength)
    else data[line.kind] = (data[line.kind] ?? 0) + (line.kind === 'create' ? line.count : 1)
  }
  return newFact('plan', `cloud:${cloud}`, own.length === 0 ? 'plan: nothing to do' : 'plan', data)
}
