/**
 * Watch: the jobs as they are, then every change, until all have ended or the caller hung up. What is read comes from the
 * process's one reader (job-feed.ts); a slow caller is sent the latest of each job, not everything.
 */

import type { ServerWritableStream } from '@grpc/grpc-js'
import { sees } from '../../../core/access/caller.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { feedLimits, loadLimits } from '../../../core/kernel/limits.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import type { Caller } from './admission.ts'
import { asUser } from './edge.ts'
import type { JobFeed } from './job-feed.ts'
import { goneSignal, written } from './stream.ts'

export type WatchOptions = {
  readonly clock: Clock
  readonly feed: JobFeed
  readonly ids: readonly JobId[]
  readonly caller: Caller
}

/** Ids that a refusal names. */
const maxNamed = 10

/** Throws `overloaded` where the caller watches too much, and `not-found` in the end where none of the jobs is there. */
export async function watchJobs(
  { clock, feed, ids, caller }: WatchOptions,
  call: ServerWritableStream<wire.WatchJobsRequest, wire.WatchJobsResponse>,
): Promise<void> {
  const viewer = asUser(caller)
  const end = caller.load.watch(ids.length)
  // One that is refused has cost no more than its ids.
  caller.load.charge(ids.length / loadLimits.jobsPerUnit)
  const gone = goneSignal(call)
  const unsent = new Map<number, { readonly job: wire.Job; readonly last: boolean }>()
  let missing: JobId[] = []
  let hasSentJobs = false
  let failure: unknown
  let wake = Promise.withResolvers<void>()
  const wakeUp = (): void => wake.resolve()
  gone.addEventListener('abort', wakeUp)
  const following = feed.follow(ids, {
    isVisible: (job) => sees(viewer, job),
    hasRoom: () => unsent.size < feedLimits.batch,
    job(job, last) {
      unsent.set(job.jobId, { job, last })
      wakeUp()
    },
    gone(id) {
      missing.push(id)
      wakeUp()
    },
    failed(error) {
      failure = error
      wakeUp()
    },
  })
  try {
    while (!gone.aborted && failure === undefined && following.left() + unsent.size + missing.length > 0) {
      wake = Promise.withResolvers()
      if (unsent.size === 0 && missing.length === 0) {
        await wake.promise
        continue
      }
      const now = [...unsent.values()].slice(0, feedLimits.batch)
      for (const { job, last } of now) {
        unsent.delete(job.jobId)
        if (last) following.drop(job.jobId as JobId)
      }
      hasSentJobs ||= now.length > 0
      const notFound = missing
      missing = []
      if (!(await written(clock, call, gone, { jobs: now.map(({ job }) => job), notFound }))) return
      following.more()
    }
    if (failure !== undefined) throw failure
    if (!gone.aborted && !hasSentJobs) throw new PilotageError('not-found', `no job ${ids.slice(0, maxNamed).join(', ')}`)
  } finally {
    following.end()
    end()
  }
}
