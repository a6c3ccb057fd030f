/**
 * An archive: everything that an installation's store knows, as plain records in sections of a fixed order. What travels
 * from one kind of store to another, and back, without a difference.
 *
 * Decides what belongs to a record and in which order it is written, so that equal content is equal text. Knows neither
 * files nor stores. Roles are no part of it: they are leases of living processes. What a section refers to comes before it:
 * VMs need their images, jobs their task queues and the VMs that they ran on, facts what they are about.
 */

import type { Result } from './attempt.ts'
import { never } from '../kernel/assert.ts'
import type { OpenDependency } from './dependency.ts'
import type { Fact } from './fact-shapes.ts'
import type { JobId } from '../kernel/ids.ts'
import type { Image } from './image.ts'
import type { Job, JobSpec, Lease, Phase } from './job.ts'
import type { Needs } from './requirements.ts'
import type { TaskQueue } from './task-queue.ts'
import type { ArchivedUsage } from './usage-archive.ts'
import type { Vm } from './vm.ts'

export const archiveSections = [
  'queues',
  'submissions',
  'images',
  'vms',
  'jobs',
  'facts',
  'notes',
  'counters',
  'usage',
] as const
export type ArchiveSection = (typeof archiveSections)[number]

/** An idempotency key with its owner, as text, and what was answered under it. */
export type ArchivedKey = {
  readonly key: string
  readonly digest: string
  readonly firstId: JobId
  readonly count: number
  readonly atMs: number
}

export type ArchivedJob = { readonly job: Job; readonly spec: JobSpec }

export type ArchivedNote = { readonly name: string; readonly text: string }

/** The highest number ever given: it may belong to a job or a fact that was forgotten, and is never given again. */
export type ArchivedCounter = { readonly name: 'facts' | 'jobs'; readonly highest: number }

export type ArchiveRecords = {
  readonly queues: TaskQueue
  readonly submissions: ArchivedKey
  readonly images: Image
  readonly vms: Vm
  readonly jobs: ArchivedJob
  readonly facts: Fact
  readonly notes: ArchivedNote
  readonly counters: ArchivedCounter
  readonly usage: ArchivedUsage
}

/** Records of one section, in the order of their keys. */
export type ArchiveBatch = {
  readonly [Section in ArchiveSection]: {
    readonly section: Section
    readonly records: readonly ArchiveRecords[Section][]
  }
}[ArchiveSection]

/** Of a record within its section: there each is greater than the one before. */
export type ArchiveKey = string | number

export type ArchiveCounts = Readonly<Record<ArchiveSection, number>>

/** How much of an archive is in a store: the number of records from its beginning, and their digest. */
export type ArchivePlace = { readonly records: number; readonly digest: string }

export function archiveKeys({ section, records }: ArchiveBatch): readonly ArchiveKey[] {
  switch (section) {
    case 'queues':
    case 'vms':
      return records.map(({ id }) => id)
    case 'submissions':
    case 'usage':
      return records.map(({ key }) => key)
    case 'images':
      return records.map(({ entry }) => entry.name)
    case 'jobs':
      return records.map(({ job }) => job.id)
    case 'facts':
      return records.map(({ seq }) => seq)
    case 'notes':
    case 'counters':
      return records.map(({ name }) => name)
    default:
      return never(section)
  }
}

/** Numbers as such, texts as databases order them: by code points, as their UTF-8 has it. */
export function isKeyAfter(key: ArchiveKey, other: ArchiveKey): boolean {
  if (typeof key === 'number' || typeof other === 'number') return Number(key) > Number(other)
  for (let at = 0; at < Math.min(key.length, other.length); at += 1) {
    const [unit, otherUnit] = [key.charCodeAt(at), other.charCodeAt(at)]
    if (unit !== otherUnit) return rankOf(unit) > rankOf(otherUnit)
  }
  return key.length > other.length
}

/** Halves of a pair stand for what lies above all single units. */
function rankOf(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800
  return unit >= 0xd800 ? unit + 0x2000 : unit
}

/** With its fields in one order, whatever store it comes from. */
export function plainRecords({ section, records }: ArchiveBatch): readonly object[] {
  switch (section) {
    case 'queues':
      return records.map(({ id, vo, group, owner, requirements }) => ({ id, vo, group, owner, requirements }))
    case 'submissions':
      return records.map(({ key, digest, firstId, count, atMs }) => ({ key, digest, firstId, count, atMs }))
    case 'jobs':
      return records.map(({ job, spec }) => ({ job: plainJob(job), spec }))
    case 'facts':
      return records.map(({ seq, atMs, subject, kind, data }) => ({ seq, atMs, subject, kind, data }))
    case 'notes':
      return records.map(({ name, text }) => ({ name, text }))
    case 'counters':
      return records.map(({ name, highest }) => ({ name, highest }))
    case 'usage':
      return records.map(({ key, text }) => ({ key, text }))
    case 'images':
    case 'vms':
      // Every store keeps an image and a VM as the text that it is.
      return records
    default:
      return never(section)
  }
}

function plainJob(job: Job): Job {
  return {
    id: job.id,
    classId: job.classId,
    vo: job.vo,
    group: job.group,
    owner: job.owner,
    name: job.name,
    jobGroup: job.jobGroup,
    jobType: job.jobType,
    priority: job.priority,
    maxAttempts: job.maxAttempts,
    machineLosses: job.machineLosses,
    maxMachineLosses: job.maxMachineLosses,
    submittedMs: job.submittedMs,
    changedMs: job.changedMs,
    attempt: job.attempt,
    ...(job.reschedules === undefined ? {} : { reschedules: job.reschedules }),
    phase: plainPhase(job.phase),
    ...(job.needs ? { needs: plainNeeds(job.needs) } : {}),
    ...(job.awaited === undefined ? {} : { awaited: job.awaited }),
  }
}

function plainNeeds({ memoryBytes, diskBytes, wallMs, cpuWorkMs }: Needs): Needs {
  return { memoryBytes, diskBytes, wallMs, ...(cpuWorkMs === undefined ? {} : { cpuWorkMs }) }
}

function plainPhase(phase: Phase): Phase {
  switch (phase.state) {
    case 'Waiting':
      return { state: phase.state }
    case 'Held':
      return { state: phase.state, why: phase.why, ...(phase.open ? { open: phase.open.map(plainOpen) } : {}) }
    case 'Blocked':
      return { state: phase.state, open: phase.open.map(plainOpen) }
    case 'Matched':
      return { state: phase.state, lease: plainLease(phase.lease) }
    case 'Running':
    case 'Completing':
      return { state: phase.state, lease: plainLease(phase.lease), startedMs: phase.startedMs }
    case 'Done':
      return { state: phase.state, lease: plainLease(phase.lease), result: plainResult(phase.result) }
    case 'Failed':
    case 'Killed':
      return {
        state: phase.state,
        why: phase.why,
        ...(phase.lease ? { lease: plainLease(phase.lease) } : {}),
        ...resultIn(phase),
      }
    default:
      return never(phase)
  }
}

function plainOpen({ job, when }: OpenDependency): OpenDependency {
  return { job, when }
}

function resultIn({ result }: { readonly result?: Result }): { readonly result?: Result } {
  return result ? { result: plainResult(result) } : {}
}

function plainLease({ vmId, cores, gpus, claimedMs, untilMs, stop }: Lease): Lease {
  const lease = { vmId, cores, ...(gpus ? { gpus } : {}), claimedMs, untilMs }
  return stop ? { ...lease, stop: { kind: stop.kind, by: stop.by, atMs: stop.atMs } } : lease
}

function plainResult(result: Result): Result {
  const { end, exitCode, signal, detail, peakMemoryBytes, cpuMs, wallMs, startedMs, endedMs, ...kept } = result
  const { stdoutBytes, stderrBytes, droppedBytes } = kept
  const said = { end, exitCode, signal, detail, peakMemoryBytes, cpuMs, wallMs, startedMs, endedMs }
  return { ...said, stdoutBytes, stderrBytes, droppedBytes }
}
