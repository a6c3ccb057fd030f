/**
 * Offerings whose machines come up and are of no use, as weather; and the auditor's count of them.
 *
 * never-starts: the monitor works, and no pilot ever starts. clock-off: the machine's clock is minutes off. smaller: it has
 * a core less than was promised. disk-full: others have filled its disk. keeps-payloads: what a payload leaves cannot be
 * removed there, so that its account serves no other; such a machine is of use for a while. The auditor knows which machines
 * these are, whatever the records say. How many there may be follows from the breaker's policy: as many as open it, then one
 * probe after each back-off, and besides those that were made at once before the first was known.
 */

import type { BreakerPolicy } from '../core/plan/breaker.ts'
import type { DirectedCloud } from '../services/director/options.ts'
import type { Dice } from './dice.ts'
import type { FakeMachine } from './fake-cloud.ts'
import type { Violations } from './violations.ts'

const kinds = ['never-starts', 'clock-off', 'smaller', 'disk-full', 'keeps-payloads'] as const
export type Uselessness = (typeof kinds)[number]

/** All machines of some offerings, until the world heals. Absent: of every cloud, of every flavor. */
export type UselessOffering = { readonly cloud?: string; readonly flavor?: string; readonly kind: Uselessness }

const windowMs = 60 * 60_000

export function drawUseless({ chance, pick }: Dice): UselessOffering | undefined {
  if (chance(0.3)) return undefined
  const kind = pick(kinds)
  // What does not fit a machine that is smaller finds a larger flavor: work need not wait for that.
  if (kind === 'smaller') return { kind }
  return { cloud: pick(['north', 'south']), flavor: pick(['small', 'medium', 'large']), kind }
}

export function uselessnessOf(weather: UselessOffering | undefined, { order }: FakeMachine): Uselessness | undefined {
  const { cloud, flavor } = order.shape
  return (weather?.cloud ?? cloud) === cloud && (weather?.flavor ?? flavor) === flavor ? weather?.kind : undefined
}

/** In any hour. */
export function maxUselessPerHour({ failures, backoffMs, maxBackoffMs }: BreakerPolicy, maxVms: number): number {
  let probes = 0
  let nextMs = backoffMs
  for (let passedMs = nextMs; passedMs <= windowMs; passedMs += nextMs) {
    probes += 1
    nextMs = Math.min(2 * nextMs, maxBackoffMs)
  }
  return failures + probes + maxVms
}

export type UselessBooks = { count(machine: FakeMachine, kind: Uselessness, nowMs: number): void }

export function uselessBooks(
  { violations, toll }: { readonly violations: Violations; readonly toll: { useless: number; readonly clockMoves: number } },
  clouds: readonly Pick<DirectedCloud, 'cloud' | 'breaker' | 'limits'>[],
): UselessBooks {
  const times = new Map<string, readonly number[]>()
  return {
    count({ order }, kind, nowMs) {
      const { vmId, shape } = order
      const directed = clouds.find(({ cloud }) => cloud.name === shape.cloud)
      if (!directed) return
      toll.useless += 1
      const name = `${shape.cloud}/${shape.flavor}`
      const recent = [...(times.get(name) ?? []).filter((atMs) => nowMs - atMs < windowMs), nowMs]
      times.set(name, recent)
      const { maxVms } = directed.limits
      // What one of them was found to have corrects all plans: only those that were made before that are in vain. A clock
      // that is put ahead ends a back-off.
      const max = kind === 'smaller' ? maxVms : maxUselessPerHour(directed.breaker, maxVms) + toll.clockMoves
      const what = (): string => `${recent.length} useless VMs of ${name} in an hour, of at most ${max}`
      violations.check(recent.length <= max, 'useless', { vmId }, what)
    },
  }
}
