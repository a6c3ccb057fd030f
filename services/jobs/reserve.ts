/**
 * Reserve: what one process of an installation does so that a job which needs much of a VM does not wait for ever behind
 * jobs that need little. If it stands at the front of its task queue for longer than the configured time, one VM keeps its
 * room for that task queue (core/model/reservation.ts), and the matchers give it to no other.
 *
 * One step, idempotent, under the role `sweeper`; it reads all task queues and VMs, so it is rare, and no match costs more
 * for it. Which job stands at the front, and since when, only this process remembers: after a start or a take-over the wait
 * begins anew. Two sweepers that overlap may give one task queue two VMs, for the time of a reservation at most; a VM is
 * never reserved for two.
 */

import type { ClassId, JobId, VmId } from '../../core/kernel/ids.ts'
import { jobLimits, queuesPerSlice } from '../../core/kernel/limits.ts'
import { type Job, leaseOf } from '../../core/model/job.ts'
import { takenWith } from '../../core/model/resources.ts'
import type { QueueCount } from '../../core/model/task-queue.ts'
import type { KeptVm } from '../../core/model/vm.ts'
import { placeOf } from '../../core/model/vm-place.ts'
import { wallLimitMs } from '../../core/language/grant.ts'
import { type ReservableVm, roomFreeMs, type Running, type StarvingQueue, starvingQueues } from '../../core/plan/starving.ts'
import type { Fence, JobStore, VmStore } from '../../core/ports/store.ts'
import { ownerKey, type UsageLedger } from '../../core/share/ledger.ts'
import { askingOwners, shareRanks, shareTree } from '../../core/share/share-tree.ts'
import type { Weights } from '../../core/share/weights.ts'
import type { JobPorts } from './ports.ts'

export const reserveEveryMs = 15_000

/** Task queues whose front is watched; the others have no turn before these have had theirs. */
const maxWatched = 100
/** One of as many VMs at most, and one in any case: the others go on with jobs of every size. */
const vmsPerReservation = 10
/** VMs whose running jobs are read for one choice. */
const maxCompared = 4

export type ReservePorts = Pick<JobPorts, 'clock' | 'bus' | 'log' | 'policy'> & {
  readonly store: Pick<JobStore, 'queues' | 'next' | 'jobs' | 'specs'> & Pick<VmStore, 'liveVms' | 'leasesOn' | 'changeVms'>
  readonly ledger: Pick<UsageLedger, 'usages' | 'history'>
  readonly weights: () => Weights
}

export type Reserve = {
  /** Does nothing without the role. */
  step(under: Fence | undefined): Promise<void>
}

/** At the front of a task queue. `sinceMs` and `seenMs`: by the monotonic clock. `tried`: VMs that were reserved in vain. */
type Front = {
  readonly jobId: JobId
  readonly priority: number
  readonly sinceMs: number
  readonly seenMs: number
  readonly tried: ReadonlySet<VmId>
}

/** A front that was not seen for this time is looked at as a new one. */
const forgetFrontMs = 10 * 60_000

type Fronts = Map<ClassId, Front>

type TurnPorts = Pick<ReservePorts, 'ledger' | 'weights' | 'clock'>

export function reserve(ports: ReservePorts): Reserve {
  const { store, clock, bus } = ports
  const fronts: Fronts = new Map()
  let fence: number | undefined
  /** Reserved at the last step: their pilots' streams hear of it once more, whatever hint was lost. */
  let hinted: readonly VmId[] = []
  return {
    async step(under) {
      if (under?.fence !== fence) fronts.clear()
      fence = under?.fence
      if (!under) return
      const vms = await store.liveVms()
      const over = await endings(store, vms, clock.nowMs())
      if (over.length > 0) await store.changeVms(over, clock.nowMs())
      const ended = new Set(over.map(({ vmId }) => vmId))
      const kept = vms.flatMap(({ vm }) => (vm.reserved && !ended.has(vm.id) ? [{ vmId: vm.id, ...vm.reserved }] : []))
      const reserved = new Set(kept.map(({ classId }) => classId))
      const queues = inTurn(await waitingQueues(store), ports)
      const starving = starvingQueues(queues, vms, { reserved, max: maxWatched, nowMs: clock.nowMs() })
      await watch(ports, fronts, starving)
      const fresh = await reserveFor(ports, fronts, starving, maxReserved(vms) - kept.length)
      const now = [...kept.map(({ vmId }) => vmId), ...fresh]
      const ids = [...new Set([...hinted, ...ended, ...now])]
      if (ids.length > 0) bus.hint({ kind: 'vms', ids })
      hinted = now
    },
  }
}

function maxReserved(vms: readonly KeptVm[]): number {
  const up = vms.filter(({ vm }) => vm.phase.state === 'Active' && vm.service === undefined)
  return Math.max(1, Math.floor(up.length / vmsPerReservation))
}

async function watch({ store, clock }: ReservePorts, fronts: Fronts, starving: readonly StarvingQueue[]): Promise<void> {
  const nowMs = clock.monotonicMs()
  for (const { count } of starving) {
    const { id } = count.queue
    const [head] = await store.next(id, 1)
    if (!head) continue
    const known = fronts.get(id)
    // A job of a higher priority that came since is the front from now on; the task queue has waited as long.
    const waitsOn = known && (known.jobId === head.id || head.priority > known.priority)
    const { sinceMs, tried } = waitsOn ? known : { sinceMs: nowMs, tried: new Set<VmId>() }
    fronts.set(id, { jobId: head.id, priority: head.priority, sinceMs, tried, seenMs: nowMs })
  }
  for (const [id, { seenMs }] of fronts) if (nowMs - seenMs > forgetFrontMs) fronts.delete(id)
}

/** For those that have waited long enough, in their order, `left` VMs at most. */
async function reserveFor(
  ports: ReservePorts,
  fronts: Fronts,
  starving: readonly StarvingQueue[],
  left: number,
): Promise<readonly VmId[]> {
  const { store, clock, policy } = ports
  const taken = new Set<VmId>()
  const nowMs = clock.monotonicMs()
  for (const one of starving) {
    const { id } = one.count.queue
    const front = fronts.get(id)
    if (taken.size >= left) break
    if (!front || nowMs - front.sinceMs < policy.reserveAfterMs) continue
    const chosen = await choose(ports, one, new Set([...front.tried, ...taken]))
    if (!chosen) {
      // All of them were tried: the next step begins with the first one again.
      fronts.set(id, { ...front, tried: new Set() })
      continue
    }
    const sinceMs = clock.nowMs()
    const untilMs = chosen.freeMs + policy.leaseMs + policy.reserveAfterMs
    const reservation = { classId: id, jobId: front.jobId, sinceMs, untilMs }
    const [outcome] = await store.changeVms([{ kind: 'reserve', vmId: chosen.vmId, reservation }], sinceMs)
    fronts.set(id, { ...front, tried: new Set([...front.tried, chosen.vmId]) })
    if (outcome?.ok) taken.add(chosen.vmId)
  }
  return [...taken]
}

/** The VM with room for it soonest; undefined: none of them would have it in its time. */
async function choose({ store, clock }: ReservePorts, { demand, vms }: StarvingQueue, without: ReadonlySet<VmId>) {
  const nowMs = clock.nowMs()
  const left = vms.filter(({ kept }) => !without.has(kept.vm.id)).slice(0, maxCompared)
  const dated = await Promise.all(
    left.map(async (one) => {
      const freeMs = roomFreeMs(one, demand, await runningOn(store, one), nowMs)
      return freeMs === undefined ? [] : [{ vmId: one.kept.vm.id, freeMs }]
    }),
  )
  return dated.flat().sort((a, b) => a.freeMs - b.freeMs)[0]
}

async function waitingQueues(store: Pick<JobStore, 'queues'>): Promise<readonly QueueCount[]> {
  const all: QueueCount[] = []
  for (let after = ''; ; ) {
    const slice = await store.queues({ after, limit: queuesPerSlice })
    all.push(...slice)
    const last = slice.at(-1)
    if (slice.length < queuesPerSlice || !last) return all
    after = last.queue.id
  }
}

/**
 * As the matchers serve them: who is farthest below the own share first; of one owner's the highest priority, then the
 * oldest.
 */
function inTurn(counts: readonly QueueCount[], { ledger, weights, clock }: TurnPorts): readonly QueueCount[] {
  const nowMs = clock.nowMs()
  const owners = askingOwners(counts, ledger.usages(nowMs))
  const ranks = shareRanks(shareTree({ owners, weights: weights(), history: ledger.history(nowMs) }))
  const placed = counts.map((count) => ({ count, rank: ranks.get(ownerKey(count.queue)) ?? 0 }))
  const isBefore = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return placed
    .sort(
      (a, b) =>
        a.rank - b.rank ||
        b.count.topPriority - a.count.topPriority ||
        a.count.oldestMs - b.count.oldestMs ||
        isBefore(a.count.queue.id, b.count.queue.id),
    )
    .map(({ count }) => count)
}

/** The reservations that are over: their job waits no more, or their time has passed. */
async function endings(store: Pick<JobStore, 'jobs'>, vms: readonly KeptVm[], nowMs: number) {
  const kept = vms.flatMap(({ vm }) => (vm.reserved ? [{ vmId: vm.id, ...vm.reserved }] : []))
  if (kept.length === 0) return []
  const jobs = new Map((await store.jobs(kept.map(({ jobId }) => jobId))).map((job) => [job.id, job]))
  return kept.flatMap(({ vmId, classId, jobId, untilMs }) => {
    const isWaiting = jobs.get(jobId)?.phase.state === 'Waiting'
    if (isWaiting && nowMs < untilMs) return []
    const why = isWaiting ? 'its time is over' : `job ${jobId} waits no more`
    return [{ kind: 'unreserve', vmId, classId, why } as const]
  })
}

async function runningOn(store: ReservePorts['store'], { kept }: ReservableVm): Promise<readonly Running[]> {
  const jobs = await store.leasesOn(kept.vm.id)
  const specs = await store.specs(jobs.map(({ id }) => id))
  return jobs.flatMap((job): readonly Running[] => {
    const lease = leaseOf(job.phase)
    const spec = specs.get(job.id)
    if (!lease || !spec) return []
    const { requirements } = spec
    const limitMs = wallLimitMs(lease.cores, placeOf(kept.vm).traits?.power, requirements)
    const endMs = startMs(job, lease.claimedMs) + Math.min(limitMs, jobLimits.wallMs)
    return [{ held: takenWith(lease, requirements), endMs }]
  })
}

function startMs({ phase }: Job, claimedMs: number): number {
  return 'startedMs' in phase ? phase.startedMs : claimedMs
}
