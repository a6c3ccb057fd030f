/**
 * A simulation from files to a report: one trace, one site, any number of policies side by side. Each policy gets the same
 * jobs, the same clouds and the same seed.
 */

import { basename } from 'node:path'
import { policyOf } from './policies/catalogue.ts'
import { type PolicyReport, policyReport, type Report, reportOf } from './report.ts'
import { run } from './run.ts'
import { readSite } from './site.ts'
import { readSwf } from './swf.ts'
import { workloadOf } from './workload.ts'

export type SimulationOptions = {
  readonly trace: string
  readonly config: string
  readonly policies: readonly string[]
  /** At most this number of jobs: the first ones; absent: all. */
  readonly maxJobs?: number
  readonly scale?: number
  /** Absent: of the site. */
  readonly seed?: number
  /** Called before each policy. */
  readonly onPolicy?: (name: string) => void
}

export async function simulate(options: SimulationOptions): Promise<Report> {
  const { maxJobs, scale = 1, onPolicy } = options
  const makers = options.policies.map(policyOf)
  const site = readSite(options.config)
  const seed = options.seed ?? site.seed
  const trace = await readSwf(options.trace, maxJobs)
  const workload = workloadOf(trace.jobs, site, scale)
  const policies: PolicyReport[] = []
  for (const maker of makers) {
    onPolicy?.(maker.name)
    policies.push(policyReport(await run({ site, workload, policy: maker.open(site), seed }), maker))
  }
  return reportOf({ name: basename(options.trace), trace, workload, site, seed, scale, policies })
}
