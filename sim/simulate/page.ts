/**
 * The report as one HTML page: tables and plots, readable without a network and without scripts, in light and in dark.
 * Everything that has a name of its own (the trace, clouds, VOs) is escaped.
 */

import { durationText } from '../../core/kernel/quantities.ts'
import { wasteReasons } from './bill.ts'
import { barChart, chartStyle, escaped, lineChart, type Line } from './chart.ts'
import type { PolicyReport, Report, VoReport } from './report.ts'

/** VOs that get a line of their own. */
const shownVos = 7
/** VOs whose shares are shown against their targets. */
const shownTargets = 3

const style = `
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --grid: #ddd; --faint: #666; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #15181c; --grid: #3a3f45; --faint: #a0a0a0; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid var(--grid); text-align: right; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(28rem, 1fr)); gap: 1rem; }
.chart { width: 100%; height: auto; }
p.about { color: var(--faint); }
${chartStyle}`

export function reportPage(report: Report): string {
  const { trace, policies, seed } = report
  const about = `${trace.jobs} jobs of ${trace.vos} VOs in ${trace.taskQueues} task queues, ${trace.coreHours} core hours, seed ${seed}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Simulation of ${escaped(trace.name)}</title>
<style>${style}</style>
</head>
<body>
<h1>Simulation of ${escaped(trace.name)}</h1>
<p class="about">${escaped(about)}</p>
<h2>Policies side by side</h2>
${policyTable(policies)}
${wasteChart(policies)}
${policies.map(policySection).join('\n')}
</body>
</html>
`
}

/** Each plot as a file of its own, by name. */
export function plotsOf({ policies }: Report): readonly Plot[] {
  const charts = policies.flatMap((policy) =>
    policyCharts(policy, true).map(({ name, svg }) => ({ name: `${policy.name}-${name}`, svg })),
  )
  return [{ name: 'waste', svg: wasteChart(policies, true) }, ...charts]
}

export type Plot = { readonly name: string; readonly svg: string }

function wasteChart(policies: readonly PolicyReport[], isStandalone = false): string {
  const bars = policies.map(({ name, bill }) => ({
    name,
    parts: wasteReasons.map((reason) => bill.wastedByReason[reason] ?? 0),
  }))
  return barChart('Wasted by reason', wasteReasons, bars, { unit: 'core hours', isStandalone })
}

function policySection(policy: PolicyReport): string {
  return `<h2>${escaped(policy.name)}</h2>
<p class="about">${escaped(policy.summary)}</p>
<div class="plots">
${policyCharts(policy)
  .map(({ svg }) => svg)
  .join('\n')}
</div>
<h3>VOs</h3>
${voTable(policy.vos)}
<h3>Clouds</h3>
${cloudTable(policy)}
<h3>Decisions</h3>
${decisionTable(policy)}`
}

/** By a short name each. */
function policyCharts(policy: PolicyReport, isStandalone = false): readonly Plot[] {
  const { levels, voCores, voTargets } = policy
  const pick = (...names: readonly (readonly [key: string, name: string])[]): readonly Line[] =>
    names.map(([key, name]) => ({ name, values: levels.values[key] ?? [] }))
  const chart = (name: string, title: string, unit: string, lines: readonly Line[], { intervalSeconds } = levels) => ({
    name,
    svg: lineChart({ title, lines, intervalSeconds, unit, isStandalone }),
  })
  return [
    chart('jobs', 'Jobs', 'jobs', pick(['waiting', 'waiting'], ['running', 'running'])),
    chart('vms', 'VMs', 'VMs', pick(['active', 'active'], ['coming', 'coming'], ['stopping', 'stopping'])),
    chart('cores', 'Cores', 'cores', pick(['paidCores', 'paid'], ['usedCores', 'used'])),
    chart('vos', 'Cores in use by VO', 'cores', voLines(policy.vos, voCores.values), voCores),
    chart('shares', 'Shares against targets', 'cores', targetLines(policy.vos, voCores.values, voTargets.values), voCores),
  ]
}

/** The VOs that used most, and the others as one. */
function voLines(vos: readonly VoReport[], values: Readonly<Record<string, readonly number[]>>): readonly Line[] {
  const sorted = vos.toSorted((a, b) => b.usedCoreHours - a.usedCoreHours)
  const lines = sorted.slice(0, shownVos).map(({ vo }) => ({ name: vo, values: values[vo] ?? [] }))
  const rest = sorted.slice(shownVos).map(({ vo }) => values[vo] ?? [])
  if (rest.length === 0) return lines
  const sums = (rest[0] ?? []).map((_, at) => rest.reduce((sum, one) => sum + (one[at] ?? 0), 0))
  return [...lines, { name: `${rest.length} others`, values: sums }]
}

/** Of the VOs that used most: what each had, and dashed what it should have had. */
function targetLines(
  vos: readonly VoReport[],
  cores: Readonly<Record<string, readonly number[]>>,
  targets: Readonly<Record<string, readonly number[]>>,
): readonly Line[] {
  const sorted = vos.toSorted((a, b) => b.usedCoreHours - a.usedCoreHours).slice(0, shownTargets)
  return sorted.flatMap(({ vo }, tone) => [
    { name: vo, values: cores[vo] ?? [], tone },
    { name: `${vo} target`, values: targets[vo] ?? [], tone, isDashed: true },
  ])
}

type Cell = string | number

function tableOf(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const row = (cells: readonly Cell[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(String(cell))}</${tag}>`).join('')}</tr>`
  const body = rows.map((cells) => row(cells, 'td')).join('\n')
  return `<div class="scroll"><table>\n<thead>${row(heads, 'th')}</thead>\n<tbody>\n${body}\n</tbody>\n</table></div>`
}

const time = (seconds: number): string => durationText(Math.round(seconds) * 1000)

function policyTable(policies: readonly PolicyReport[]): string {
  const heads = ['Policy', 'Done', 'Failed', 'Left', 'Restarts', 'Wait p50', 'p95', 'p99', 'Slowdown p95', 'VMs']
  const rows = policies.map(({ name, jobs, waitSeconds, slowdown, bill }) => [
    ...[name, jobs.done, jobs.failed, jobs.waiting + jobs.running, jobs.restarts],
    ...[time(waitSeconds.p50), time(waitSeconds.p95), time(waitSeconds.p99), slowdown.p95, bill.vms],
    ...[bill.paidCoreHours, bill.usedCoreHours, `${bill.wastedPercent} %`, bill.money],
  ])
  return tableOf([...heads, 'Paid core h', 'Used', 'Wasted of used', 'Money'], rows)
}

function voTable(vos: readonly VoReport[]): string {
  const heads = [
    'VO',
    'Jobs',
    'Done',
    'Failed',
    'Restarts',
    'Used core h',
    'Share',
    'Wait p50',
    'p95',
    'p99',
    'Slowdown p95',
  ]
  const rows = vos.map((vo) => [
    ...[
      vo.vo,
      vo.submitted,
      vo.done,
      vo.failed,
      vo.restarts,
      vo.usedCoreHours,
      `${vo.sharePercent} %`,
      `${vo.targetPercent} %`,
    ],
    ...[time(vo.waitSeconds.p50), time(vo.waitSeconds.p95), time(vo.waitSeconds.p99), vo.slowdown.p95],
  ])
  return tableOf(heads, rows)
}

function cloudTable({ clouds }: PolicyReport): string {
  const heads = ['Cloud', 'VMs', 'Paid core h', 'Used', 'Wasted of used', 'Money', 'Refused']
  const rows = clouds.map(({ cloud, refusals, ...bill }) => [
    ...[cloud, bill.vms, bill.paidCoreHours, bill.usedCoreHours, `${bill.wastedPercent} %`, bill.money],
    Object.entries(refusals)
      .map(([why, count]) => `${why} ${count}`)
      .join(', '),
  ])
  return tableOf(heads, rows)
}

function decisionTable({ decisions }: PolicyReport): string {
  return tableOf(
    ['Decision', 'Times'],
    decisions.map(({ what, count }) => [what, count]),
  )
}
