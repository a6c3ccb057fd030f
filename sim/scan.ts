/**
 * The whole store against the auditor's books and against itself: now and then, and at the end. What is asked here is asked
 * of the store in one moment, between two events.
 */

import type { JobId } from '../core/kernel/ids.ts'
import { type Job, leaseOf } from '../core/model/job.ts'
import type { Store } from '../core/ports/store.ts'
import type { Ground } from './ground.ts'

export async function scan(
  { jobs, vms, violations, weather }: Ground,
  truth: Store,
  acknowledged: ReadonlySet<number>,
): Promise<void> {
  const ids = [...jobs.entries.keys()] as JobId[]
  const [kept, counts, queues, live] = await Promise.all([truth.jobs(ids), truth.counts(), truth.queues(), truth.liveVms()])
  const byId = new Map(kept.map((job) => [job.id as number, job]))
  for (const jobId of acknowledged) {
    violations.check(byId.has(jobId), 'jobKept', { jobId }, () => 'it was acknowledged and the store has it not')
  }
  for (const entry of jobs.entries.values()) {
    const job = byId.get(entry.id)
    const isSame = job?.phase.state === entry.state && job.attempt === entry.attempt && vmOf(job) === entry.vmId
    violations.check(
      isSame,
      'jobKept',
      { jobId: entry.id },
      () => `the books have ${entry.state} ${entry.attempt}, the store ${job?.phase.state} ${job?.attempt}`,
    )
    violations.check(entry.ends <= 1, 'endFinal', { jobId: entry.id }, () => `it ended ${entry.ends} times`)
  }
  const counted = total(counts.map(({ state, vo, count }) => [`${state} ${vo}`, count]))
  const found = total(kept.map((job) => [`${job.phase.state} ${job.vo}`, 1]))
  violations.check(counted === found, 'counts', {}, () => `counted ${counted}; scanned ${found}`)
  const waiting = total(queues.map(({ queue, waiting: count }) => [queue.id, count]))
  const waits = total(kept.filter(({ phase }) => phase.state === 'Waiting').map(({ classId }) => [classId, 1]))
  violations.check(waiting === waits, 'counts', {}, () => `task queues ${waiting}; scanned ${waits}`)
  for (const { vm, leases, used } of live) {
    const own = kept.filter((job) => vmOf(job) === vm.id)
    const cores = own.reduce((sum, job) => sum + (leaseOf(job.phase)?.cores ?? 0), 0)
    const isSame = leases === own.length && used.cores === cores
    violations.check(
      isSame,
      'counts',
      { vmId: vm.id },
      () => `${leases} leases of ${used.cores} cores; scanned ${own.length} of ${cores}`,
    )
    // Exact with the embedded store only. A claim of unknown outcome is a lease that no pilot learns of before its
    // next stream; and a store that keeps no order may write a claim before the end that made room for it. What really runs
    // is held against the machine in host-payloads.ts, whatever the store says.
    const isExact = weather.isStoreSure && weather.isStoreOrdered
    const isWithin = !isExact || cores <= vm.cores
    violations.check(isWithin, 'limits', { vmId: vm.id }, () => `${cores} cores are leased of ${vm.cores}`)
    violations.check(
      vms.state(vm.id) === vm.phase.state,
      'vmRecord',
      { vmId: vm.id },
      () => `the store has ${vm.phase.state}`,
    )
  }
  const records = vms.live().length
  violations.check(live.length === records, 'vmRecord', {}, () => `${live.length} live VMs, the books have ${records}`)
}

function vmOf(job: Job): string | undefined {
  return leaseOf(job.phase)?.vmId
}

function total(pairs: readonly (readonly [string, number])[]): string {
  const sums = new Map<string, number>()
  for (const [key, count] of pairs) sums.set(key, (sums.get(key) ?? 0) + count)
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, count]) => `${key}: ${count}`)
    .join(', ')
}
