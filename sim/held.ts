/**
 * The auditor's books of what is held: nothing is held by what has ended.
 *
 * A stream that the service has closed leaves the streams and the matcher in the same step, and each pick of a claim is
 * answered once. What a loop lets go (a reservation, a lease of an ended VM, what a director notes of its clouds) is timed
 * from the moment when the world heals: before that the loop itself may be dead for any time.
 */

import { noteOf, cloudNote } from '../core/plan/cloud-note.ts'
import type { VmId } from '../core/kernel/ids.ts'
import { leaseMs } from '../core/kernel/limits.ts'
import type { Resources } from '../core/model/resources.ts'
import type { Store } from '../core/ports/store.ts'
import type { Matching } from '../services/matcher/matching.ts'
import type { OpenPilot } from '../services/matcher/matcher.ts'
import { isOverState, type JobBooks } from './job-books.ts'
import type { SimProcess } from './process.ts'
import type { Timeline } from './timeline.ts'
import type { Violations } from './violations.ts'
import type { VmBooks } from './vm-books.ts'

/** One stream as its session sees the service around it. */
export type AuditedStream = {
  readonly matching: Matching
  /** The service has ended it: what it had is free by now. */
  closed(): void
}

export type HeldBooks = {
  /** `isForgetful`: a stream that ends stays where it is. */
  stream(matching: Matching, vmId: VmId, life: SimProcess, isForgetful: boolean): AuditedStream
  /** Now and then: picks that were never answered, streams of VMs that have ended. */
  check(): void
  /** Now and then once the world has healed: what is kept in the store. */
  checkKept(truth: Store, clouds: readonly string[]): Promise<void>
}

type Open = { readonly vmId: VmId; readonly life: SimProcess; readonly sinceMs: number; readonly places: Set<Place> }
/** Leaving one twice does no harm. */
type Place = 'streams' | 'matcher'
type Pick = { readonly open: Open; readonly atMs: number }

export type HeldOptions = {
  readonly timeline: Timeline
  readonly violations: Violations
  readonly jobs: JobBooks
  readonly vms: VmBooks
}

/** Of a process that is awake: a store that is slow takes some of it, and a dead peer is noticed in that time. */
const heldMs = 90_000
/** What a loop lets go: its period, and a store that it reads in vain once or twice. */
const looseMs = 2 * 60_000
const leaseOverMs = 3 * leaseMs

type Inside = HeldOptions & {
  readonly open: Set<Open>
  readonly picks: Map<Resources, Pick>
  /** Since when what should be free is seen held. */
  readonly kept: Map<string, number>
}

export function openHeld(options: HeldOptions): HeldBooks {
  const inside: Inside = { ...options, open: new Set(), picks: new Map(), kept: new Map() }
  return {
    stream: (matching, vmId, life, isForgetful) => audited(inside, matching, vmId, life, isForgetful),
    check: () => check(inside),
    checkKept: (truth, clouds) => checkKept(inside, truth, clouds),
  }
}

function audited(inside: Inside, matching: Matching, vmId: VmId, life: SimProcess, isForgetful: boolean): AuditedStream {
  const { violations, timeline } = inside
  const { streams, matcher } = matching
  const open: Open = { vmId, life, sinceMs: timeline.nowMs(), places: new Set() }
  let seen: OpenPilot | undefined
  const left = (place: Place, leave: () => void): void => {
    if (isForgetful) return
    open.places.delete(place)
    leave()
  }
  inside.open.add(open)
  return {
    matching: {
      ...matching,
      streams: {
        enter(id, stream) {
          open.places.add('streams')
          streams.enter(id, stream)
        },
        leave: (id, stream) => left('streams', () => streams.leave(id, stream)),
        of: (id) => streams.of(id),
        running: () => streams.running(),
      },
      matcher: {
        ...matcher,
        join(pilot) {
          open.places.add('matcher')
          seen = auditedPilot(inside, open, pilot)
          matcher.join(seen)
        },
        leave: (pilot) => left('matcher', () => matcher.leave(seen ?? pilot)),
        serve: (pilot) => matcher.serve(seen ?? pilot),
      },
    },
    closed() {
      inside.open.delete(open)
      violations.check(open.places.size === 0, 'held', { vmId }, () => {
        return `its stream is closed and keeps its place: ${[...open.places].join(', ')}`
      })
    },
  }
}

function auditedPilot({ picks, timeline, violations }: Inside, open: Open, pilot: OpenPilot): OpenPilot {
  const answer = (taken: Resources): void => {
    const { vmId } = open
    violations.check(picks.delete(taken), 'held', { vmId }, () => 'a pick is answered that was never made, or twice')
  }
  return {
    vmId: pilot.vmId,
    get place() {
      return pilot.place
    },
    room: () => pilot.room(),
    wants: () => pilot.wants(),
    reservedFor: () => pilot.reservedFor(),
    reserve(taken) {
      picks.set(taken, { open, atMs: timeline.nowMs() })
      pilot.reserve(taken)
    },
    grant(granted, taken) {
      answer(taken)
      pilot.grant(granted, taken)
    },
    giveBack(taken, why) {
      answer(taken)
      pilot.giveBack(taken, why)
    },
  }
}

function check({ open, picks, timeline, violations, vms }: Inside): void {
  const nowMs = timeline.nowMs()
  /** How long a process that is awake has had since. */
  const awakeMs = (life: SimProcess, sinceMs: number): number => nowMs - Math.max(sinceMs, life.wokeMs())
  for (const [taken, { open: of, atMs }] of picks) {
    if (!of.life.isAlive()) picks.delete(taken)
    else if (awakeMs(of.life, atMs) > heldMs)
      violations.report('held', { vmId: of.vmId }, 'room is reserved for a claim that has no answer')
  }
  for (const one of open) {
    const { vmId, life, sinceMs } = one
    const overMs = vms.overSinceMs(vmId)
    if (!life.isAlive()) open.delete(one)
    else if (overMs !== undefined && awakeMs(life, Math.max(overMs, sinceMs)) > heldMs)
      violations.report('held', { vmId }, 'it has ended and has an open stream')
  }
}

async function checkKept(inside: Inside, truth: Store, clouds: readonly string[]): Promise<void> {
  const { timeline, violations, jobs, vms, kept } = inside
  const now = new Map<string, { readonly vmId?: string; readonly maxMs: number }>()
  const [live, ...notes] = await Promise.all([truth.liveVms(), ...clouds.map((name) => truth.note(cloudNote(name)))])
  for (const { vm } of live) {
    const { reserved } = vm
    const state = reserved && jobs.entries.get(reserved.jobId)?.state
    if (reserved && state !== 'Waiting')
      now.set(`it is reserved for job ${reserved.jobId}, which is ${state}`, { vmId: vm.id, maxMs: looseMs })
  }
  for (const { id, vmId } of jobs.entries.values()) {
    if (vmId !== undefined && isOverState(vms.state(vmId)))
      now.set(`it has ended, and job ${id} is leased to it`, { vmId, maxMs: leaseOverMs })
  }
  for (const [at, text] of notes.entries()) {
    const note = noteOf(text)
    for (const vmId of note?.blamed ?? [])
      if (isOverState(vms.state(vmId))) now.set(`${clouds[at]} remembers its fault`, { vmId, maxMs: looseMs })
    for (const { vmId, ref } of note?.stuck ?? [])
      if (isOverState(vms.state(vmId))) now.set(`${clouds[at]} calls people for ${ref}`, { vmId, maxMs: looseMs })
  }
  for (const key of kept.keys()) if (!now.has(key)) kept.delete(key)
  for (const [what, { vmId, maxMs }] of now) {
    const sinceMs = kept.get(what) ?? timeline.nowMs()
    kept.set(what, sinceMs)
    violations.check(timeline.nowMs() - sinceMs <= maxMs, 'held', { vmId }, () => what)
  }
}
