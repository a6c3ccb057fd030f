/** The meter of a VM: whatever happens, in whatever order of times, its core time is divided and nothing of it is lost. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import {
  advanced,
  claimedOn,
  endedOn,
  enteredBy,
  machineOf,
  newMeter,
  overAt,
  usageOf,
  type VmMeter,
} from '../../../core/accounting/vm-meter.ts'
import { moneyFor, sumsOf, type VmUsage } from '../../../core/model/usage-record.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { sampleVm } from '../../../sim/samples.ts'

const ref = (jobId: number, attempt = 1) => ({ jobId: jobId as JobId, attempt })
const meterOf = (changes: Partial<Vm> = {}): VmMeter => newMeter(sampleVm('one', { cores: 4, ...changes }), 1000)

function usage(meter: VmMeter): VmUsage {
  const record = usageOf(meter)
  if (!record) throw new Error('not ended')
  return record
}

function sum({ overheadCoreMs }: VmUsage): number {
  return Object.values(overheadCoreMs).reduce((all, coreMs) => all + coreMs, 0)
}

describe('a meter', () => {
  it('divides the life of a worker', () => {
    let meter = machineOf(meterOf(), 'ref')
    meter = enteredBy(meter, 'coming', 1500)
    meter = enteredBy(meter, 'up', 2000)
    meter = claimedOn(meter, ref(1), 3, 3000)
    const ended = endedOn(meter, ref(1), 5000)
    expect(ended?.coreMs).toBe(6000)
    meter = enteredBy(ended?.meter ?? meter, 'draining', 5500)
    meter = enteredBy(meter, 'stopping', 6000)
    expect(usageOf(meter)).toBeUndefined()
    expect(usage(overAt(meter, 'Gone', 7000, undefined))).toMatchObject({
      activeMs: 2000,
      endedMs: 7000,
      attempts: 1,
      usedCoreMs: 6000,
      overheadCoreMs: { boot: 4000, idle: 4000 + 2000, unfilled: 2000, draining: 2000, stopping: 4000 },
    })
  })

  it('counts all of a VM that was never active as a failed boot, and nothing of one that never had a machine', () => {
    const asked = machineOf(meterOf(), 'ref')
    const stopped = overAt(enteredBy(asked, 'stopping', 3000), 'Failed', 4000, undefined)
    expect(usage(stopped).overheadCoreMs).toEqual({ 'failed-boot': 12_000 })
    const refused = usage(overAt(machineOf(meterOf(), ''), 'Failed', 4000, undefined))
    expect(refused).toMatchObject({ overheadCoreMs: {}, moneyMicros: 0 })
    // It is counted as a VM all the same.
    expect(sumsOf(refused).map(({ key, measures }) => [key.reason, measures.records, measures.coreMs])).toEqual([
      ['failed-boot', 1, 0],
    ])
  })

  it('counts free cores after the last contact of a lost VM as lost, and waits for the ends of its attempts', () => {
    let meter = enteredBy(meterOf(), 'up', 2000)
    meter = claimedOn(meter, ref(1), 1, 2000)
    meter = overAt(meter, 'Lost', 9000, 4000)
    expect(usageOf(meter)).toBeUndefined()
    const ended = endedOn(meter, ref(1), 30_000)
    // The machine was gone by then.
    expect(ended?.coreMs).toBe(7000)
    expect(usage(ended?.meter ?? meter)).toMatchObject({
      usedCoreMs: 7000,
      overheadCoreMs: { boot: 4000, unfilled: 6000, lost: 15_000 },
    })
  })

  it('counts what a VM does for its site as service', () => {
    const meter = enteredBy(meterOf({ service: 'squid' }), 'up', 2000)
    expect(usage(overAt(meter, 'Gone', 3000, undefined)).overheadCoreMs).toEqual({ boot: 4000, service: 4000 })
  })

  it('knows a VO only where the VM served no other', () => {
    expect(meterOf({ vos: ['lhcb'] }).vo).toBe('lhcb')
    expect(meterOf({ vos: ['lhcb', 'belle'] }).vo).toBe('')
    expect(meterOf().vo).toBe('')
  })

  it('ends the attempt that is named, of several of one number and of one job', () => {
    let meter = enteredBy(meterOf(), 'up', 2000)
    meter = claimedOn(meter, ref(1, 1), 1, 2000)
    meter = claimedOn(meter, ref(2, 1), 1, 3000)
    meter = claimedOn(meter, ref(1, 2), 2, 4000)
    expect(meter.attempts).toBe(3)
    const first = endedOn(meter, ref(2, 1), 5000)
    expect([first?.coreMs, first?.moneyMicros]).toEqual([2000, moneyFor(2000, meter)])
    const second = endedOn(first?.meter ?? meter, ref(1, 2), 6000)
    expect(second?.coreMs).toBe(4000)
    expect(endedOn(second?.meter ?? meter, ref(1, 1), 7000)?.coreMs).toBe(5000)
  })

  it('knows a machine by its name, or by its activation', () => {
    expect(machineOf(meterOf(), undefined).hasMachine).toBe(false)
    expect(machineOf(meterOf(), '').hasMachine).toBe(false)
    const named = machineOf(meterOf(), 'ref')
    expect(named.hasMachine).toBe(true)
    expect(machineOf(named, 'other')).toBe(named)
    expect(enteredBy(meterOf(), 'up', 2000)).toMatchObject({ hasMachine: true, activeMs: 2000 })
    expect(enteredBy(enteredBy(meterOf(), 'up', 2000), 'up', 3000).activeMs).toBe(2000)
  })

  it('stands still when it is over, whatever comes', () => {
    const over = overAt(enteredBy(meterOf(), 'up', 2000), 'Gone', 3000, undefined)
    expect(enteredBy(over, 'draining', 4000)).toBe(over)
    expect(overAt(over, 'Lost', 5000, 4000)).toBe(over)
    expect(advanced(over, 9000)).toBe(over)
    expect(advanced(meterOf(), 1000)).toEqual(meterOf())
    expect(usage(over)).toMatchObject({ memoryBytes: sampleVm('one').memoryBytes, state: 'Gone' })
    expect(usage(over)).not.toHaveProperty('gpus')
  })

  it('takes a repeated claim once, and ends no attempt that is not open', () => {
    const meter = claimedOn(claimedOn(enteredBy(meterOf(), 'up', 2000), ref(1), 1, 2000), ref(1), 1, 2500)
    expect(meter.attempts).toBe(1)
    expect(endedOn(meter, ref(1, 2), 3000)).toBeUndefined()
    expect(endedOn(endedOn(meter, ref(1), 3000)?.meter ?? meter, ref(1), 4000)).toBeUndefined()
  })

  type Step = { readonly kind: 'claim' | 'end' | 'drain' | 'stop' | 'up'; readonly at: number; readonly cores: number }
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom<Step['kind']>('claim', 'claim', 'claim', 'end', 'end', 'up', 'drain', 'stop'),
      at: fc.nat(100_000),
      cores: fc.integer({ min: 1, max: 4 }),
    }),
    { maxLength: 40 },
  )

  it('always adds up to its cores times its life, and what its attempts held to what they say', () => {
    fc.assert(
      fc.property(steps, fc.nat(120_000), fc.option(fc.nat(120_000)), fc.boolean(), (all, overMs, contact, isLost) => {
        let meter = machineOf(meterOf({ pricePerHour: 0.37 }), 'ref')
        const open: number[] = []
        let [held, wasHeld] = [0, 0]
        const cores = new Map<number, number>()
        const end = (): void => {
          const jobId = open.shift()
          const ended = jobId === undefined ? undefined : endedOn(meter, ref(jobId), 1000 + overMs)
          if (!ended || jobId === undefined) return
          held -= cores.get(jobId) ?? 0
          wasHeld += ended.coreMs
          meter = ended.meter
        }
        for (const [jobId, step] of all.entries()) {
          const atMs = 1000 + step.at
          if (step.kind === 'claim' && meter.phase === 'up' && held + step.cores <= 4) {
            meter = claimedOn(meter, ref(jobId), step.cores, atMs)
            cores.set(jobId, step.cores)
            held += step.cores
            open.push(jobId)
          } else if (step.kind === 'end') end()
          else if (step.kind === 'up' && meter.phase === 'coming') meter = enteredBy(meter, 'up', atMs)
          else if (step.kind === 'drain' && meter.phase === 'up') meter = enteredBy(meter, 'draining', atMs)
          else if (step.kind === 'stop' && meter.phase !== 'stopping') meter = enteredBy(meter, 'stopping', atMs)
        }
        meter = overAt(meter, isLost ? 'Lost' : 'Gone', 1000 + overMs, contact === null ? undefined : 1000 + contact)
        while (open.length > 0) end()
        const record = usage(meter)
        expect(record.usedCoreMs).toBe(wasHeld)
        expect(record.usedCoreMs + sum(record)).toBe(record.cores * (record.endedMs - record.intendedMs))
        const rows = sumsOf(record)
        expect(rows.reduce((of, { measures }) => of + measures.coreMs, 0)).toBe(sum(record))
        expect(rows.reduce((of, { measures }) => of + measures.moneyMicros, 0)).toBe(record.moneyMicros)
        const whole = moneyFor(record.cores * (record.endedMs - record.intendedMs), record)
        const parts = record.moneyMicros + moneyFor(record.usedCoreMs, record)
        // Each part is rounded to a millionth of the unit.
        expect(Math.abs(parts - whole)).toBeLessThan(6)
      }),
      { numRuns: 500 },
    )
  })
})
