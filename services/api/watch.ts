/**
 * Watch: the jobs as they are, then every change. Woken by hints, and by itself when a hint was lost; what it tells is read
 * from the store each time. Changes of a moment are told together, and a slow reader is told the latest, not everything.
 */

import type { ServerWritableStream } from '@grpc/grpc-js'
import { sleep } from '../../core/clock.ts'
import type { JobId } from '../../core/ids.ts'
import { isEnded } from '../../core/job.ts'
import type { WatchJobsRequest, WatchJobsResponse } from '../../proto/gen/pilotage/v1/job.ts'
import type { Queue } from '../queue/queue.ts'
import { jobsToWire } from './job-view.ts'

/** Changes within this time are told together. */
const gatherMs = 50
/** Without any hint, all are looked at so often. */
const lookAnywayMs = 5000
const chunk = 500

/** Resolves when all ended, or when the caller hung up. */
export async function watchJobs(
  queue: Queue,
  ids: readonly JobId[],
  call: ServerWritableStream<WatchJobsRequest, WatchJobsResponse>,
): Promise<void> {
  const open = new Set<number>(ids)
  const told = new Map<number, string>()
  let changed = new Set<number>(ids)
  let wake = new AbortController()
  const stopListening = queue.bus.listen('jobs', (hinted) => {
    for (const id of hinted) if (open.has(Number(id))) changed.add(Number(id))
    if (changed.size > 0) wake.abort()
  })

  call.on('cancelled', () => wake.abort())

  async function tell(some: readonly number[]): Promise<void> {
    const jobs = await queue.store.jobs(some as JobId[])
    const news = jobs.filter((job) => {
      const now = `${job.phase.state} ${job.attempt} ${job.changedMs}`
      const isNew = told.get(job.id) !== now
      told.set(job.id, now)
      if (isEnded(job.phase)) open.delete(job.id)
      return isNew
    })
    for (const id of some) if (!jobs.some((job) => job.id === id)) open.delete(id)
    if (news.length === 0) return
    const more = call.write({ jobs: await jobsToWire(queue, news) })
    if (!more) await new Promise((resolve) => call.once('drain', resolve).once('close', resolve).once('cancelled', resolve))
  }

  try {
    while (!call.cancelled) {
      const now = [...changed]
      changed = new Set()
      for (let at = 0; at < now.length; at += chunk) await tell(now.slice(at, at + chunk))
      if (open.size === 0) return
      wake = new AbortController()
      if (changed.size === 0) {
        const how = await sleep(queue.clock, lookAnywayMs, wake.signal)
        if (how === 'slept') changed = new Set(open)
      }
      if (changed.size < open.size) await sleep(queue.clock, gatherMs)
    }
  } finally {
    stopListening()
  }
}
