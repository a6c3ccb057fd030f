import { describe, expect, it } from 'vitest'
import { barChart, escaped, lineChart } from '../../../sim/simulate/chart.ts'
import { reportPage } from '../../../sim/simulate/page.ts'
import { policies } from '../../../sim/simulate/policies/catalogue.ts'
import { policyReport, type Report, reportOf, reportText } from '../../../sim/simulate/report.ts'
import { run } from '../../../sim/simulate/run.ts'
import { workloadOf } from '../../../sim/simulate/workload.ts'
import { busyTrace, largeFlavor, sampleSite } from './sample-trace.ts'

const hostile = '</title><script>alert("1")</script>\'&'

async function sampleReport(name: string): Promise<Report> {
  const site = sampleSite({}, { name: 'north', flavors: [largeFlavor] }, { name: 'east', flavors: [largeFlavor] })
  const jobs = busyTrace(120)
  const workload = workloadOf(jobs, site)
  const reports = []
  for (const maker of policies.slice(0, 2))
    reports.push(policyReport(await run({ site, workload, policy: maker.open(site), seed: 1 }), maker))
  const trace = { jobs, linesRead: jobs.length, leftOut: {} }
  return reportOf({ name, trace, workload, site, seed: 1, scale: 1, policies: reports })
}

describe('the page', () => {
  it('needs no network and no script, and shows no name as markup', async () => {
    const page = reportPage(await sampleReport(hostile))
    expect(page).not.toContain('<script')
    expect(page).toContain(escaped(hostile))
    // The namespace of SVG is a name and is not fetched.
    const addresses = page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '').match(/https?:|url\(|src=|@import/g)
    expect(addresses).toBeNull()
    expect(page).toContain('prefers-color-scheme: dark')
  })

  it('has a row and its plots for each policy, and the same page for the same report', async () => {
    const report = await sampleReport('trace')
    const page = reportPage(report)
    expect(page.match(/<svg/g)).toHaveLength(1 + 5 * report.policies.length)
    for (const { name, bill } of report.policies) {
      expect(page).toContain(`<td>${name}</td>`)
      expect(page).toContain(`<td>${bill.paidCoreHours}</td>`)
    }
    for (const { vo } of report.policies[0]?.vos ?? []) expect(page).toContain(`<td>${vo}</td>`)
    expect(reportPage(JSON.parse(reportText(report)) as Report)).toBe(page)
  })
})

describe('a chart', () => {
  it('puts each value where it belongs', () => {
    const svg = lineChart({ title: 't', unit: 'u', intervalSeconds: 3600, lines: [{ name: 'a', values: [0, 5, 10] }] })
    const points =
      /points="([^"]*)"/
        .exec(svg)?.[1]
        ?.split(' ')
        .map((point) => point.split(',').map(Number)) ?? []
    expect(points).toHaveLength(3)
    const [[x0 = 0, y0 = 0] = [], [x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = []] = points
    expect(x1 - x0).toBeCloseTo(x2 - x1, 1)
    expect(y0 - y1).toBeCloseTo(y1 - y2, 1)
    expect(y2).toBe(14)
  })

  it('draws bars in proportion, and is well-formed alone', () => {
    const svg = barChart('t', ['a', 'b'], [{ name: '<x>', parts: [1, 3] }], { unit: 'u', isStandalone: true })
    const [first = 0, second = 0] = [...svg.matchAll(/width="([\d.]+)" height="18"/g)].map(([, value]) => Number(value))
    expect(second / first).toBeCloseTo(3, 1)
    expect(svg).toContain('&lt;x&gt;')
    expect(svg).toMatch(/^<svg xmlns=.*<\/svg>$/s)
  })

  it('draws nothing from nothing', () => {
    expect(lineChart({ title: 't', unit: 'u', intervalSeconds: 60, lines: [] })).not.toContain('NaN')
    expect(barChart('t', [], [], { unit: 'u' })).not.toContain('NaN')
  })
})
