import { describe, expect, it } from 'vitest'
import { openPilotage } from '../../../sim/simulate/policies/pilotage.ts'
import type { PolicyReport } from '../../../sim/simulate/report.ts'
import { busyTrace, largeFlavor, ran, sampleSite, smallFlavor, traceOf } from './sample-trace.ts'

const hour = 3600

function core(seconds: number): number {
  return Number((seconds / hour).toFixed(2))
}

describe('one job on one cloud', () => {
  it('waits for the step of the director and for the boot, and its VM is paid until it is gone', async () => {
    const { jobs, waitSeconds, bill } = await ran(traceOf([{ at: 0, runs: 3600 }]), sampleSite())
    expect(jobs).toEqual({ submitted: 1, done: 1, failed: 0, waiting: 0, running: 0, restarts: 0 })
    // The first step is after 10 s, the boot takes 90 s.
    expect(waitSeconds.max).toBe(100)
    expect(bill.vms).toBe(1)
    expect(bill.usedCoreHours).toBe(1)
    expect(bill.wastedByReason).toMatchObject({ booting: core(90), idle: core(300), 'partly idle': 0 })
    // The VM stops at 4 000 s, in the middle of two steps; its cloud takes 10 s.
    expect(bill.wastedByReason.stopping).toBe(core(10))
    expect(bill.paidCoreHours).toBe(core(90 + 3600 + 300 + 10))
  })

  it('costs whole billing units', async () => {
    const trace = traceOf([{ at: 0, runs: 3600 }])
    const bySecond = await ran(trace, sampleSite())
    const byHour = await ran(trace, sampleSite({}, { billingUnit: '1h' }))
    expect(bySecond.bill.money).toBeCloseTo(0.1 * (4000 / hour), 2)
    expect(byHour.bill.money).toBe(0.2)
  })

  it('is left waiting if no offering fits, and the run ends', async () => {
    const { jobs, bill } = await ran(traceOf([{ at: 0, runs: 60, cores: 4 }]), sampleSite())
    expect(jobs).toMatchObject({ submitted: 1, done: 0, waiting: 1 })
    expect(bill.vms).toBe(0)
  })
})

describe('a VM with several cores', () => {
  it('runs as many jobs, and the cores without one are partly idle', async () => {
    const site = sampleSite({}, { flavors: [largeFlavor] })
    const { bill } = await ran(traceOf([...Array(7).fill({ at: 0, runs: 3600 })]), site)
    expect(bill.vms).toBe(1)
    expect(bill.usedCoreHours).toBe(7)
    expect(bill.wastedByReason['partly idle']).toBe(1)
  })
})

describe('a quota', () => {
  it('is never exceeded, and the rest waits for the cores', async () => {
    const site = sampleSite({}, { quota: { cores: 3 } })
    const { levels, jobs, clouds } = await ran(traceOf([...Array(9).fill({ at: 0, runs: 600 })]), site)
    expect(jobs.done).toBe(9)
    expect(Math.max(...(levels.values.paidCores ?? []))).toBe(3)
    expect(clouds[0]?.refusals).toEqual({})
  })
})

const often = { faults: { noBoot: 0.08 } }

/** Everything that a cloud may do wrong. */
const faulty = {
  flavors: [{ ...smallFlavor, cores: 4, memory: '8GiB', disk: '80GiB', tags: ['spot'] }],
  quota: { cores: 80 },
  boot: { median: '90s', spread: 0.4 },
  faults: { noRoom: 0.05, noBoot: 0.05, crashesPerHour: 0.2, preemptionsPerHour: 0.3, preemptionNotice: '2min' },
}

/** The bookkeeping is asserted in the run itself; this is that it holds in the report. */
function expectWhole({ jobs, bill, vos }: PolicyReport): void {
  expect(jobs.done + jobs.failed + jobs.waiting + jobs.running).toBe(jobs.submitted)
  expect(bill.usedCoreHours + bill.wastedCoreHours).toBeCloseTo(bill.paidCoreHours, 1)
  expect(vos.reduce((sum, vo) => sum + vo.submitted, 0)).toBe(jobs.submitted)
}

describe('faults', () => {
  it('cost machines and time, and every job still ends', async () => {
    const whole = await ran(busyTrace(800), sampleSite({}, { ...faulty, faults: {} }))
    const broken = await ran(busyTrace(800), sampleSite({}, faulty))
    expectWhole(whole)
    expectWhole(broken)
    expect(broken.jobs).toMatchObject({ submitted: 800, done: 800, waiting: 0 })
    expect(broken.jobs.restarts).toBeGreaterThan(10)
    expect(broken.bill.wastedByReason['lost work']).toBeGreaterThan(0)
    expect(broken.bill.wastedByReason['never up']).toBeGreaterThan(0)
    expect(broken.bill.wastedByReason.crashed).toBeGreaterThan(0)
    expect(broken.clouds[0]?.refusals.capacity).toBeGreaterThan(0)
    expect(broken.waitSeconds.p95).toBeGreaterThan(whole.waitSeconds.p95)
    const { 'lost work': lost, crashed } = whole.bill.wastedByReason
    expect([lost, crashed, whole.jobs.restarts]).toEqual([0, 0, 0])
  })
})

it('lets a breaker close again while VMs run that came up before it opened', async () => {
  // Of a hundred VMs some never come up: the breaker opens while the others run for 20 hours.
  const jobsAt = (at: number, count: number) => Array.from({ length: count }, () => ({ at, runs: 72_000 }))
  const { waitSeconds, bill } = await ran(traceOf([...jobsAt(0, 100), ...jobsAt(1800, 20)]), sampleSite({}, often))
  expect(bill.wastedByReason['never up']).toBeGreaterThan(0.75)
  expect(waitSeconds.max).toBeLessThan(2 * hour)
})

describe('the same input', () => {
  it('gives the same report, byte for byte, and another seed another one', async () => {
    const site = sampleSite({}, faulty)
    const [first, second, other] = [
      await ran(busyTrace(400), site),
      await ran(busyTrace(400), site),
      await ran(busyTrace(400), site, undefined, 2),
    ]
    expect(JSON.stringify(second)).toBe(JSON.stringify(first))
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(first))
  })

  it.each([
    ['faulty clouds', sampleSite({}, faulty)],
    ['a full cloud', sampleSite({}, { quota: { cores: 24 }, flavors: [smallFlavor, largeFlavor] })],
    ['VMs with short lives', sampleSite({ vm: { maxLifetime: '3h', bootTimeout: '2min' } }, faulty)],
  ])('gives the same report with a plan in every step as with those left out that are empty: %s', async (_, site) => {
    const rested = await ran(busyTrace(400), site, openPilotage(site, true))
    const restless = await ran(busyTrace(400), site, openPilotage(site, false))
    expect(JSON.stringify(restless)).toBe(JSON.stringify(rested))
  })
})
