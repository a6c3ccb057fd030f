/**
 * Steer many: the use case of steer.ts for any number of jobs, by ids or by a filter, worked in slices in the order of the
 * ids.
 *
 * After each slice the store and this process are left to others for as long as the slice took, so that the matcher and
 * other callers wait for one slice at most. What is selected is found as the work goes on: a job that begins to pass the
 * filter is steered if its id is still ahead, and no job is steered twice.
 */

import { type Caller, sees } from '../../core/access/caller.ts'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { bulkLimits } from '../../core/kernel/limits.ts'
import type { JobCursor, JobFilter } from '../../core/model/job-filter.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { type KnownJob, knownJobs } from './list-jobs.ts'
import { type Steered, steerKnown, type Steering, type SteerPorts } from './steer.ts'

export type SteerManyPorts = SteerPorts & {
  readonly clock: Clock
  readonly store: Pick<JobStore, 'list' | 'countBy'>
}

export type Selection = { readonly ids: readonly JobId[] } | { readonly filter: JobFilter }

/** How many jobs are selected now; of ids, how many there are. */
export async function countSelected(ports: SteerManyPorts, caller: Caller, selection: Selection): Promise<number> {
  if ('ids' in selection) return selection.ids.length
  const filter = reachedFilter(caller, selection.filter)
  return filter ? (await ports.store.countBy(filter, { by: ['state'], limit: 1 })).jobs : 0
}

/** One answer per job that exists and that the caller may read, in slices. Ends early when `gone` is aborted. */
export async function* steerMany(
  ports: SteerManyPorts,
  caller: Caller,
  selection: Selection,
  steering: Steering,
  gone: AbortSignal,
): AsyncGenerator<readonly Steered[], void, undefined> {
  const { clock } = ports
  const slices = 'ids' in selection ? byIds(ports, caller, selection.ids) : byFilter(ports, caller, selection.filter)
  let beganMs = clock.monotonicMs()
  for await (const known of slices) {
    if (gone.aborted) return
    yield await steerKnown(ports, caller, known, steering)
    const tookMs = Math.min(clock.monotonicMs() - beganMs, bulkLimits.longestPauseMs)
    if ((await sleep(clock, tookMs, gone)) === 'aborted') return
    beganMs = clock.monotonicMs()
  }
}

async function* byIds(ports: SteerManyPorts, caller: Caller, ids: readonly JobId[]): AsyncGenerator<readonly KnownJob[]> {
  const different = [...new Set(ids)]
  for (let at = 0; at < different.length; at += bulkLimits.slice) {
    yield knownJobs(ports, caller, different.slice(at, at + bulkLimits.slice))
  }
}

async function* byFilter(
  { store }: SteerManyPorts,
  caller: Caller,
  given: JobFilter,
): AsyncGenerator<readonly KnownJob[], void, undefined> {
  const filter = reachedFilter(caller, given)
  if (!filter) return
  let after: JobCursor | undefined
  for (;;) {
    const order = { by: 'submission', isDescending: false } as const
    const jobs = await store.list({ ...filter, order, after, limit: bulkLimits.slice })
    if (jobs.length > 0) yield jobs.map((job) => ({ job, isReached: sees(caller, job) }))
    after = jobs.at(-1)
    if (jobs.length < bulkLimits.slice) return
  }
}

/** Narrowed to the jobs that the caller reaches; undefined: it names the jobs of others alone. */
function reachedFilter({ owner: own, reach }: Caller, filter: JobFilter): JobFilter | undefined {
  if (reach === 'any') return filter
  const reached: JobFilter = reach === 'own' ? own : { vo: own.vo }
  const isOthers = (['vo', 'group', 'owner'] as const).some(
    (field) => filter[field] !== undefined && reached[field] !== undefined && filter[field] !== reached[field],
  )
  return isOthers ? undefined : { ...filter, ...reached }
}
