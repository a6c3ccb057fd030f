/** VMs, clouds, task queues, images and counts on the wire, and as a client reads them. */

import type { Image, ImageApproval } from '../../core/model/image.ts'
import type { ImageEntry } from '../../core/model/image-entry.ts'
import type { JobStateName } from '../../core/model/job.ts'
import type { Resources } from '../../core/model/resources.ts'
import type { Owner } from '../../core/model/owner.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type { Vm, VmStateName } from '../../core/model/vm.ts'
import type { Cause } from '../../core/plan/cause.ts'
import * as wire from '../gen/pilotage/v1/operate.ts'
import {
  breakerStateEnum,
  holdCauseEnum,
  imageStateEnum,
  jobStateEnum,
  numberOf,
  planActionEnum,
  roleEnum,
  vmRefusalEnum,
  vmStateEnum,
} from './enums.ts'
import { type MeasuredSize, otherText } from '../../core/plan/measured-size.ts'
import { limitOfWire, limitToWire } from './limits.ts'
import { foundTraitsOf, foundTraitsToWire, requirementsToWire, sizeToWire } from './requirements.ts'
import { durationMs, durationOf, timeMs, timeOf } from './times.ts'

type Status = {
  readonly jobs: readonly {
    readonly state: JobStateName
    readonly vo: string
    readonly site: string
    readonly count: number
  }[]
  readonly vms: readonly {
    readonly state: VmStateName
    readonly cloud: string
    readonly site: string
    readonly count: number
  }[]
  readonly serviceTimeMs: number
  readonly version: string
  readonly startedMs: number
}

export function statusToWire({ jobs, vms, serviceTimeMs, version, startedMs }: Status): wire.GetStatusResponse {
  return {
    jobs: jobs.map(({ state, ...count }) => ({ ...count, state: jobStateEnum.number(state) })),
    vms: vms.map(({ state, ...count }) => ({ ...count, state: vmStateEnum.number(state) })),
    serviceTime: timeOf(serviceTimeMs),
    version,
    startTime: timeOf(startedMs),
  }
}

export function statusOfWire({ jobs, vms, serviceTime, version, startTime }: wire.GetStatusResponse) {
  return {
    jobs: jobs.map(({ state, ...count }) => ({ ...count, state: jobStateEnum.word(state) ?? '' })),
    vms: vms.map(({ state, ...count }) => ({ ...count, state: vmStateEnum.word(state) ?? '' })),
    serviceTimeMs: timeMs(serviceTime),
    version,
    startedMs: timeMs(startTime),
  }
}

type WaitingQueue = {
  readonly queue: Owner & { readonly id: string; readonly requirements: Requirements }
  readonly waiting: number
  readonly topPriority: number
  readonly oldestMs: number
  readonly waitsFor: string
}

export function queueToWire({ queue, waiting, topPriority, oldestMs, waitsFor }: WaitingQueue): wire.TaskQueue {
  const { id, vo, group, owner, requirements } = queue
  return {
    taskQueue: id,
    vo,
    group,
    owner,
    waiting,
    topPriority,
    oldestSubmitTime: timeOf(oldestMs),
    requirements: requirementsToWire(requirements),
    waitsFor,
  }
}

export function queueOfWire({ oldestSubmitTime, ...queue }: wire.TaskQueue) {
  return { ...queue, oldestMs: timeMs(oldestSubmitTime) }
}

type VmView = Pick<Vm, 'cloud' | 'site' | 'flavor' | 'image' | keyof Resources | 'reason' | 'intendedMs'> &
  Pick<Vm, 'service' | 'addresses' | 'said' | 'beat' | 'reserved' | 'found'> & {
    readonly differs: string
    readonly id: string
    readonly state: VmStateName
    readonly ref: string
    readonly leases: number
    readonly why: string
    readonly activeMs?: number
    readonly endedMs?: number
  }

export function vmToWire(vm: VmView): wire.Vm {
  return {
    vmId: vm.id,
    state: vmStateEnum.number(vm.state),
    cloud: vm.cloud,
    site: vm.site,
    flavor: vm.flavor,
    image: vm.image,
    ref: vm.ref,
    cores: vm.cores,
    memoryBytes: vm.memoryBytes,
    leases: vm.leases,
    reason: vm.why || vm.reason,
    intendTime: timeOf(vm.intendedMs),
    activateTime: timeOf(vm.activeMs),
    endTime: timeOf(vm.endedMs),
    heartbeatTime: timeOf(vm.beat?.atMs),
    load1: vm.beat?.load1 ?? 0,
    service: vm.service ?? '',
    addresses: [...(vm.addresses ?? [])],
    isolation: vm.beat?.isolation ?? '',
    agentVersion: vm.beat?.version ?? '',
    said: vm.said ?? '',
    diskBytes: vm.diskBytes,
    gpus: vm.gpus ?? 0,
    found: sizeToWire(vm.beat?.size),
    reservedFor: vm.reserved?.classId ?? '',
    reserveTime: timeOf(vm.reserved?.sinceMs),
    foundTraits: vm.found && foundTraitsToWire(vm.found),
    differs: vm.differs,
  }
}

export function vmOfWire(from: wire.Vm) {
  const { state, intendTime, activateTime, endTime, heartbeatTime, reserveTime, foundTraits, ...vm } = from
  return {
    ...vm,
    foundTraits: foundTraits && foundTraitsOf(foundTraits),
    state: vmStateEnum.word(state) ?? '',
    intendedMs: timeMs(intendTime),
    activatedMs: timeMs(activateTime),
    endedMs: timeMs(endTime),
    beatMs: timeMs(heartbeatTime),
    reservedMs: timeMs(reserveTime),
  }
}

type Drained =
  | { readonly ok: true; readonly changed: boolean; readonly state: VmStateName }
  | { readonly ok: false; readonly why: string }

export function drainedToWire(drained: Drained): wire.DrainVmResponse {
  if (!drained.ok) return { changed: false, state: 0, refusal: numberOf(vmRefusalEnum, drained.why) }
  return { changed: drained.changed, state: vmStateEnum.number(drained.state), refusal: 0 }
}

export function drainedOfWire({ changed, state, refusal }: wire.DrainVmResponse) {
  return { changed, state: vmStateEnum.word(state) ?? '', refusal: vmRefusalEnum.word(refusal) ?? '' }
}

type CloudRow = Omit<wire.Cloud, 'breakers' | 'listTime' | 'measured' | 'stuck'> & {
  readonly measured: readonly MeasuredSize[]
  readonly listedMs: number
  readonly stuck: readonly {
    readonly vmId: string
    readonly ref: string
    readonly sinceMs: number
    readonly why: string
  }[]
  readonly breakers: readonly {
    readonly kind: string
    readonly name: string
    readonly state: 'open' | 'half-open'
    readonly untilMs?: number
    readonly why: string
  }[]
}

export function cloudToWire({ breakers, listedMs, measured, stuck, ...cloud }: CloudRow): wire.Cloud {
  return {
    ...cloud,
    measured: measured.map(({ flavor, image, promised, size, vmId, atMs, traits }) => {
      const differs = traits ? otherText(traits) : ''
      const sizes = { promised: sizeToWire(promised), found: sizeToWire(size) }
      return { flavor, image, ...sizes, differs, vmId, activateTime: timeOf(atMs) }
    }),
    listTime: timeOf(listedMs),
    stuck: stuck.map(({ vmId, ref, sinceMs, why }) => ({ vmId, ref, sinceTime: timeOf(sinceMs), why })),
    breakers: breakers.map(({ kind, name, state, untilMs, why }) => {
      return { kind, name, state: breakerStateEnum.number(state), untilTime: timeOf(untilMs), why }
    }),
  }
}

export function cloudOfWire({ breakers, listTime, measured, stuck, ...cloud }: wire.Cloud) {
  return {
    ...cloud,
    measured: measured.map(({ activateTime, ...one }) => ({ ...one, activatedMs: timeMs(activateTime) })),
    listedMs: timeMs(listTime),
    stuck: stuck.map(({ sinceTime, ...vm }) => ({ ...vm, sinceMs: timeMs(sinceTime) })),
    breakers: breakers.map(({ state, untilTime, ...breaker }) => {
      return { ...breaker, state: breakerStateEnum.word(state) ?? '', untilMs: timeMs(untilTime) }
    }),
  }
}

type PlanRow = Pick<wire.PlanLine, 'subject' | 'count' | 'reason'> & {
  readonly atMs: number
  readonly action: (typeof planActionEnum.words)[number]
  /** Of `hold`. */
  readonly cause?: Cause
}

export function planLineToWire({ atMs, action, cause, subject, count, reason }: PlanRow): wire.PlanLine {
  return {
    time: timeOf(atMs),
    action: planActionEnum.number(action),
    subject,
    count,
    reason,
    cause: cause ? holdCauseEnum.number(cause.why) : wire.HoldCause.UNSPECIFIED,
    limit: limitToWire(cause),
  }
}

export function planLineOfWire({ time, action, cause, limit, ...line }: wire.PlanLine) {
  return {
    ...line,
    atMs: timeMs(time),
    action: planActionEnum.word(action) ?? '',
    cause: holdCauseEnum.word(cause) ?? '',
    limit: limitOfWire(limit),
  }
}

/** A role that this version does not know becomes a word that no role has, and is refused as one. */
export function tokenRequestOfWire({ roles, lifetime, ...request }: wire.CreateTokenRequest) {
  return { ...request, roles: roles.map((role) => roleEnum.word(role) ?? `role ${role}`), lifetimeMs: durationMs(lifetime) }
}

type TokenRequest = {
  readonly subject: string
  readonly vo: string
  readonly group: string
  readonly roles: readonly string[]
  readonly lifetimeMs: number
}

export function tokenRequestToWire({ roles, lifetimeMs, ...request }: TokenRequest): wire.CreateTokenRequest {
  return { ...request, roles: roles.map((role) => numberOf(roleEnum, role)), lifetime: durationOf(lifetimeMs) }
}

export function tokenToWire({ token, expiresMs }: { readonly token: string; readonly expiresMs: number }) {
  return { token, expireTime: timeOf(expiresMs) } satisfies wire.CreateTokenResponse
}

export function tokenOfWire({ token, expireTime }: wire.CreateTokenResponse) {
  return { token, expiresMs: timeMs(expireTime) }
}

type ImageView = {
  readonly name: string
  readonly distrust: string
  readonly approvals: readonly ImageApproval[]
  readonly uses: readonly { readonly cloud: string; readonly site: string; readonly why: string }[]
} & (
  | { readonly state: 'Unknown' }
  | (ImageEntry & {
      readonly state: 'Listed' | 'Approved' | 'Revoked'
      readonly signature: string
      readonly addedBy: string
      readonly addedMs: number
      readonly revokedBy?: string
      readonly revokedWhy?: string
      readonly revokedMs?: number
    })
)

export function imageToWire(image: ImageView): wire.Image {
  const known = image.state === 'Unknown' ? undefined : image
  return {
    name: image.name,
    state: imageStateEnum.number(image.state),
    entry: known && entryToWire(known),
    signature: known?.signature ?? '',
    distrust: image.distrust,
    approvals: image.approvals.map(({ site, by, atMs }) => ({ site, by, time: timeOf(atMs) })),
    uses: image.uses.map(({ cloud, site, why }) => ({ cloud, site, barred: why })),
    addedBy: known?.addedBy ?? '',
    addTime: timeOf(known?.addedMs),
    revokedBy: known?.revokedBy ?? '',
    revokedWhy: known?.revokedWhy ?? '',
    revokeTime: timeOf(known?.revokedMs),
  }
}

export function imageOfWire({ state, entry, approvals, addTime, revokeTime, ...image }: wire.Image) {
  return {
    ...image,
    state: imageStateEnum.word(state) ?? '',
    entry: entry && entryOfWire(entry),
    approvals: approvals.map(({ site, by, time }) => ({ site, by, atMs: timeMs(time) })),
    addedMs: timeMs(addTime),
    revokedMs: timeMs(revokeTime),
  }
}

/** The signed text has the time in milliseconds: a Timestamp carries them whole. */
export function entryToWire(entry: ImageEntry): wire.ImageEntry {
  const { name, os, architecture, digest, references, validUntilMs, endorsedBy } = entry
  return { name, os, architecture, digest, references: { ...references }, expireTime: timeOf(validUntilMs), endorsedBy }
}

export function entryOfWire({ expireTime, ...entry }: wire.ImageEntry): ImageEntry {
  return { ...entry, validUntilMs: timeMs(expireTime) }
}

export function changedImageToWire({ image, changed }: { readonly image: Image; readonly changed: boolean }) {
  return { changed, state: imageStateEnum.number(image.phase.state) } satisfies wire.ChangeImageResponse
}

export function changedImageOfWire({ changed, state }: wire.ChangeImageResponse) {
  return { changed, state: imageStateEnum.word(state) ?? '' }
}
