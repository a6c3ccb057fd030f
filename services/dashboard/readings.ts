/**
 * What the pages and the JSON routes show, read for one viewer: the same answer for both. Calls the
 * reading use cases, keeps to what the viewer sees, and changes nothing.
 *
 * What is dear (counts, queues, live VMs, clouds) is read at most once a second, however many look.
 */

import { type Caller, seesVm } from '../../core/access/caller.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { KeptVm, Vm } from '../../core/model/vm.ts'
import type { FactStore, JobQuery, JobStore, VmStore } from '../../core/ports/store.ts'
import type { ListedImage } from '../images/list-images.ts'
import { type JobPage, listJobs } from '../jobs/list-jobs.ts'
import { type JobReading, type JobReadPorts, readJob } from '../jobs/read-job.ts'
import { readSpec } from '../jobs/read-spec.ts'
import { type Status, status, statusFor, type StatusPorts } from '../jobs/status.ts'
import { listTaskQueues, type TaskQueuePorts, type WaitingQueues } from '../jobs/task-queues.ts'
import { type CloudStatus, cloudsFor } from '../vms/list-clouds.ts'
import { endedVms } from '../vms/list-vms.ts'
import { readVm, type VmReading, type VmReadPorts } from '../vms/read-vm.ts'
import { recentReading } from './recent-reading.ts'
import type { Hearing } from '../access/hearing.ts'
import { type FactPage, readFacts } from '../access/read-facts.ts'

/** Half of how often a page refreshes itself. */
const keepMs = 1000

export type ReadingPorts = StatusPorts &
  TaskQueuePorts &
  JobReadPorts &
  VmReadPorts & { readonly store: Pick<JobStore, 'list'> & Pick<VmStore, 'endedVms'> & Pick<FactStore, 'facts'> }

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
  facts(viewer: Caller, after: number, limit: number): Promise<FactPage>
  /** `more`: behind which job the next page begins; undefined: this is the last. */
  jobs(viewer: Caller, query: JobQuery): Promise<JobPage>
  job(viewer: Caller, id: number): Promise<JobReading>
  /** Throws `forbidden` too: for a job that the viewer may only read. */
  spec(viewer: Caller, id: number): Promise<JobSpec>
}

/** Readings of other use cases, with ports of their own. */
export type Sources = {
  readonly cloudStatus: () => Promise<CloudStatus>
  readonly images: () => Promise<readonly ListedImage[]>
}

export function readings(ports: ReadingPorts, { cloudStatus, images }: Sources, hearing: Hearing): Readings {
  const { store, clock } = ports
  const everyStatus = recentReading(clock, keepMs, () => status(ports))
  const everyCloud = recentReading(clock, keepMs, cloudStatus)
  const everyVm = recentReading(clock, keepMs, async () =>
    [...(await store.liveVms())].sort((a, b) => b.vm.intendedMs - a.vm.intendedMs),
  )

  return {
    status: async (viewer) => statusFor(viewer, await everyStatus()),
    queues: (viewer, limit) => listTaskQueues(ports, viewer, limit),
    liveVms: async (viewer) => (await everyVm()).filter(({ vm }) => seesVm(viewer, vm)),
    endedVms: (viewer, limit) => endedVms(ports, viewer, limit),
    vm: (viewer, id) => readVm(ports, viewer, id),
    clouds: async (viewer) => cloudsFor(viewer, await everyCloud()),
    images: recentReading(clock, keepMs, images),
    facts: (viewer, after, limit) => readFacts({ store, hearing }, viewer, after, limit),
    jobs: (viewer, query) => listJobs(ports, viewer, query),
    job: (viewer, id) => readJob(ports, viewer, id as JobId),
    spec: (viewer, id) => readSpec(ports, viewer, id as JobId),
  }
}
