/**
 * A VM: one machine that a director wants, has, or is getting rid of. Decides which changes of it are legal.
 *
 * The record is written before the cloud is asked (the intent), so that no machine can exist without one; and it ends only
 * when the cloud's own list has said that the machine is not there (the confirmation), so that none can be forgotten. The
 * store applies the changes and adds the one fact that only it knows: how many leases the VM holds.
 *
 *              accepted   refused  seen       activated  heartbeat  drain     retire         stop      absent
 *   Intended   Requested  Failed   Requested  Active     not-up     Stopping  Stopping       Stopping  Failed
 *                                  Booting
 *   Requested  same       stale    Booting    Active     not-up     Stopping  Stopping       Stopping  Lost
 *   Booting    same       stale    same       Active     not-up     Stopping  Stopping       Stopping  Lost
 *   Active     same       stale    same       again      same       Draining  Stopping busy  Stopping  Lost
 *   Draining   same       stale    same       again      same       same      Stopping busy  Stopping  Lost
 *   Stopping   same       Gone     same       not-up     same       same      same           same      Gone Failed
 *   Gone, Failed, Lost: everything is refused as `ended`
 *
 * `reserve` is accepted for an Active VM (else `not-up`; `reserved` if another task queue has its room), `unreserve` for
 * any. A VM that leaves Active has no reservation any more. `found` is accepted for a VM that is Active or Draining (else
 * `not-up`). These and `cut` change no state. `again` is accepted for the
 * nonce that activated it and refused (`key-used`) for any other.
 */

import { never } from '../kernel/assert.ts'
import type { ClassId, VmId } from '../kernel/ids.ts'
import { cutProof, type FaultUnless, type Proof, proofAfter, proofAtEnd, type WaitFailure } from './proof.ts'
import { cutReservation, type Reservation, reservationOf, unreserved } from './reservation.ts'
import type { Resources } from './resources.ts'
import type { FoundTraits, Traits } from './traits.ts'

export const vmStates = [
  'Intended',
  'Requested',
  'Booting',
  'Active',
  'Draining',
  'Stopping',
  'Gone',
  'Failed',
  'Lost',
] as const
export type VmStateName = (typeof vmStates)[number]

export type VmPhase =
  /** `ref` is the cloud's own id, once it is known. */
  | { readonly state: 'Intended' }
  | { readonly state: 'Requested' | 'Booting'; readonly ref: string }
  | { readonly state: 'Active'; readonly ref: string; readonly activeMs: number }
  | { readonly state: 'Draining'; readonly ref: string; readonly activeMs: number; readonly why: string }
  /** `activeMs` is absent where it never came up: then it ends as Failed. */
  | { readonly state: 'Stopping'; readonly ref: string; readonly activeMs?: number; readonly why: string }
  | { readonly state: 'Gone' | 'Failed' | 'Lost'; readonly ref: string; readonly activeMs?: number; readonly why: string }

/** The monitor's last heartbeat. */
export type Heartbeat = {
  readonly atMs: number
  readonly load1: number
  readonly memoryUsedBytes: number
  readonly memoryTotalBytes: number
  readonly diskFreeBytes: number
  readonly pilotState: string
  readonly payloads: number
  readonly idleMs: number
  readonly unhealthy: string
  /** Of payloads, as the pilot says it; absent: not known. */
  readonly isolation?: string
  /** Of the agents; absent: not known. */
  readonly version?: string
  /** What the pilot found for payloads: no more than was promised; absent: not known. */
  readonly size?: Resources
}

/** What it is: an offering's promise, fixed when it was wanted. */
export type VmShape = Resources & {
  readonly cloud: string
  readonly site: string
  readonly flavor: string
  readonly image: string
  readonly platform: string
  readonly tags: readonly string[]
  readonly vos: readonly string[]
  readonly pricePerHour: number
  /** Beside its size; absent: nothing is promised. */
  readonly traits?: Traits
  /** What the latest VM like it was found to have; absent: nothing is known but the promise. */
  readonly expected?: Resources
  readonly expectedTraits?: Traits
  /** What it does for its site instead of running jobs; absent: it is a worker. */
  readonly service?: SiteService
}

/** squid: the HTTP cache that a site's workers read through. */
export type SiteService = 'squid'

export type Vm = VmShape &
  Proof & {
    readonly id: VmId
    readonly phase: VmPhase
    /** As its cloud shows them, those first that machines of the site reach best; absent while it shows none. */
    readonly addresses?: readonly string[]
    /** What its cloud says of it, while it does not run; absent: nothing. */
    readonly said?: string
    /** Why the plan wanted it. */
    readonly reason: string
    readonly intendedMs: number
    readonly changedMs: number
    /** It must end by then, running payloads or not. */
    readonly endByMs: number
    /** The single-use key's hash, how long it is good, and who used it (the hash of the VM's own nonce). */
    readonly activation: { readonly keyHash: string; readonly untilMs: number; readonly nonceHash?: string }
    readonly beat?: Heartbeat
    /** What its pilot found beside the size; absent: no pilot has said hello yet. */
    readonly found?: FoundTraits
    /** The task queue that it keeps its room for; absent: none. */
    readonly reserved?: Reservation
  }

/**
 * `ifContactMs`: only if the VM has not been in contact since (`contactMs` of the record that the decision was made on);
 * else it is refused as `contacted`, and is to be decided again. `faultUnless`: when the end of the VM counts against what
 * it was made from; absent: never. `failure`: what its cloud says is to blame for that; absent: its image.
 */
type Decided = {
  readonly vmId: VmId
  readonly why: string
  readonly ifContactMs?: number
  readonly faultUnless?: FaultUnless
  readonly failure?: WaitFailure
}

export type VmEvent =
  | { readonly kind: 'accepted'; readonly vmId: VmId; readonly ref: string }
  | { readonly kind: 'refused'; readonly vmId: VmId; readonly why: string }
  | {
      readonly kind: 'seen'
      readonly vmId: VmId
      readonly ref: string
      readonly running: boolean
      readonly addresses?: readonly string[]
      /** What its cloud says of it now; absent: as before. */
      readonly said?: string
    }
  | { readonly kind: 'activated'; readonly vmId: VmId; readonly keyHash: string; readonly nonceHash: string }
  | { readonly kind: 'heartbeat'; readonly vmId: VmId; readonly heartbeat: Heartbeat }
  | (Decided & { readonly kind: 'drain' })
  /** Only if it holds no lease: the compare-and-set against matches. */
  | (Decided & { readonly kind: 'retire' })
  /** Whatever it holds. */
  | (Decided & { readonly kind: 'stop' })
  | (Decided & { readonly kind: 'absent' })
  | { readonly kind: 'reserve'; readonly vmId: VmId; readonly reservation: Reservation }
  /** Without effect if it is not reserved for this task queue. */
  | { readonly kind: 'unreserve'; readonly vmId: VmId; readonly classId: ClassId; readonly why: string }
  /** What its pilot says that it is, beside its size. */
  | { readonly kind: 'found'; readonly vmId: VmId; readonly found: FoundTraits }
  /** No time that it has passed lies after now, and its deadlines come nearer with them: the clock was put back. */
  | { readonly kind: 'cut'; readonly vmId: VmId }

export type VmRefusal =
  | 'not-found'
  | 'ended'
  | 'stale'
  | 'not-up'
  | 'busy'
  | 'contacted'
  | 'reserved'
  | 'key-wrong'
  | 'key-used'
  | 'key-expired'

export type VmDecision =
  | { readonly ok: true; readonly next: Vm; readonly emits: boolean }
  | { readonly ok: false; readonly why: VmRefusal }

type Live = Exclude<VmPhase, { state: 'Gone' | 'Failed' | 'Lost' }>

/** What a store does to a VM, whatever the event. `leases` is how many live leases it holds at that moment. */
export function changeVm(vm: Vm, event: VmEvent, leases: number, nowMs: number): VmDecision {
  const { phase } = vm
  if (isOver(phase)) return refuse('ended')
  const decision = changeLive(vm, phase, event, leases, nowMs)
  return !decision.ok || decision.next.phase.state === 'Active' ? decision : { ...decision, next: unreserved(decision.next) }
}

function changeLive(vm: Vm, phase: Live, event: VmEvent, leases: number, nowMs: number): VmDecision {
  if ('ifContactMs' in event && event.ifContactMs !== undefined && contactMs(vm) > event.ifContactMs)
    return refuse('contacted')
  const to = (next: VmPhase): VmDecision => accept({ ...vm, phase: next, changedMs: nowMs })
  const end = (next: VmPhase, of: Decided): VmDecision => {
    // What a drain was for has been said when it began.
    const faultUnless = phase.state === 'Draining' ? undefined : of.faultUnless
    const ending = {
      why: of.why,
      faultUnless,
      failure: of.failure,
      isOrderly: event.kind === 'retire',
      hasLeases: leases > 0,
    }
    const judged = phase.state === 'Stopping' ? vm : proofAtEnd(vm, ending, vm.service !== undefined, nowMs)
    return accept({ ...judged, phase: next, changedMs: nowMs })
  }
  switch (event.kind) {
    case 'accepted':
      return phase.state === 'Intended'
        ? to({ state: 'Requested', ref: event.ref })
        : accept(named(vm, phase, event.ref), false)
    case 'refused':
      // A machine that was given up before its create was answered, and was never made.
      if (phase.state === 'Stopping' && phase.ref === '') return to({ state: 'Gone', ref: '', why: event.why })
      return phase.state === 'Intended' ? to({ state: 'Failed', ref: '', why: event.why }) : refuse('stale')
    case 'seen':
      return seen(vm, phase, event, nowMs)
    case 'activated':
      return activate(vm, phase, event, nowMs)
    case 'heartbeat':
      if (!isUp(phase) && phase.state !== 'Stopping') return refuse('not-up')
      return accept(
        proofAfter({ ...vm, beat: sized(event.heartbeat, vm.beat) }, event.heartbeat, vm.service !== undefined, nowMs),
        isNewIsolation(vm.beat, event.heartbeat),
      )
    case 'drain':
      if (phase.state === 'Draining' || phase.state === 'Stopping') return accept(vm, false)
      return end(drained(phase, event.why), event)
    case 'retire':
      if (phase.state === 'Stopping') return accept(vm, false)
      return isUp(phase) && leases > 0 ? refuse('busy') : end(stopping(phase, event.why), event)
    case 'stop':
      return phase.state === 'Stopping' ? accept(vm, false) : end(stopping(phase, event.why), event)
    case 'absent':
      return end(over(phase, event.why), event)
    case 'reserve':
      return reserve(vm, event.reservation, nowMs)
    case 'unreserve':
      return accept(vm.reserved?.classId === event.classId ? unreserved(vm) : vm, false)
    case 'found':
      if (!isUp(phase)) return refuse('not-up')
      return accept(isSame(vm.found, event.found) ? vm : { ...vm, found: event.found }, false)
    case 'cut':
      return accept(cut(vm, phase, nowMs), false)
    default:
      return never(event)
  }
}

export function isOver(phase: VmPhase): phase is Extract<VmPhase, { state: 'Gone' | 'Failed' | 'Lost' }> {
  return phase.state === 'Gone' || phase.state === 'Failed' || phase.state === 'Lost'
}

/** The pilot on it may hold leases. */
export function isUp(phase: VmPhase): phase is Extract<VmPhase, { state: 'Active' | 'Draining' }> {
  return phase.state === 'Active' || phase.state === 'Draining'
}

/** Wanted and on its way: capacity that the plan may count on. */
export function isComing(phase: VmPhase): boolean {
  return phase.state === 'Intended' || phase.state === 'Requested' || phase.state === 'Booting'
}

/** Whether a VO may read about it: every VO may read about a VM that serves every VO. */
export function concerns({ vos }: Pick<VmShape, 'vos'>, vo: string): boolean {
  return vos.length === 0 || vos.includes(vo)
}

export function refOf(phase: VmPhase): string {
  return phase.state === 'Intended' ? '' : phase.ref
}

/** What a pilot found stays known while the next one of its VM has said nothing. */
function sized(now: Heartbeat, before: Heartbeat | undefined): Heartbeat {
  return now.size === undefined && before?.size ? { ...now, size: before.size } : now
}

/** A fact says once how payloads are isolated, and again if that changes: an account was retired, a pilot was replaced. */
function isNewIsolation(before: Heartbeat | undefined, now: Heartbeat): boolean {
  return now.isolation !== undefined && now.isolation !== before?.isolation
}

/** When it activated or sent its last heartbeat; 0: it did neither. */
export function contactMs({ phase, beat }: Vm): number {
  return Math.max(activeMsOf(phase) ?? 0, beat?.atMs ?? 0)
}

/** The latest time in the record that has passed, by the clock that wrote it. */
export function latestMs(vm: Vm): number {
  return Math.max(vm.intendedMs, vm.changedMs, contactMs(vm), vm.reserved?.sinceMs ?? 0)
}

function cut(vm: Vm, phase: Live, nowMs: number): Vm {
  const { intendedMs, endByMs, activation, beat } = vm
  if (latestMs(vm) <= nowMs) return vm
  const aheadMs = Math.max(0, intendedMs - nowMs)
  const activeMs = activeMsOf(phase)
  return {
    ...cutProof(vm, nowMs),
    phase: 'activeMs' in phase && activeMs !== undefined ? { ...phase, activeMs: Math.min(activeMs, nowMs) } : phase,
    intendedMs: intendedMs - aheadMs,
    endByMs: endByMs - aheadMs,
    activation: { ...activation, untilMs: activation.untilMs - aheadMs },
    changedMs: Math.min(vm.changedMs, nowMs),
    ...(beat ? { beat: { ...beat, atMs: Math.min(beat.atMs, nowMs) } } : {}),
    ...(vm.reserved ? { reserved: cutReservation(vm.reserved, nowMs) } : {}),
  }
}

function reserve(vm: Vm, reservation: Reservation, nowMs: number): VmDecision {
  if (vm.phase.state !== 'Active') return refuse('not-up')
  const known = reservationOf(vm, nowMs)
  if (known && known.classId !== reservation.classId) return refuse('reserved')
  return accept(known ? vm : { ...vm, reserved: reservation }, false)
}

function seen(before: Vm, phase: Live, event: Extract<VmEvent, { kind: 'seen' }>, nowMs: number): VmDecision {
  const vm = spoken(event.addresses ? { ...before, addresses: event.addresses } : before, event.said)
  if (phase.state === 'Intended' || (phase.state === 'Requested' && event.running)) {
    const state = event.running ? 'Booting' : 'Requested'
    return accept({ ...vm, phase: { state, ref: event.ref }, changedMs: nowMs })
  }
  const isNews = vm.said !== undefined && vm.said !== before.said
  return accept(named(vm, phase, event.ref), isNews)
}

function spoken(vm: Vm, said: string | undefined): Vm {
  if (said === undefined) return vm
  const { said: _, ...silent } = vm
  return said === '' ? silent : { ...silent, said }
}

/** A phase that was entered before the cloud's id was known learns it. */
function named(vm: Vm, phase: Live, ref: string): Vm {
  return phase.state === 'Intended' || phase.ref !== '' ? vm : { ...vm, phase: { ...phase, ref } }
}

function activate(vm: Vm, phase: Live, event: Extract<VmEvent, { kind: 'activated' }>, nowMs: number): VmDecision {
  // The key is checked before the state is answered: a stranger learns nothing about a VM that is not theirs.
  if (event.keyHash !== vm.activation.keyHash) return refuse('key-wrong')
  if (vm.activation.nonceHash !== undefined && vm.activation.nonceHash !== event.nonceHash) return refuse('key-used')
  if (nowMs > vm.activation.untilMs) return refuse('key-expired')
  if (phase.state === 'Stopping') return refuse('not-up')
  if (isUp(phase)) return accept(vm, false)
  const activation = { ...vm.activation, nonceHash: event.nonceHash }
  return accept({ ...vm, activation, phase: { state: 'Active', ref: refOf(phase), activeMs: nowMs }, changedMs: nowMs })
}

function drained(phase: Live, why: string): VmPhase {
  return phase.state === 'Active'
    ? { state: 'Draining', ref: phase.ref, activeMs: phase.activeMs, why }
    : stopping(phase, why)
}

function stopping(phase: Live, why: string): VmPhase {
  return { state: 'Stopping', ref: refOf(phase), activeMs: activeMsOf(phase), why }
}

function over(phase: Live, why: string): VmPhase {
  const ref = refOf(phase)
  const activeMs = activeMsOf(phase)
  switch (phase.state) {
    case 'Intended':
      return { state: 'Failed', ref, why }
    case 'Stopping':
      return { state: activeMs === undefined ? 'Failed' : 'Gone', ref, activeMs, why: phase.why }
    case 'Requested':
    case 'Booting':
    case 'Active':
    case 'Draining':
      return { state: 'Lost', ref, activeMs, why }
    default:
      return never(phase)
  }
}

function activeMsOf(phase: VmPhase): number | undefined {
  return 'activeMs' in phase ? phase.activeMs : undefined
}

function isSame(a: FoundTraits | undefined, b: FoundTraits): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b)
}

function accept(next: Vm, emits = true): VmDecision {
  return { ok: true, next, emits }
}

function refuse(why: VmRefusal): VmDecision {
  return { ok: false, why }
}

export type KeptVm = {
  readonly vm: Vm
  /** What the live leases on it hold. */
  readonly leases: number
  readonly used: Resources
}
