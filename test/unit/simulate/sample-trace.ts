/** Small traces and sites for tests of the simulation: a trace is written as a list of jobs, a site as few clouds. */

import { openPilotage } from '../../../sim/simulate/policies/pilotage.ts'
import type { Policy } from '../../../sim/simulate/policies/policy.ts'
import { policyReport, type PolicyReport } from '../../../sim/simulate/report.ts'
import { run } from '../../../sim/simulate/run.ts'
import { type Site, siteOf } from '../../../sim/simulate/site.ts'
import type { SwfJob } from '../../../sim/simulate/swf.ts'
import { workloadOf } from '../../../sim/simulate/workload.ts'
import { seededRandom } from '../../../core/kernel/random.ts'

type Wish = Partial<SwfJob> & { readonly at: number; readonly runs: number }

export function traceOf(wishes: readonly Wish[]): readonly SwfJob[] {
  const unknown = { requestedMemoryKib: -1, queue: -1 }
  return wishes.map(({ at, runs, ...wish }, index) => ({
    ...unknown,
    ...{ number: index + 1, submitSeconds: at, runSeconds: runs, cores: 1, requestedSeconds: 2 * runs, user: 1, group: 1 },
    ...wish,
  }))
}

/** Jobs of some VOs and users that come and go in waves. */
export function busyTrace(count: number, seed = 1): readonly SwfJob[] {
  const random = seededRandom(seed)
  const whole = (max: number): number => Math.floor(random.next() * max)
  const wishes = Array.from({ length: count }, (_, at) => {
    const wave = Math.floor(at / 200) * 3600
    return { at: wave + whole(900), runs: 20 + whole(2400), user: whole(9), group: whole(3), cores: 1 + whole(2) }
  })
  return traceOf(wishes.toSorted((a, b) => a.at - b.at))
}

export const smallFlavor = { name: 'small', cores: 1, memory: '2GiB', disk: '20GiB', pricePerHour: 0.1 }
export const largeFlavor = { name: 'large', cores: 8, memory: '16GiB', disk: '160GiB', pricePerHour: 0.8 }

export function sampleSite(changes: object = {}, ...clouds: readonly object[]): Site {
  const usual = { name: 'north', flavors: [smallFlavor] }
  return siteOf({ ...changes, clouds: clouds.length > 0 ? clouds.map((one) => ({ ...usual, ...one })) : [usual] })
}

export async function ran(
  trace: readonly SwfJob[],
  site: Site,
  policy: Policy = openPilotage(site, true),
  seed = 1,
): Promise<PolicyReport> {
  const workload = workloadOf(trace, site)
  return policyReport(await run({ site, workload, policy, seed }), { name: policy.name, summary: '' })
}
