/**
 * What the store keeps in memory instead of asking the disk: jobs counted by state, VO and site; the jobs that hold a lease,
 * by VM; jobs that began to wait recently; the number of waiting jobs of each queue. Derived from the rows alone: rebuilt
 * when the store opens and after a rollback, and kept in step by `moved` with every change in between. Bounded by what runs,
 * not by what ever ran.
 */

import { type Resources, noResources, takenWith, plus, minus } from '../../../../core/model/resources.ts'
import type { AttemptRef, JobId, VmId } from '../../../../core/kernel/ids.ts'
import { type Job, type JobStateName, leaseOf } from '../../../../core/model/job.ts'
import type { JobCount } from '../../../../core/ports/store.ts'
import type { KeptVm } from '../../../../core/model/vm.ts'
import type { TaskQueue } from '../../../../core/model/task-queue.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import { type OpenJobs, openJobs } from './open-jobs.ts'

type Load = { readonly jobs: Set<JobId>; used: Resources }

export type Tallies = {
  /** A job came (`before` absent), changed, or was forgotten (`after` absent). */
  moved(before: Job | undefined, after: Job | undefined, requirements: Requirements): void
  /** Jobs of one owner came, and are Waiting or Blocked. */
  came(jobs: readonly Job[]): void
  /** `count` jobs that hold no lease, as found when the store opens. */
  settled(jobs: { state: JobStateName; queue: TaskQueue; vmId: VmId | undefined }, count: number): void
  readonly open: OpenJobs
  vmKnown(id: VmId, site: string): void
  loadOf(id: VmId): { leases: number; used: KeptVm['used'] }
  waitingBy(queue: string): number
  waitingQueues(): readonly string[]
  counts(): readonly JobCount[]
  /** A job that holds a lease, or began to wait recently: what the next events will ask for. */
  known(id: JobId): Job | undefined
  leasesOn(id: VmId): readonly Job[]
  expired(nowMs: number, limit: number): readonly AttemptRef[]
  leasesBeyond(untilMs: number, limit: number): readonly AttemptRef[]
}

/** Waiting jobs held in memory, at some 300 bytes each. The others are read when their turn comes. */
const maxRecent = 100_000

const noLoad = (): Load => ({ jobs: new Set(), used: noResources })

export function tallies(): Tallies {
  const counts = new Map<string, number>()
  const loads = new Map<VmId, Load>()
  const live = new Map<JobId, Job>()
  const recent = new Map<JobId, Job>()
  const waiting = new Map<string, number>()
  const sites = new Map<VmId, string>()
  const open = openJobs()

  const siteOf = (vmId: VmId | undefined): string => (vmId === undefined ? '' : (sites.get(vmId) ?? ''))

  function add(job: Job, requirements: Requirements, by: 1 | -1): void {
    const { phase } = job
    bump(counts, countKey(phase.state, job.vo, siteOf('lease' in phase ? phase.lease?.vmId : undefined)), by)
    if (isOpen(phase.state)) open.moved(job, job.classId, by)
    if (phase.state === 'Waiting') {
      bump(waiting, job.classId, by)
      if (by === -1) recent.delete(job.id)
      else if (recent.size < maxRecent) recent.set(job.id, job)
    }
    const lease = leaseOf(phase)
    if (!lease) return
    if (by === 1) live.set(job.id, job)
    else live.delete(job.id)
    const load = loads.get(lease.vmId) ?? noLoad()
    if (by === 1) load.jobs.add(job.id)
    else load.jobs.delete(job.id)
    const taken = takenWith(lease, requirements)
    load.used = by === 1 ? plus(load.used, taken) : minus(load.used, taken)
    if (load.jobs.size === 0) loads.delete(lease.vmId)
    else loads.set(lease.vmId, load)
  }

  return {
    moved(before, after, requirements) {
      if (before) add(before, requirements, -1)
      if (after) add(after, requirements, 1)
    },
    came: (jobs) => came({ counts, waiting, recent, open }, jobs),
    settled({ state, queue, vmId }, count) {
      bump(counts, countKey(state, queue.vo, siteOf(vmId)), count)
      if (state === 'Waiting') bump(waiting, queue.id, count)
      if (isOpen(state)) open.moved(queue, queue.id, count)
    },
    open,
    vmKnown(id, site) {
      sites.set(id, site)
    },
    loadOf(id) {
      const { jobs, used } = loads.get(id) ?? noLoad()
      return { leases: jobs.size, used }
    },
    waitingBy: (queue) => waiting.get(queue) ?? 0,
    waitingQueues: () => [...waiting.keys()],
    counts() {
      return [...counts].map(([key, count]) => {
        const [state, vo, site] = key.split('\u0000') as [JobStateName, string, string]
        return { state, vo, site, count }
      })
    },
    known: (id) => live.get(id) ?? recent.get(id),
    leasesOn: (id) => [...(loads.get(id)?.jobs ?? [])].sort((a, b) => a - b).flatMap((jobId) => live.get(jobId) ?? []),
    expired: (nowMs, limit) => expiredOf(live.values(), nowMs, limit),
    leasesBeyond(untilMs, limit) {
      const beyond = [...live.values()].filter(({ phase }) => (leaseOf(phase)?.untilMs ?? 0) > untilMs)
      return beyond.slice(0, limit).map(({ id: jobId, attempt }) => ({ jobId, attempt }))
    },
  }
}

type Waiting = {
  readonly counts: Map<string, number>
  readonly waiting: Map<string, number>
  readonly recent: Map<JobId, Job>
  readonly open: OpenJobs
}

/** It counts for the quota: its owner has it in the queue. */
function isOpen(state: JobStateName): boolean {
  return state === 'Waiting' || state === 'Held' || state === 'Blocked'
}

/** As many calls of `moved` would, at a fraction of the time: what jobs of one task queue share is counted once. */
function came({ counts, waiting, recent, open }: Waiting, jobs: readonly Job[]): void {
  for (const [classId, of] of Map.groupBy(jobs, (job) => job.classId)) {
    const [first] = of
    if (!first) continue
    const free = of.filter(({ phase }) => phase.state === 'Waiting').length
    for (const [state, count] of [['Waiting', free] as const, ['Blocked', of.length - free] as const]) {
      if (count > 0) bump(counts, countKey(state, first.vo, ''), count)
    }
    open.moved(first, classId, of.length)
    if (free > 0) bump(waiting, classId, free)
  }
  for (const job of jobs) {
    if (recent.size >= maxRecent) return
    if (job.phase.state === 'Waiting') recent.set(job.id, job)
  }
}

function expiredOf(live: Iterable<Job>, nowMs: number, limit: number): readonly AttemptRef[] {
  const found: { ref: AttemptRef; untilMs: number }[] = []
  for (const { id, attempt, phase } of live) {
    const untilMs = leaseOf(phase)?.untilMs ?? 0
    if (untilMs < nowMs) found.push({ ref: { jobId: id, attempt }, untilMs })
  }
  return found
    .sort((a, b) => a.untilMs - b.untilMs)
    .slice(0, limit)
    .map(({ ref }) => ref)
}

/** Names hold no control characters (validation sees to it), so a zero keeps them apart. */
function countKey(state: JobStateName, vo: string, site: string): string {
  return `${state}\u0000${vo}\u0000${site}`
}

function bump(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
