/** The known behaviour of each baseline, good and bad, on traces that are small enough to count by hand. */

import { describe, expect, it } from 'vitest'
import { policies, policyOf } from '../../../sim/simulate/policies/catalogue.ts'
import type { SwfJob } from '../../../sim/simulate/swf.ts'
import { busyTrace, largeFlavor, ran, sampleSite, smallFlavor, traceOf } from './sample-trace.ts'

const mediumFlavor = { ...smallFlavor, name: 'medium', cores: 4, memory: '8GiB', disk: '80GiB' }
const three = [{ name: 'north' }, { name: 'east' }, { name: 'south' }]

function jobs(count: number, runs = 600, at = 0): readonly SwfJob[] {
  return traceOf(Array.from({ length: count }, () => ({ at, runs })))
}

function simulated(name: string, trace: readonly SwfJob[], ...clouds: readonly object[]) {
  const site = sampleSite({}, ...clouds)
  return ran(trace, site, policyOf(name).open(site))
}

function countOf(report: { readonly decisions: readonly { what: string; count: number }[] }, what: string): number {
  return report.decisions.find((one) => one.what === what)?.count ?? 0
}

describe('vmdirac', () => {
  it('makes a VM per job at each endpoint: three endpoints, three times as many as there are jobs', async () => {
    const [one, all] = [await simulated('vmdirac', jobs(10), {}), await simulated('vmdirac', jobs(10), ...three)]
    expect([one.bill.vms, all.bill.vms]).toEqual([10, 30])
    expect((await simulated('pilotage', jobs(10), ...three)).bill.vms).toBe(10)
  })

  it('makes a VM with 8 cores for each job as well', async () => {
    const { bill } = await simulated('vmdirac', jobs(10), { flavors: [largeFlavor] })
    expect(bill.vms).toBe(10)
    expect(bill.wastedPercent).toBeGreaterThan(700)
  })

  it('ends a VM by its own look at the second half of each 600 s', async () => {
    // Up at 210 s, at work until 310 s: idle long enough at its first look, at 810 s.
    const { bill } = await simulated('vmdirac', jobs(1, 100), {})
    expect(bill.wastedByReason.idle).toBe(Number((500 / 3600).toFixed(2)))
  })
})

describe('elastiq', () => {
  it('never starts anything for nine jobs', async () => {
    const report = await simulated('elastiq', jobs(9), { flavors: [mediumFlavor] })
    expect(report.jobs).toMatchObject({ done: 0, waiting: 9 })
    expect(report.bill.vms).toBe(0)
  })

  it('starts a quarter as many VMs for ten, after they waited for 100 s, and keeps each for an hour', async () => {
    const { bill, waitSeconds } = await simulated('elastiq', jobs(10), { flavors: [mediumFlavor] })
    expect(bill.vms).toBe(3)
    // Seen at 15 s, due at 120 s, and 90 s of boot.
    expect(waitSeconds.max).toBe(210)
    expect(bill.wastedByReason.idle).toBeGreaterThanOrEqual(12)
  })

  it('counts the jobs that VMs on their way will run', async () => {
    const trace = [...jobs(12), ...jobs(10, 600, 130)]
    const { bill } = await simulated('elastiq', trace, { flavors: [mediumFlavor], boot: { median: '250s' } })
    // Without that it would want VMs for all 22 jobs at its second look.
    expect(bill.vms).toBe(6)
  })

  it('ends what is not in the batch system after 600 s, and replaces it', async () => {
    const report = await simulated('elastiq', jobs(12), { flavors: [mediumFlavor], faults: { noBoot: 0.5 } })
    expect(countOf(report, 'stop: not in the batch system in time')).toBeGreaterThan(0)
  })
})

describe('cloudscheduler', () => {
  it('starts 5 VMs per cloud and cycle, and none while more than 5 are starting there', async () => {
    const { levels, waitSeconds } = await simulated('cloudscheduler', jobs(100, 7200), {})
    expect(Math.max(...(levels.values.coming ?? []))).toBeLessThanOrEqual(10)
    // 10 VMs per 90 s of boot: the hundredth job waits for the tenth time.
    expect(waitSeconds.max).toBeGreaterThan(900)
    expect((await simulated('pilotage', jobs(100, 7200), {})).waitSeconds.max).toBe(100)
  })

  it('counts what it has: no VM for jobs that find free cores', async () => {
    const { bill } = await simulated('cloudscheduler', [...jobs(4), ...jobs(4, 600, 900)], {})
    expect(bill.vms).toBe(4)
  })

  it('fills clouds in their order', async () => {
    const { clouds } = await simulated('cloudscheduler', jobs(5), ...three)
    expect(clouds.map(({ vms }) => vms)).toEqual([5, 0, 0])
  })
})

describe('cobald', () => {
  it('keeps a probe in each pool though no job ever came, and for ever', async () => {
    const { clouds, jobs: counts, hours } = await simulated('cobald', jobs(1, 60), ...three)
    expect(counts.done).toBe(1)
    expect(clouds.every(({ vms }) => vms >= 1)).toBe(true)
    // The run is cut a day after the last job, because the probes never end.
    expect(hours).toBeGreaterThan(24)
  })

  it('does not read the queue: an empty pool counts as used, so one job gets as many VMs as seconds pass', async () => {
    const { bill } = await simulated('cobald', jobs(1, 60), { quota: { cores: 40 } })
    // Demand is 31 cores when the pool is looked at first, and 40 before the first VM is up.
    expect(bill.vms).toBe(40)
  })

  it('drains VMs when they are used to less than half', async () => {
    const report = await simulated('cobald', jobs(20, 3600), { quota: { cores: 40 } })
    expect(countOf(report, 'drain: demand fell')).toBeGreaterThan(5)
    expect(report.bill.wastedByReason['lost work']).toBe(0)
  })
})

describe('every policy', () => {
  it.each(policies.map(({ name }) => name))('%s accounts for every job and core hour on faulty clouds', async (name) => {
    const cloud = {
      flavors: [mediumFlavor],
      quota: { cores: 60 },
      faults: { noRoom: 0.02, noBoot: 0.02, crashesPerHour: 0.1 },
    }
    const { jobs: counts, bill } = await simulated(name, busyTrace(300), cloud)
    expect(counts.done + counts.failed + counts.waiting + counts.running).toBe(300)
    expect(bill.usedCoreHours + bill.wastedCoreHours).toBeCloseTo(bill.paidCoreHours, 1)
  })

  it.each([
    ['pilotage', true],
    ['elastiq', true],
    ['cloudscheduler', true],
    ['cobald', true],
    // Its monitor agent marks it as stalled, and no more.
    ['vmdirac', false],
  ])('%s ends VMs that crashed: %s', async (name, isEnded) => {
    const report = await simulated(name, jobs(40, 7200), { flavors: [mediumFlavor], faults: { crashesPerHour: 0.5 } })
    const left = report.levels.values.paidCores?.at(-1) ?? 0
    expect(countOf(report, 'crash north')).toBeGreaterThan(0)
    expect([name, left <= (name === 'cobald' ? 8 : 4)]).toEqual([name, isEnded])
  })

  it('is known by its name, and another is refused with those that there are', () => {
    expect(() => policyOf('nova')).toThrow('accepted: pilotage, vmdirac, elastiq, cloudscheduler, cobald')
  })
})
