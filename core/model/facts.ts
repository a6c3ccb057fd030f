/**
 * Facts: what happened, in order, written together with the change that each explains. Never edited, only forgotten with age.
 *
 * A fact names its subject, a kind, and the little that explains it. The stores write the facts of jobs, VMs and images by
 * calling the functions here, so that every store tells the same story.
 */

import { bytesText, durationText } from '../kernel/quantities.ts'
import type { AttemptRef, JobId, VmId } from '../kernel/ids.ts'
import type { Image, ImageEvent } from './image.ts'
import { leaseOf, type Job, type JobEvent } from './job.ts'
import type { Vm } from './vm.ts'

export type Subject = `job:${number}` | `vm:${string}` | `cloud:${string}` | `image:${string}` | `submission:${string}`

/** Small, flat, and free of secrets. */
export type FactData = Readonly<Record<string, string | number | boolean>>

export type NewFact = { readonly subject: Subject; readonly kind: string; readonly data: FactData }

/** `seq` orders all facts of an installation; it may have gaps. */
export type Fact = NewFact & { readonly seq: number; readonly atMs: number }

export function jobSubject(id: JobId): Subject {
  return `job:${id}`
}

export function vmSubject(id: VmId): Subject {
  return `vm:${id}`
}

/** What a change of a job is told as: its new state, who did it and why. */
export function jobFact(before: Job, after: Job, event: JobEvent): NewFact {
  const data: Record<string, string | number> = {}
  if (after.attempt > 0) data.attempt = after.attempt
  const lease = leaseOf(after.phase) ?? leaseOf(before.phase)
  if (lease) {
    data.vm = lease.vmId
    data.cores = lease.cores
  }
  if ('by' in event) data.by = event.by
  if ('why' in event && event.why !== '') data.why = event.why
  if ('why' in after.phase) data.why = after.phase.why
  if (event.kind === 'ended') {
    data.end = event.result.end
    data.exitCode = event.result.exitCode
    data.wallMs = event.result.wallMs
    data.peakMemoryBytes = event.result.peakMemoryBytes
    if (event.result.detail !== '') data.detail = event.result.detail
  }
  const asked = after.phase.state === before.phase.state && leaseOf(after.phase)?.stop !== undefined
  return { subject: jobSubject(after.id), kind: asked ? `asked to ${event.kind}` : after.phase.state, data }
}

/** What a change of a VM is told as. */
export function vmFact(after: Vm): NewFact {
  const data: Record<string, string | number> = { cloud: after.cloud, flavor: after.flavor }
  if ('ref' in after.phase && after.phase.ref !== '') data.ref = after.phase.ref
  data.why = 'why' in after.phase ? after.phase.why : after.reason
  if (after.beat?.isolation !== undefined) data.isolation = after.beat.isolation
  return { subject: vmSubject(after.id), kind: after.phase.state, data }
}

const imageFactKinds = { add: 'Added', approve: 'Approved', disapprove: 'Disapproved', revoke: 'Revoked' } as const

/** What a change of an image is told as: what was done, by whom, for which site and why. */
export function imageFact({ entry }: Image, event: ImageEvent): NewFact {
  const data: Record<string, string> = { by: event.by }
  if (event.kind === 'add') {
    data.endorsedBy = entry.endorsedBy
    data.digest = entry.digest
  }
  if ('site' in event) data.site = event.site
  if ('why' in event && event.why !== '') data.why = event.why
  return { subject: `image:${entry.name}`, kind: imageFactKinds[event.kind], data }
}

/** One readable line: the same on the page, in the command's history, and in the log. */
export function factText({ kind, data }: NewFact): string {
  const parts = Object.entries(data).map(([key, value]) => `${key} ${shownValue(key, value)}`)
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
