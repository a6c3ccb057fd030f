/**
 * Facts: what happened, in order, written together with the change that each explains. Never edited, only forgotten with
 * age.
 *
 * A fact names its subject, a kind, and the little that explains it; which kinds there are and what each carries stands in
 * fact-shapes.ts. The stores write the facts of jobs, VMs and images by calling the functions here, so that every store has
 * the same history of them.
 */

import { bytesText, durationText } from '../kernel/quantities.ts'
import type { AttemptRef, JobId, VmId } from '../kernel/ids.ts'
import type { Image, ImageEvent } from './image.ts'
import { endingOf } from './attempt-ending.ts'
import { endText } from './dependency.ts'
import type { JobEvent } from './job-event.ts'
import { leaseOf, type Job } from './job.ts'
import { noResources } from './resources.ts'
import { contactMs, isComing, type Vm, type VmEvent } from './vm.ts'
import { differencesText } from './traits.ts'
import { missingTraits } from './vm-place.ts'
import { type DataOf, type Fact, type KindOf, newFact, type NewFact, type Subject } from './fact-shapes.ts'

export function jobSubject(id: JobId): Subject {
  return `job:${id}`
}

export function vmSubject(id: VmId): Subject {
  return `vm:${id}`
}

type Mutable<Data> = { -readonly [Key in keyof Data]: Data[Key] }

/** The fact of a change of a job: its new state or what was done with it, who did it and why. */
export function jobFact(before: Job, after: Job, event: JobEvent): NewFact {
  const data: Mutable<DataOf<'job'>> = {}
  if (after.attempt > 0) data.attempt = after.attempt
  const lease = leaseOf(after.phase) ?? leaseOf(before.phase)
  if (lease) {
    data.vm = lease.vmId
    data.cores = lease.cores
  }
  if ('by' in event) data.by = event.by
  if ('why' in event && event.why !== '') data.why = event.why
  if (event.kind === 'delete') return newFact('job', `job:${after.id}`, 'Deleted', data)
  if (event.kind === 'prioritise') {
    return newFact('job', `job:${after.id}`, 'priority set', { ...data, priority: event.priority })
  }
  if (event.kind === 'dependency-ended') {
    data.dependency = event.on
    data.why = endText(event.on, event.end)
  }
  if ('why' in after.phase) data.why = after.phase.why
  if (event.kind === 'ended') {
    data.end = event.result.end
    if (event.result.end === 'exited') data.exitCode = event.result.exitCode
    data.wallMs = event.result.wallMs
    data.peakMemoryBytes = event.result.peakMemoryBytes
    if (event.result.detail !== '') data.detail = event.result.detail
  }
  Object.assign(data, endedAttemptData(before, after, event))
  const asked = after.phase.state === before.phase.state && leaseOf(after.phase)?.stop !== undefined
  const stop = event.kind === 'reschedule' ? 'asked to reschedule' : 'asked to kill'
  return newFact('job', `job:${after.id}`, asked ? stop : after.phase.state, data)
}

/** What the usage of an attempt is recorded from; empty: the change ended none. The job itself may be gone by then. */
function endedAttemptData(before: Job, after: Job, event: JobEvent): Partial<DataOf<'job'>> {
  const { phase, vo, group, owner } = before
  const lease = leaseOf(phase)
  if (!lease || leaseOf(after.phase)) return {}
  const result = event.kind === 'ended' ? event.result : undefined
  const startedMs =
    'startedMs' in phase ? phase.startedMs : 'result' in after.phase ? (after.phase.result?.startedMs ?? 0) : 0
  return {
    ending: endingOf(lease, after, event),
    vo,
    group,
    owner,
    claimedMs: lease.claimedMs,
    ...(startedMs > 0 ? { startedMs } : {}),
    ...(result && result.cpuMs > 0 ? { cpuMs: result.cpuMs } : {}),
    ...(lease.gpus ? { gpus: lease.gpus } : {}),
  }
}

/** The first line of a job's history: its own record has it. */
export function submittedFact({ id, owner, group, vo, submittedMs }: Job): Fact {
  return { seq: 0, atMs: submittedMs, ...newFact('submitted', `job:${id}`, 'Submitted', { owner, group, vo }) }
}

/** The fact of a change of a VM. */
export function vmFact(after: Vm): NewFact {
  const { cloud, flavor, phase, beat, said } = after
  return newFact('vm', `vm:${after.id}`, phase.state, {
    cloud,
    flavor,
    ...('ref' in phase && phase.ref !== '' ? { ref: phase.ref } : {}),
    why: 'why' in phase ? phase.why : after.reason,
    ...(said !== undefined && isComing(phase) ? { said } : {}),
    ...(beat?.isolation === undefined ? {} : { isolation: beat.isolation }),
    ...(phase.state === 'Lost' && contactMs(after) > 0 ? { contactMs: contactMs(after) } : {}),
  })
}

/** The fact of a VM that has less than was promised, with both numbers. */
export function sizeFact({ id, beat, cores, memoryBytes, diskBytes, gpus = 0 }: Vm): NewFact {
  const found = beat?.size ?? noResources
  return newFact('size', `vm:${id}`, 'less than promised', {
    cores: found.cores,
    promisedCores: cores,
    memoryBytes: found.memoryBytes,
    promisedMemoryBytes: memoryBytes,
    diskBytes: found.diskBytes,
    promisedDiskBytes: diskBytes,
    ...(gpus > 0 ? { gpus: found.gpus ?? 0, promisedGpus: gpus } : {}),
  })
}

/** The fact of a VM that is other than was promised. */
export function traitFact(vm: Vm): NewFact {
  return newFact('trait', `vm:${vm.id}`, 'other than promised', { differs: traitsText(vm) })
}

/** Each trait that was promised and not found, with both; empty: all was found. */
export function traitsText(vm: Pick<Vm, 'traits' | 'found'>): string {
  return differencesText(missingTraits(vm), vm.traits ?? {}, vm.found ?? {})
}

/** Undefined: the change has nothing to do with the reservation of the VM. */
export function reservationFact(before: Vm, after: Vm, event: VmEvent): NewFact | undefined {
  const [was, is] = [before.reserved, after.reserved]
  if (was?.sinceMs === is?.sinceMs && was?.classId === is?.classId) return undefined
  const about = is ?? was
  if (!about) return undefined
  const why = is ? 'a job at the front of the task queue waits for more room than is free' : whyOf(after, event)
  const data = { queue: about.classId, job: about.jobId, why }
  return newFact('reservation', `vm:${after.id}`, is ? 'room reserved' : 'room released', data)
}

function whyOf({ phase }: Vm, event: VmEvent): string {
  return event.kind === 'unreserve' ? event.why : `the VM is ${phase.state}`
}

const imageFactKinds: Readonly<Record<ImageEvent['kind'], KindOf<'image'>>> = {
  add: 'Added',
  approve: 'Approved',
  disapprove: 'Disapproved',
  revoke: 'Revoked',
}

/** The fact of a change of an image: what was done, by whom, for which site and why. */
export function imageFact({ entry }: Image, event: ImageEvent): NewFact {
  const data: Mutable<DataOf<'image'>> = { by: event.by }
  if (event.kind === 'add') {
    data.endorsedBy = entry.endorsedBy
    data.digest = entry.digest
  }
  if ('site' in event) data.site = event.site
  if ('why' in event && event.why !== '') data.why = event.why
  return newFact('image', `image:${entry.name}`, imageFactKinds[event.kind], data)
}

/** What the usage of an attempt or a VM is recorded from: the line of a history does without it. */
const usageFields: ReadonlySet<string> = new Set(['claimedMs', 'startedMs', 'contactMs'])
const usageFieldsOfJobs: ReadonlySet<string> = new Set(['ending', 'vo', 'group', 'owner', 'cpuMs', 'gpus'])

function isShown({ data }: NewFact, key: string): boolean {
  return !usageFields.has(key) && !('ending' in data && usageFieldsOfJobs.has(key))
}

/** One readable line: the same on the page, in the command's history, and in the log. */
export function factText(fact: NewFact): string {
  const { kind, data } = fact
  const shown = Object.entries(data).filter(([key]) => isShown(fact, key))
  const parts = shown.map(([key, value]) => `${key} ${shownValue(key, value)}`)
  return parts.length === 0 ? kind : `${kind}: ${parts.join(', ')}`
}

export function attemptText({ jobId, attempt }: AttemptRef): string {
  return `${jobId}.${attempt}`
}

function shownValue(key: string, value: string | number | boolean): string {
  if (typeof value !== 'number') return String(value)
  if (key.endsWith('Bytes')) return bytesText(value)
  return key.endsWith('Ms') ? durationText(value) : String(value)
}
