/**
 * What the end of a job means for the jobs that wait for it: each of them is given the end, and with its last open
 * dependency it waits in its task queue. Every process does so for the ends that it wrote itself; the sweeper does it for
 * those that a process left when it died.
 *
 * The store settles each dependency once, so any number of processes may do the same work. Ended jobs are taken in groups
 * and dependants in slices, so that no transaction is long; a job whose end follows from here (a dependency of it can never
 * be met) comes back as a change of its own, whatever the depth of the graph.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import { isEnded, type Job } from '../../core/model/job.ts'
import type { DependencyStore, JobStore } from '../../core/ports/store.ts'
import type { Outcomes, Reaction } from './outcomes.ts'

export type DependantPorts = {
  readonly store: Pick<JobStore, 'change' | 'jobs'> & Pick<DependencyStore, 'dependants'>
  readonly outcomes: Pick<Outcomes, 'changed'>
  readonly clock: Clock
}

/** Ended jobs whose dependants are looked for at a time, and dependants that are changed in one call of the store. */
export const maxEnded = 100
export const maxReleased = 1000
const idsPerRead = 1000

/** One loop per process: ends that come while it works are its next group. `onError`: the sweeper will do what was left. */
export function releasing(ports: DependantPorts, onError: (error: unknown) => void): Reaction {
  const waiting = new Map<JobId, Job>()
  let isRunning = false

  async function run(): Promise<void> {
    while (waiting.size > 0) {
      const group = [...waiting.values()].slice(0, maxEnded)
      for (const { id } of group) waiting.delete(id)
      await releaseDependants(ports, group)
    }
  }

  function add(jobs: readonly Job[]): void {
    for (const job of jobs) if (isEnded(job.phase) && job.awaited !== undefined) waiting.set(job.id, job)
    if (isRunning || waiting.size === 0) return
    isRunning = true
    run()
      .catch((error: unknown) => {
        waiting.clear()
        onError(error)
      })
      .finally(() => {
        isRunning = false
        add([])
      })
  }

  async function look(ids: readonly JobId[]): Promise<void> {
    for (let at = 0; at < ids.length; at += idsPerRead) add(await ports.store.jobs(ids.slice(at, at + idsPerRead)))
  }

  return {
    changed(changes) {
      add(changes.map(({ job }) => job))
    },
    blocked(on) {
      look(on).catch(onError)
    },
  }
}

/** Gives the ends of these jobs to all their dependants. */
export async function releaseDependants(ports: DependantPorts, ended: readonly Job[]): Promise<void> {
  for (let left = ended; left.length > 0; ) left = await releaseSlice(ports, left)
}

/** Answers those that may have more dependants. */
async function releaseSlice({ store, outcomes, clock }: DependantPorts, ended: readonly Job[]): Promise<readonly Job[]> {
  const limit = Math.ceil(maxReleased / ended.length)
  const found = await Promise.all(ended.map(async (job) => ({ job, ids: await store.dependants(job.id, limit) })))
  const events = found.flatMap(({ job, ids }) => ids.map((jobId) => endEvent(job, jobId)))
  const answers = await store.change(events, clock.nowMs())
  await outcomes.changed(answers)
  // Another process is at the same dependants: it goes on, or the sweeper does.
  const left = answers.some(({ ok }) => ok) ? found.filter(({ ids }) => ids.length === limit) : []
  const over = found.flatMap(({ job: { id, awaited }, ids }): readonly JobEvent[] =>
    ids.length < limit && awaited !== undefined ? [{ kind: 'dependants-over', jobId: id, awaited }] : [],
  )
  await store.change(over, clock.nowMs())
  return left.map(({ job }) => job)
}

function endEvent({ id, phase }: Job, jobId: JobId): JobEvent {
  if (!isEnded(phase)) throw new Error(`assertion failed: job ${id} has ended`)
  return { kind: 'dependency-ended', jobId, on: id, end: phase.state }
}
