/** When a VM has done what it was made for, and when its end counts against what it was made from. */

import { describe, expect, it } from 'vitest'
import { provenAfterMs } from '../../../core/kernel/limits.ts'
import type { FaultUnless } from '../../../core/model/proof.ts'
import { changeVm, type Heartbeat, type Vm, type VmEvent } from '../../../core/model/vm.ts'
import { activeVm, sampleVm } from '../../../sim/samples.ts'

const fromMs = 10_000
const worker = activeVm('one')
const squid = activeVm('one', { service: 'squid' })

type Said = Partial<Pick<Heartbeat, 'pilotState' | 'unhealthy'>>
const load = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, idleMs: 0, payloads: 0 }

function after(vm: Vm, event: VmEvent, nowMs: number): Vm {
  const decision = changeVm(vm, event, 0, nowMs)
  if (!decision.ok) throw new Error(decision.why)
  return decision.next
}

const heard = (vm: Vm, nowMs: number, { pilotState = 'idle', unhealthy = '' }: Said = {}): Vm =>
  after(vm, { kind: 'heartbeat', vmId: vm.id, heartbeat: { ...load, atMs: nowMs, pilotState, unhealthy } }, nowMs)
const ended = (vm: Vm, kind: 'drain' | 'retire' | 'stop' | 'absent', faultUnless?: FaultUnless, nowMs = 900_000): Vm =>
  after(vm, { kind, vmId: vm.id, why: 'because', faultUnless }, nowMs)
const proof = ({ wellSinceMs, provenMs, fault }: Vm) => ({ wellSinceMs, provenMs, fault })
const nothing = { wellSinceMs: undefined, provenMs: undefined, fault: undefined }

describe('a VM that lives', () => {
  it('is proven when it was well for a while, and not before', () => {
    const well = heard(worker, fromMs)
    expect(proof(well)).toEqual({ ...nothing, wellSinceMs: fromMs })
    expect(proof(heard(well, fromMs + provenAfterMs - 1, { pilotState: 'busy' })).provenMs).toBeUndefined()
    const proven = heard(well, fromMs + provenAfterMs, { pilotState: 'busy' })
    expect(proof(proven)).toEqual({ ...nothing, wellSinceMs: fromMs, provenMs: fromMs + provenAfterMs })
    expect(proof(heard(proven, 10 ** 6, { unhealthy: 'disk-full' }))).toEqual(proof(proven))
  })

  it('is not proven by coming up, by a pilot that never says that it takes jobs, or by one that is gone', () => {
    const of = (said: Said) => proof(heard(heard(worker, fromMs, said), fromMs + provenAfterMs, said))
    expect(proof(worker)).toEqual(nothing)
    expect(of({ pilotState: 'starting' })).toEqual(nothing)
    expect(of({ pilotState: 'gone', unhealthy: 'pilot-gone' })).toEqual(nothing)
    expect(of({ unhealthy: 'clock-off' })).toEqual(nothing)
  })

  it('counts from the start again after it was unhealthy', () => {
    const ill = heard(heard(worker, fromMs), fromMs + 50_000, { unhealthy: 'clock-off' })
    const well = heard(ill, fromMs + 60_000)
    expect(proof(heard(well, fromMs + provenAfterMs))).toEqual({ ...nothing, wellSinceMs: fromMs + 60_000 })
  })

  it('goes on counting while a pilot of it is started anew', () => {
    const again = heard(heard(worker, fromMs), fromMs + 50_000, { pilotState: 'starting' })
    expect(heard(again, fromMs + provenAfterMs).provenMs).toBe(fromMs + provenAfterMs)
  })

  it('with a service is proven by being healthy for a while', () => {
    const said = { pilotState: '' }
    expect(heard(heard(squid, fromMs, said), fromMs + provenAfterMs, said).provenMs).toBe(fromMs + provenAfterMs)
    const ill = { pilotState: '', unhealthy: 'squid-gone' }
    expect(proof(heard(heard(squid, fromMs, said), fromMs + provenAfterMs, ill))).toEqual(nothing)
  })
})

describe('a VM that ends', () => {
  const offered = heard(worker, fromMs)
  const proven = heard(offered, fromMs + provenAfterMs)
  const booting = sampleVm('one', { phase: { state: 'Booting', ref: 'r' } })
  const fault = { fault: 'because' }
  const isProven = { provenMs: 900_000 }

  it.each<[string, Vm, FaultUnless | undefined, object]>([
    ['on its way', booting, 'offered', fault],
    ['on its way, by an operator', booting, undefined, nothing],
    ['without ever offering, by its own wish', worker, 'offered', fault],
    ['without ever offering, for it is ill', worker, 'proven', fault],
    ['without ever offering, by an operator', worker, undefined, nothing],
    ['that offered, by its own wish', offered, 'offered', isProven],
    ['that offered, for it is ill', offered, 'proven', fault],
    ['that offered, by an operator', offered, undefined, isProven],
    ['that is proven, for it is ill', proven, 'proven', { fault: undefined, provenMs: fromMs + provenAfterMs }],
    ['that was ill and never proven, by its own wish', heard(offered, 2e4, { unhealthy: 'x' }), 'offered', fault],
  ])('%s', (_, vm, faultUnless, expected) => {
    for (const kind of ['retire', 'stop', 'absent'] as const) {
      const over = ended(vm, kind, faultUnless)
      // What it has offered proves it only if it ends with nothing left to do.
      const isOrderly = kind === 'retire' || expected !== isProven
      expect({ kind, ...proof(over) }).toMatchObject({ kind, ...(isOrderly ? expected : { provenMs: undefined }) })
      expect(over.fault !== undefined && over.provenMs !== undefined).toBe(false)
    }
  })

  it('is at fault for being switched off, unless it was proven or was running jobs', () => {
    const off = { kind: 'stop', vmId: worker.id, why: 'powered off', faultUnless: 'working' } as const
    const faultWith = (vm: Vm, leases: number): string | undefined => {
      const decision = changeVm(vm, off, leases, 900_000)
      return decision.ok ? decision.next.fault : 'refused'
    }
    expect(faultWith(worker, 0)).toBe('powered off')
    expect(faultWith(offered, 0)).toBe('powered off')
    expect(faultWith(offered, 1)).toBeUndefined()
    expect(faultWith(proven, 0)).toBeUndefined()
  })

  it('keeps the reason of its drain, and is not judged by what follows', () => {
    const byOperator = ended(worker, 'drain')
    expect(proof(ended(byOperator, 'stop', 'proven'))).toEqual(nothing)
    const forIllness = ended(worker, 'drain', 'proven')
    expect(proof(forIllness)).toEqual({ ...nothing, fault: 'because' })
    expect(proof(ended(heard(forIllness, 20_000), 'retire', 'offered'))).toEqual({ ...nothing, fault: 'because' })
  })

  it('may still prove itself while it drains', () => {
    const draining = ended(offered, 'drain')
    expect(draining.provenMs).toBeUndefined()
    expect(ended(draining, 'retire').provenMs).toBe(900_000)
  })

  it('with a service is not proven by a short life', () => {
    expect(ended(heard(squid, fromMs, { pilotState: '' }), 'retire').provenMs).toBeUndefined()
  })

  it('is judged when it begins to stop, and not again', () => {
    const stopping = ended(offered, 'stop')
    expect(proof(ended(stopping, 'absent', 'offered', 950_000))).toEqual(proof(stopping))
    const neutral = ended(worker, 'stop')
    expect(proof(ended(heard(neutral, 910_000), 'absent', 'offered', 950_000)).fault).toBeUndefined()
  })

  it('has no time after now when the clock was put back', () => {
    const cut = after(proven, { kind: 'cut', vmId: proven.id }, 5000)
    expect(proof(cut)).toEqual({ ...nothing, wellSinceMs: 5000, provenMs: 5000 })
  })
})
