/**
 * What the pages and the JSON routes show, read for one viewer: the same answer for both. Reads through the queue's
 * operations and the store, keeps to what the viewer sees, and changes nothing.
 *
 * What is dear (counts, queues, live VMs, clouds) is read at most once a second, however many look.
 */

import { type Caller, sees, seesVm, visibleVo } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { isVmId, type JobId } from '../../core/kernel/ids.ts'
import type { Job, JobSpec, JobStateName } from '../../core/model/job.ts'
import { page } from '../../core/kernel/limits.ts'
import { type KeptVm, isOver, type Vm } from '../../core/model/vm.ts'
import { type CloudStatus, planFor } from '../director/status.ts'
import type { ListedImage } from '../images/list-images.ts'
import { explain, type Explained } from '../jobs/explain.ts'
import type { JobPorts } from '../jobs/ports.ts'
import { type Status, status } from '../jobs/status.ts'
import { taskQueues, type WaitingQueues } from '../jobs/task-queues.ts'
import { recentReading } from './recent-reading.ts'
import type { Hearing } from './hearing.ts'

/** Half of how often a page refreshes itself. */
const keepMs = 1000
const historyMost = 1000

export type JobFilter = {
  readonly state?: JobStateName
  readonly vo?: string
  readonly owner?: string
  readonly beforeId?: number
  readonly limit: number
}

export type JobReading = {
  readonly job: Job
  readonly spec: JobSpec | undefined
  readonly facts: readonly Fact[]
  readonly explained: Explained
}

export type VmReading = {
  readonly kept: KeptVm
  readonly facts: readonly Fact[]
  /** The jobs on it that the viewer sees, and how many there are besides. */
  readonly jobs: readonly Job[]
  readonly hiddenJobs: number
}

export type Readings = {
  status(viewer: Caller): Promise<Status>
  queues(viewer: Caller, limit: number): Promise<WaitingQueues>
  /** Newest first. */
  liveVms(viewer: Caller): Promise<readonly KeptVm[]>
  endedVms(viewer: Caller, limit: number): Promise<readonly Vm[]>
  /** Throws `not-found`, as `job` does: also for what the viewer does not see. */
  vm(viewer: Caller, id: string): Promise<VmReading>
  clouds(viewer: Caller): Promise<CloudStatus>
  /** By name. */
  images(): Promise<readonly ListedImage[]>
  /** `lastSeq`: where to go on reading, facts that are not for the viewer passed over. */
  facts(viewer: Caller, after: number, limit: number): Promise<{ readonly facts: readonly Fact[]; readonly lastSeq: number }>
  /** Newest first. `more`: the id before which the next page begins; undefined: this is the last. */
  jobs(viewer: Caller, filter: JobFilter): Promise<{ readonly jobs: readonly Job[]; readonly more: JobId | undefined }>
  job(viewer: Caller, id: number): Promise<JobReading>
}

/** What is not the queue's to tell. */
export type Sources = {
  readonly cloudStatus: () => Promise<CloudStatus>
  readonly images: () => Promise<readonly ListedImage[]>
}

export function readings(queue: JobPorts, { cloudStatus, images }: Sources, hearing: Hearing): Readings {
  const { store, clock } = queue
  const everyStatus = recentReading(clock, keepMs, () => status(queue, undefined))
  const everyCloud = recentReading(clock, keepMs, cloudStatus)
  const everyVm = recentReading(clock, keepMs, async () =>
    [...(await store.liveVms())].sort((a, b) => b.vm.intendedMs - a.vm.intendedMs),
  )

  return {
    async status(viewer) {
      const vo = visibleVo(viewer)
      const { jobs, vms } = await everyStatus()
      return { jobs: vo === undefined ? jobs : jobs.filter((count) => count.vo === vo), vms }
    },
    queues: (viewer, limit) => taskQueues(queue, visibleVo(viewer), limit),
    liveVms: async (viewer) => (await everyVm()).filter(({ vm }) => seesVm(viewer, vm)),
    endedVms: (viewer, limit) => endedVms(queue, viewer, limit),
    vm: (viewer, id) => oneVm(queue, viewer, id),
    async clouds(viewer) {
      const { clouds, plan } = await everyCloud()
      return { clouds, plan: planFor(plan, visibleVo(viewer)) }
    },
    images: recentReading(clock, keepMs, images),
    async facts(viewer, after, limit) {
      // The latest for a viewer who does not hear all: looked for among some more.
      const latest = after < 0 && visibleVo(viewer) !== undefined
      const facts = await store.facts(after, latest ? Math.min(limit * 10, page.max) : limit)
      const heard = await hearing.heard(viewer, facts)
      return { facts: heard.slice(-limit), lastSeq: facts.at(-1)?.seq ?? Math.max(0, after) }
    },
    async jobs(viewer, { state, vo, owner, beforeId, limit }) {
      const only = visibleVo(viewer)
      if (only !== undefined && vo !== undefined && vo !== only) {
        throw new PilotageError('forbidden', `the jobs of VO ${shown(vo)} are not for this viewer`)
      }
      const jobs = await store.list({
        vo: vo ?? only,
        owner,
        states: state && [state],
        beforeId: beforeId as JobId | undefined,
        limit,
      })
      return { jobs, more: jobs.length < limit ? undefined : jobs.at(-1)?.id }
    },
    async job(viewer, id) {
      const [job] = await store.jobs([id as JobId])
      if (!job || !sees(viewer, job)) throw new PilotageError('not-found', `no job ${id}`)
      const [specs, facts, explained] = await Promise.all([
        store.specs([job.id]),
        store.history(`job:${job.id}`, historyMost),
        explain(queue, job),
      ])
      return { job, spec: specs.get(job.id), facts, explained }
    },
  }
}

/** For a viewer who does not see all: looked for among the latest of all. */
async function endedVms({ store }: JobPorts, viewer: Caller, limit: number): Promise<readonly Vm[]> {
  if (visibleVo(viewer) === undefined) return store.endedVms(limit)
  return (await store.endedVms(page.max)).filter((vm) => seesVm(viewer, vm)).slice(0, limit)
}

async function oneVm({ store }: JobPorts, viewer: Caller, id: string): Promise<VmReading> {
  const kept = isVmId(id) ? await store.vm(id) : undefined
  if (!kept || !seesVm(viewer, kept.vm)) throw new PilotageError('not-found', `no VM ${shown(id)}`)
  const { vm } = kept
  const [facts, leased] = await Promise.all([
    store.history(`vm:${vm.id}`, historyMost),
    isOver(vm.phase) ? [] : store.leasesOn(vm.id),
  ])
  const jobs = leased.filter((job) => sees(viewer, job))
  return { kept, facts, jobs, hiddenJobs: leased.length - jobs.length }
}
