import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  changeVm,
  contactMs,
  isOver,
  refOf,
  type Vm,
  type VmDecision,
  type VmEvent,
  type VmPhase,
  vmStates,
} from '../../../core/model/vm.ts'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import type { Reservation } from '../../../core/model/reservation.ts'
import { sampleVm } from '../../../sim/samples.ts'

const id = sampleVm('a').id
const nowMs = 5000
const ref = 'ref-a'

const phases = {
  Intended: { state: 'Intended' },
  Requested: { state: 'Requested', ref },
  Booting: { state: 'Booting', ref },
  Active: { state: 'Active', ref, activeMs: 2000 },
  Draining: { state: 'Draining', ref, activeMs: 2000, why: 'old' },
  Stopping: { state: 'Stopping', ref, activeMs: 2000, why: 'old' },
  Unnamed: { state: 'Stopping', ref: '', why: 'old' },
  NeverUp: { state: 'Stopping', ref, why: 'old' },
  Gone: { state: 'Gone', ref, activeMs: 2000, why: 'old' },
  Failed: { state: 'Failed', ref, why: 'old' },
  Lost: { state: 'Lost', ref, activeMs: 2000, why: 'old' },
} as const satisfies Record<string, VmPhase>
type PhaseName = keyof typeof phases

const heartbeat = {
  atMs: 4000,
  load1: 0,
  memoryUsedBytes: 0,
  memoryTotalBytes: 1,
  diskFreeBytes: 1,
  pilotState: 'idle',
  payloads: 0,
  idleMs: 0,
  unhealthy: '',
}

const reservation: Reservation = { classId: 'wide' as ClassId, jobId: 7 as JobId, sinceMs: 4500, untilMs: 9000 }

const events = {
  accepted: { kind: 'accepted', vmId: id, ref },
  refused: { kind: 'refused', vmId: id, why: 'no' },
  building: { kind: 'seen', vmId: id, ref, running: false },
  running: { kind: 'seen', vmId: id, ref, running: true },
  activated: { kind: 'activated', vmId: id, keyHash: 'key', nonceHash: 'nonce' },
  heartbeat: { kind: 'heartbeat', vmId: id, heartbeat },
  drain: { kind: 'drain', vmId: id, why: 'new' },
  retire: { kind: 'retire', vmId: id, why: 'new' },
  stop: { kind: 'stop', vmId: id, why: 'new' },
  absent: { kind: 'absent', vmId: id, why: 'new' },
  reserve: { kind: 'reserve', vmId: id, reservation },
  unreserve: { kind: 'unreserve', vmId: id, classId: reservation.classId, why: 'new' },
} as const satisfies Record<string, VmEvent>
type EventName = keyof typeof events

const vmIn = (phase: VmPhase): Vm => {
  const wasActivated = phase.state !== 'Intended' && 'activeMs' in phase
  const activation = { keyHash: 'key', untilMs: 1_000_000, nonceHash: wasActivated ? 'nonce' : undefined }
  return { ...sampleVm('a'), phase, activation }
}

/** The next state, `same` for an accepted event that keeps it, or the refusal. */
function outcome(phase: VmPhase, event: VmEvent, leases = 0): string {
  const decision = changeVm(vmIn(phase), event, leases, nowMs)
  if (!decision.ok) return decision.why
  return decision.next.phase.state === phase.state ? 'same' : decision.next.phase.state
}

const order = [
  'accepted',
  'refused',
  'building',
  'running',
  'activated',
  'heartbeat',
  'drain',
  'retire',
  'stop',
  'absent',
  'reserve',
  'unreserve',
] as const
const table: Record<PhaseName, readonly string[]> = {
  Intended: [
    'Requested',
    'Failed',
    'Requested',
    'Booting',
    'Active',
    'not-up',
    'Stopping',
    'Stopping',
    'Stopping',
    'Failed',
    'not-up',
    'same',
  ],
  Requested: [
    'same',
    'stale',
    'same',
    'Booting',
    'Active',
    'not-up',
    'Stopping',
    'Stopping',
    'Stopping',
    'Lost',
    'not-up',
    'same',
  ],
  Booting: [
    'same',
    'stale',
    'same',
    'same',
    'Active',
    'not-up',
    'Stopping',
    'Stopping',
    'Stopping',
    'Lost',
    'not-up',
    'same',
  ],
  Active: ['same', 'stale', 'same', 'same', 'same', 'same', 'Draining', 'Stopping', 'Stopping', 'Lost', 'same', 'same'],
  Draining: ['same', 'stale', 'same', 'same', 'same', 'same', 'same', 'Stopping', 'Stopping', 'Lost', 'not-up', 'same'],
  Stopping: ['same', 'stale', 'same', 'same', 'not-up', 'same', 'same', 'same', 'same', 'Gone', 'not-up', 'same'],
  Unnamed: ['same', 'Gone', 'same', 'same', 'not-up', 'same', 'same', 'same', 'same', 'Failed', 'not-up', 'same'],
  NeverUp: ['same', 'stale', 'same', 'same', 'not-up', 'same', 'same', 'same', 'same', 'Failed', 'not-up', 'same'],
  Gone: order.map(() => 'ended'),
  Failed: order.map(() => 'ended'),
  Lost: order.map(() => 'ended'),
}

const cells = Object.entries(table).flatMap(([phase, row]) =>
  order.map((event, at) => [phase as PhaseName, event as EventName, row[at] ?? ''] as const),
)

describe('every cell of the table', () => {
  it.each(cells)('%s, %s: %s', (phase, event, expected) => {
    expect(outcome(phases[phase], events[event])).toBe(expected)
  })

  it('has a row for every state', () => {
    expect(new Set(Object.values(phases).map(({ state }) => state))).toEqual(new Set(vmStates))
  })
})

describe('what a cell cannot say', () => {
  const next = (phase: VmPhase, event: VmEvent, leases = 0): Vm => {
    const decision = changeVm(vmIn(phase), event, leases, nowMs)
    if (!decision.ok) throw new Error(`refused as ${decision.why}`)
    return decision.next
  }

  it.each(['Active', 'Draining'] as const)(
    'does not retire a VM that is %s and busy, and stops it all the same',
    (phase) => {
      expect(outcome(phases[phase], events.retire, 1)).toBe('busy')
      expect(outcome(phases[phase], events.stop, 1)).toBe('Stopping')
    },
  )

  it('keeps the first reason of a stop, and the reason and reference at the end', () => {
    expect(next(phases.Stopping, events.stop).phase).toEqual(phases.Stopping)
    expect(next(phases.Stopping, events.absent).phase).toEqual({ state: 'Gone', ref, activeMs: 2000, why: 'old' })
    expect(next(phases.Booting, events.absent).phase).toMatchObject({ state: 'Lost', ref, why: 'new' })
  })

  it.each(['accepted', 'building'] as const)('learns its reference by %s, whatever state it reached in between', (event) => {
    expect(refOf(next(phases.Unnamed, events[event]).phase)).toBe(ref)
    const early = next(phases.Intended, events.activated)
    expect(refOf(early.phase)).toBe('')
    const named = changeVm(early, events[event], 0, nowMs)
    expect(named.ok && refOf(named.next.phase)).toBe(ref)
  })

  it('never forgets or changes a reference that it has', () => {
    for (const phase of [phases.Requested, phases.Booting, phases.Active, phases.Stopping]) {
      expect(refOf(next(phase, { ...events.accepted, ref: 'other' }).phase)).toBe(ref)
    }
  })

  it('emits a fact neither for heartbeats nor for events that change nothing', () => {
    const emits = (phase: VmPhase, event: VmEvent): boolean => {
      const decision: VmDecision = changeVm(vmIn(phase), event, 0, nowMs)
      return decision.ok && decision.emits
    }
    expect(emits(phases.Active, events.heartbeat)).toBe(false)
    expect(emits(phases.Stopping, events.stop)).toBe(false)
    expect(emits(phases.Draining, events.drain)).toBe(false)
    expect(emits(phases.Active, events.drain)).toBe(true)
  })
})

describe('a reservation', () => {
  const active = vmIn(phases.Active)
  const applied = (vm: Vm, event: VmEvent, ms = nowMs): Vm | string => {
    const decision = changeVm(vm, event, 0, ms)
    return decision.ok ? decision.next : decision.why
  }
  const reserved = { ...active, reserved: reservation }
  const other = { ...reservation, classId: 'other' as ClassId, sinceMs: 8000, untilMs: 20_000 }

  it('is written once, and refused to another task queue until it is over', () => {
    expect(applied(active, events.reserve)).toEqual(reserved)
    const again = { ...events.reserve, reservation: { ...reservation, sinceMs: 5000 } }
    expect(applied(reserved, again)).toBe(reserved)
    const ofOther = { ...events.reserve, reservation: other }
    expect(applied(reserved, ofOther, 8999)).toBe('reserved')
    expect(applied(reserved, ofOther, 9000)).toEqual({ ...active, reserved: other })
  })

  it('is released for its task queue alone', () => {
    expect(applied(reserved, events.unreserve)).toEqual(active)
    expect(applied(reserved, { ...events.unreserve, classId: other.classId })).toBe(reserved)
  })

  it.each(['drain', 'retire', 'stop', 'absent'] as const)('ends when the VM is no longer Active, by %s', (kind) => {
    const next = applied(reserved, events[kind])
    expect(next).not.toHaveProperty('reserved')
    expect(applied(reserved, events.heartbeat)).toHaveProperty('reserved', reservation)
  })

  it('begins by now and lasts as long after the clock was put back', () => {
    const cut = applied({ ...reserved, intendedMs: 500, changedMs: 900 }, { kind: 'cut', vmId: id }, 3000)
    expect(cut).toMatchObject({ reserved: { sinceMs: 3000, untilMs: 7500 }, changedMs: 900 })
  })
})

describe('a record that was written with a clock that was ahead', () => {
  const cutAt = (vm: Vm, ms: number): Vm => {
    const decision = changeVm(vm, { kind: 'cut', vmId: id }, 0, ms)
    if (!decision.ok || decision.emits) throw new Error('a cut is taken without a fact')
    return decision.next
  }

  it('has after a cut no time after now, and deadlines that are as far ahead as they were', () => {
    const vm = { ...vmIn(phases.Active), intendedMs: 1500, changedMs: 2100, endByMs: 9500, beat: heartbeat }
    expect(cutAt(vm, 4000)).toBe(vm)
    expect(cutAt(vm, 3000)).toEqual({ ...vm, beat: { ...heartbeat, atMs: 3000 } })
    const cut = cutAt(vm, 1000)
    expect(cut).toMatchObject({ intendedMs: 1000, changedMs: 1000, endByMs: 9000, activation: { untilMs: 999_500 } })
    expect([cut.phase, cut.beat?.atMs]).toEqual([{ ...phases.Active, activeMs: 1000 }, 1000])
  })

  it.each(Object.entries(phases))('keeps the state of a VM that is %s', (_, phase) => {
    const decision = changeVm({ ...vmIn(phase), intendedMs: 3000 }, { kind: 'cut', vmId: id }, 0, 2500)
    expect(decision.ok ? decision.next.phase : decision.why).toEqual(isOver(phase) ? 'ended' : phase)
  })
})

describe('an event that was decided on a record of before', () => {
  const decided = (vm: Vm, kind: 'drain' | 'retire' | 'stop' | 'absent', ifContactMs: number): string => {
    const decision = changeVm(vm, { kind, vmId: id, why: 'silent', ifContactMs }, 0, nowMs)
    return decision.ok ? 'taken' : decision.why
  }

  it.each(['drain', 'retire', 'stop', 'absent'] as const)('%s is refused if the VM was in contact since', (kind) => {
    const beating = { ...vmIn(phases.Active), beat: heartbeat }
    expect(contactMs(beating)).toBe(4000)
    expect(decided(beating, kind, 4000)).toBe('taken')
    expect(decided(beating, kind, 3999)).toBe('contacted')
    expect(decided(vmIn(phases.Booting), kind, 0)).toBe('taken')
    expect(decided(vmIn(phases.Active), kind, 0)).toBe('contacted')
    expect(decided(vmIn(phases.Gone), kind, 0)).toBe('ended')
  })
})

describe('activation', () => {
  const at = (
    changes: Partial<Extract<VmEvent, { kind: 'activated' }>>,
    phase: VmPhase = phases.Booting,
    ms = nowMs,
  ): string => {
    const decision = changeVm(vmIn(phase), { ...events.activated, ...changes }, 0, ms)
    return decision.ok ? decision.next.phase.state : decision.why
  }

  it('takes the right key once, and the same nonce again', () => {
    expect(at({})).toBe('Active')
    expect(at({}, phases.Active)).toBe('Active')
    expect(at({ nonceHash: 'other' }, phases.Active)).toBe('key-used')
    expect(at({ nonceHash: 'other' }, phases.Draining)).toBe('key-used')
  })

  it('refuses a wrong key before it gives any other reason', () => {
    for (const phase of [phases.Intended, phases.Active, phases.Stopping])
      expect(at({ keyHash: 'x' }, phase)).toBe('key-wrong')
  })

  it('refuses an expired key, to the millisecond', () => {
    expect(at({}, phases.Booting, 1_000_000)).toBe('Active')
    expect(at({}, phases.Booting, 1_000_001)).toBe('key-expired')
  })
})

it('ends once and for good, and is up only after an activation, whatever happens in whatever order', () => {
  const step = fc.record({ event: fc.constantFrom(...order), leases: fc.integer({ min: 0, max: 2 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let vm: Vm = sampleVm('a')
      let wasActivated = false
      for (const { event, leases } of steps) {
        const wasOver = isOver(vm.phase)
        const decision = changeVm(vm, events[event], leases, nowMs)
        expect(decision.ok && wasOver).toBe(false)
        if (!decision.ok) continue
        const isBusy = leases > 0 && (vm.phase.state === 'Active' || vm.phase.state === 'Draining')
        expect(event === 'retire' && isBusy).toBe(false)
        wasActivated ||= event === 'activated'
        vm = decision.next
        expect(vm.phase.state === 'Active' && !wasActivated).toBe(false)
      }
    }),
  )
})
