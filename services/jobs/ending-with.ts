/**
 * How many jobs can never start any more once a job is killed: those that wait for it to be Done, and those that wait for
 * them in turn. Looks at dependants as they are now, and at a bounded number of them.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import { type DependencyEnd, isMetBy } from '../../core/model/dependency.ts'
import { type Job, openOf } from '../../core/model/job.ts'
import type { DependencyStore, JobStore } from '../../core/ports/store.ts'

type Jobs = { readonly store: Pick<JobStore, 'jobs'> & Pick<DependencyStore, 'dependants'> }

/** Dependants that are looked at for all jobs of one call. Where they are more, the counts are lower bounds. */
export const maxDependants = 1000
/** Killed jobs that are looked at side by side: their questions reach the store together. */
const rootsAtOnce = 100

/** By job; a job that no other ends with is not in it. */
export async function endingWith(ports: Jobs, killed: readonly Job[]): Promise<ReadonlyMap<JobId, number>> {
  const counts = new Map<JobId, number>()
  const budget = { left: maxDependants }
  const awaited = killed.filter((job) => job.awaited !== undefined)
  for (let at = 0; at < awaited.length && budget.left > 0; at += rootsAtOnce) {
    const some = awaited.slice(at, at + rootsAtOnce)
    await Promise.all(
      some.map(async ({ id }) => {
        const count = await countFrom(ports, id, budget)
        if (count > 0) counts.set(id, count)
      }),
    )
  }
  return counts
}

async function countFrom({ store }: Jobs, root: JobId, budget: { left: number }): Promise<number> {
  const ending = new Set<JobId>()
  const open: { readonly id: JobId; readonly end: DependencyEnd }[] = [{ id: root, end: 'Killed' }]
  for (let next = open.pop(); next && budget.left > 0; next = open.pop()) {
    const { id, end } = next
    const jobs = await store.jobs(await store.dependants(id, budget.left))
    budget.left -= Math.max(1, jobs.length)
    for (const job of jobs) {
      const waits = openOf(job.phase).find((one) => one.job === id)
      if (!waits || isMetBy(waits.when, end) || ending.has(job.id)) continue
      ending.add(job.id)
      if (job.awaited !== undefined) open.push({ id: job.id, end: 'Failed' })
    }
  }
  return ending.size
}
