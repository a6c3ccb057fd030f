/** What every part of the simulated world stands on: time, chance, the weather, the auditor's books and the story. */

import type { VmId } from '../core/kernel/ids.ts'
import { type Dice, dice } from './dice.ts'
import { type HeldBooks, openHeld } from './held.ts'
import { type JobBooks, jobBooks } from './job-books.ts'
import { type PayloadBooks, payloadBooks } from './payloads.ts'
import { type Timeline, timeline } from './timeline.ts'
import { openTrace, type Trace } from './trace.ts'
import { openViolations, type Violations } from './violations.ts'
import { type VmBooks, vmBooks } from './vm-books.ts'
import { drawWeather, type Weather } from './weather.ts'

/** How much was done to the world. */
export type Toll = {
  serviceKills: number
  pilotKills: number
  stalls: number
  crashes: number
  cuts: number
  repeats: number
  /** Machines that came up and were of no use. */
  useless: number
  /** Wall clocks that were set, the service's. */
  clockMoves: number
}

export type Ground = {
  readonly timeline: Timeline
  readonly dice: Dice
  /** Changes when the world heals. */
  readonly weather: Weather
  readonly trace: Trace
  readonly violations: Violations
  readonly jobs: JobBooks
  readonly vms: VmBooks
  readonly held: HeldBooks
  readonly payloads: PayloadBooks
  readonly toll: Toll
  /** The service's wall clock less the true one. */
  readonly clock: { aheadMs: number }
}

export type GroundOptions = {
  readonly seed: number
  readonly machinesOf: (vmId: VmId) => readonly string[]
}

export function openGround({ seed, machinesOf }: GroundOptions): Ground {
  const time = timeline()
  const chance = dice(seed)
  const trace = openTrace(time)
  const violations = openViolations(trace)
  const jobs: JobBooks = jobBooks({ violations, trace, vmState: (vmId) => vms.state(vmId) })
  const vms = vmBooks({ violations, trace, nowMs: time.nowMs, leasesOn: jobs.leasesOn, machinesOf })
  return {
    timeline: time,
    dice: chance,
    weather: drawWeather(chance, dice(seed + 2_000_003)),
    trace,
    violations,
    jobs,
    vms,
    held: openHeld({ timeline: time, violations, jobs, vms }),
    payloads: payloadBooks(violations),
    toll: { serviceKills: 0, pilotKills: 0, stalls: 0, crashes: 0, cuts: 0, repeats: 0, useless: 0, clockMoves: 0 },
    clock: { aheadMs: 0 },
  }
}

/** Does something at random moments, `everyMs` apart on average, for as long as the weather says so. */
export function nowAndThen(ground: Pick<Ground, 'timeline' | 'dice'>, everyMs: () => number, act: () => void): void {
  const mean = everyMs()
  if (!Number.isFinite(mean)) return
  ground.timeline.after(ground.dice.about(mean), () => {
    if (!Number.isFinite(everyMs())) return
    act()
    nowAndThen(ground, everyMs, act)
  })
}
