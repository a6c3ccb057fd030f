/**
 * Explain: why a job waits, or why it runs where it does, rule by rule, from the very rules that match it.
 *
 * Looks at what is there now: live VMs first, then what could be started. Bounded, best first, and decides nothing.
 */

import type { Caller } from '../../core/access/caller.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { OpenDependency } from '../../core/model/dependency.ts'
import { mayTakeJobs } from '../../core/model/apply.ts'
import { type Reservation, reservationOf } from '../../core/model/reservation.ts'
import { type Resources, roomLess } from '../../core/model/resources.ts'
import { isEnded, type Job, type JobSpec, leaseOf } from '../../core/model/job.ts'
import { classed, requirementClass } from '../../core/language/requirement-class.ts'
import { byCloseness, hasRoom, suits, ruleOutcomes } from '../../core/language/rules.ts'
import { type KeptVm, concerns, isComing, refOf, type Vm } from '../../core/model/vm.ts'
import { placeOf, roomOf } from '../../core/model/vm-place.ts'
import { type Offered, offeredRoom } from '../../core/model/cloud.ts'
import type { TaskQueue } from '../../core/model/task-queue.ts'
import type { JobStore, VmStore } from '../../core/ports/store.ts'
import type { ClassDifference, Explained, Finding, Place, PlaceExplanation, PlaceNote } from './explanation.ts'
import { jobById } from './list-jobs.ts'
import { offeredNow } from './offered.ts'
import type { Blocked, JobPorts } from './ports.ts'
import { sizesOf } from './submit.ts'

export type ExplainPorts = Pick<JobPorts, 'clock' | 'policy' | 'offerings' | 'measured' | 'blocked'> & {
  readonly store: Pick<JobStore, 'jobs' | 'specs' | 'next'> & Pick<VmStore, 'vm' | 'liveVms'>
}

const maxPlaces = 50

/** Jobs that it waits for. */
const maxAwaited = 20

/** The jobs before it are counted up to this number. */
const maxAhead = 50

/** Throws `not-found`, also for a job that the caller does not see. */
export async function explain(ports: ExplainPorts, caller: Caller, id: JobId): Promise<Explained> {
  return explainJob(ports, await jobById(ports, caller, id))
}

/** For use cases that have read the job for their caller. */
export async function explainJob(ports: ExplainPorts, job: Job): Promise<Explained> {
  const { phase } = job
  const none = { jobId: job.id, state: phase.state, classDifferences: [], blocked: [], places: [] }
  const spec = (await ports.store.specs([job.id])).get(job.id)
  if (!spec) return { ...none, finding: { kind: 'forgotten' } }
  const demand: TaskQueue = { ...job, id: job.classId, requirements: spec.requirements }
  if (phase.state === 'Blocked') return { ...none, finding: await blockedBy(ports, phase.open) }
  if (leaseOf(phase) || isEnded(phase)) return { ...none, ...(await whereItRan(ports, job, demand)) }
  const live = (await ports.store.liveVms()).filter(({ vm }) => mayTakeJobs(vm.phase.state) || isComing(vm.phase))
  // The VMs of other VOs are not the owner's to see, and never take the job.
  const vms = live.filter(({ vm }) => concerns(vm, job.vo))
  const nowMs = ports.clock.nowMs()
  const blocked = await ports.blocked(job.classId)
  const places = [
    ...vms.map((kept) => atVm(demand, kept, nowMs)),
    ...(await offeredNow(ports)).map((offering) => ofOffering(demand, offering, blocked)),
  ].sort((a, b) => byCloseness(broken(a), broken(b)))
  return {
    ...none,
    finding: await findingOf(ports, job, demand, vms, places),
    classDifferences: classDifferences(ports, spec),
    blocked: phase.state === 'Waiting' ? blocked : [],
    places: places.slice(0, maxPlaces),
  }
}

async function blockedBy({ store }: ExplainPorts, open: readonly OpenDependency[]): Promise<Finding> {
  const some = open.slice(0, maxAwaited)
  const states = new Map((await store.jobs(some.map(({ job }) => job))).map(({ id, phase }) => [id, phase.state]))
  return { kind: 'blocked', waitsFor: open.length, first: some.map((one) => ({ ...one, state: states.get(one.job) })) }
}

/** The rules of each place use the job's own requirements, and not those of its class. */
function classDifferences(ports: ExplainPorts, { requirements }: JobSpec): readonly ClassDifference[] {
  const asked = requirementClass(requirements, sizesOf(ports))
  const all = classed.map((key): ClassDifference => {
    return { requirement: key, own: requirements[key] ?? 0, ofClass: asked[key] ?? 0 }
  })
  return all.filter(({ own, ofClass }) => own !== ofClass)
}

async function whereItRan(
  ports: ExplainPorts,
  { phase, attempt }: Job,
  demand: TaskQueue,
): Promise<Pick<Explained, 'finding' | 'places'>> {
  const lease = 'lease' in phase ? phase.lease : undefined
  if (!lease) return { finding: { kind: 'never-started' }, places: [] }
  const kept = await ports.store.vm(lease.vmId)
  const { vmId, cores } = lease
  const finding: Finding = { kind: isEnded(phase) ? 'ran' : 'runs', attempt, vmId, cores }
  if (!kept) return { finding, places: [] }
  const { vm } = kept
  const rules = ruleOutcomes(demand, placeOf(vm), roomOf(vm, vm.endByMs - lease.claimedMs))
  return { finding, places: [{ place: vmPlace(vm), fits: true, rules, note: { kind: 'whole-vm' } }] }
}

function atVm(demand: TaskQueue, { vm, used }: KeptVm, nowMs: number): PlaceExplanation {
  const whole = roomOf(vm, vm.endByMs - nowMs)
  const free = roomLess(whole, used)
  const place = placeOf(vm)
  const rules = ruleOutcomes(demand, place, free)
  const hasEnough = rules.every(({ holds }) => holds)
  const isBusy = !hasEnough && suits(demand, place) && hasRoom(demand, whole)
  const reserved = hasEnough || isBusy ? reservationOf(vm, nowMs) : undefined
  const fits = hasEnough && (!reserved || reserved.classId === demand.id)
  return { place: vmPlace(vm), fits, rules, note: noteOf(reserved, demand, { free, whole, isBusy }) }
}

type Seen = { readonly free: Resources; readonly whole: Resources; readonly isBusy: boolean }

function noteOf(reserved: Reservation | undefined, { id }: TaskQueue, { free, whole, isBusy }: Seen): PlaceNote | undefined {
  if (!reserved) return isBusy ? { kind: 'busy' } : undefined
  if (reserved.classId !== id) return { kind: 'reserved-for-others' }
  return { kind: 'reserved', sinceMs: reserved.sinceMs, freeCores: Math.max(0, free.cores), cores: whole.cores }
}

/** The job waits for room on it, and for nothing else. */
function isAwaited({ fits, note }: PlaceExplanation): boolean {
  return fits || note?.kind === 'busy' || note?.kind === 'reserved' || note?.kind === 'reserved-for-others'
}

function ofOffering(demand: TaskQueue, offering: Offered, blocked: readonly Blocked[]): PlaceExplanation {
  const rules = ruleOutcomes(demand, placeOf(offering), offeredRoom(offering))
  const fits = rules.every(({ holds }) => holds)
  const by = blocked.filter(({ cloud }) => fits && cloud === offering.cloud)
  const { cloud, flavor, image } = offering
  const place = { kind: 'offering', cloud, flavor, image } as const
  return { place, fits, rules, note: by.length === 0 ? undefined : { kind: 'blocked', by } }
}

function vmPlace({ id, phase, cloud, flavor, image }: Vm): Place {
  return { kind: 'vm', vmId: id, state: phase.state, cloud, flavor, image, ref: refOf(phase) }
}

function broken({ rules }: PlaceExplanation): PlaceExplanation['rules'] {
  return rules.filter(({ holds }) => !holds)
}

async function findingOf(
  ports: ExplainPorts,
  job: Job,
  demand: TaskQueue,
  vms: readonly KeptVm[],
  places: readonly PlaceExplanation[],
): Promise<Finding> {
  if (job.phase.state === 'Held') {
    const { why, open = [] } = job.phase
    return { kind: 'held', why, ...(open.length > 0 ? { waitsFor: open.length } : {}) }
  }
  const [closest] = places
  if (closest && !places.some(isAwaited)) {
    return { kind: 'no-fit', closest: closest.place, broken: broken(closest) }
  }
  const at = (await ports.store.next(job.classId, maxAhead)).findIndex(({ id }) => id === job.id)
  const ahead = { jobsAhead: at < 0 ? maxAhead : at, hasMoreAhead: at < 0 }
  if (!closest) return { kind: 'no-place', ...ahead }
  const nowMs = ports.clock.nowMs()
  // Of the VMs that suit it: the others are of no use to it, however many there are.
  const suited = vms.flatMap((kept) => {
    const seen = atVm(demand, kept, nowMs)
    return isAwaited(seen) ? [{ ...seen, vmId: kept.vm.id, isUp: mayTakeJobs(kept.vm.phase.state) }] : []
  })
  const up = suited.filter(({ isUp }) => isUp)
  const free = up.filter(({ fits }) => fits).length
  if (free > 0) return { kind: 'waits-for-turn', vmsWithRoom: free, ...ahead }
  for (const { vmId, note } of up) {
    if (note?.kind !== 'reserved') continue
    const { sinceMs, freeCores, cores } = note
    return { kind: 'waits-for-reserved', vmId, reservedMs: sinceMs, freeCores, cores, ...ahead }
  }
  return { kind: 'waits-for-room', busyVms: up.length, comingVms: suited.length - up.length, ...ahead }
}
