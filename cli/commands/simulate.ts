/**
 * `pilotage simulate`: what would happen to a recorded workload on a site: the service's own matcher and plan on a virtual
 * clock with simulated clouds, beside the rules of other systems. Needs no service.
 */

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { durationText } from '../../core/kernel/quantities.ts'
import type { PolicyReport, Report } from '../../sim/simulate/report.ts'
import { type Choose, withoutService } from '../action.ts'
import { numberBetween } from '../arguments.ts'
import { type Column, jsonLine, table } from '../output/table.ts'
import { type CommonOptions, type ExitCode, type Setting, writeNewFile } from '../setting.ts'

const maxTraceJobs = 30_000_000

type SimulateOptions = CommonOptions & {
  readonly trace: string
  readonly config: string
  readonly policy: readonly string[]
  readonly jobs?: number
  readonly scale: number
  readonly seed?: number
  readonly out?: string
}

export function addSimulateCommand(program: Command, choose: Choose): void {
  program
    .command('simulate')
    .description('simulate a Standard Workload Format trace (.swf or .swf.gz) on a site with simulated clouds')
    .requiredOption('--trace <file>', 'the trace')
    .requiredOption('--config <file>', 'the site: clouds, flavors, quotas, faults and knobs, as YAML')
    .option('--policy <names>', 'policies side by side, with commas between', namesOf, ['pilotage'])
    .option('--out <directory>', 'write report.json, report.html and its plots as SVG there')
    .option('--jobs <count>', 'number of jobs: the first ones (default: all)', numberBetween(1, maxTraceJobs))
    .option('--scale <factor>', 'part of the trace: 0.1 keeps each tenth job, 2 submits each twice', scaleOf, 1)
    .option('--seed <number>', 'of all chance (default: of the site)', numberBetween(0, 2 ** 32 - 1))
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, simulateTrace))
}

function namesOf(text: string): readonly string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))]
  if (names.every((name) => name !== '')) return names
  throw new InvalidArgumentError('accepted: names of policies with commas between')
}

function scaleOf(text: string): number {
  return numberBetween(0.000_001, 1000, false)(text)
}

async function simulateTrace(setting: Setting, options: SimulateOptions): Promise<ExitCode> {
  const { simulate } = await import('../../sim/simulate/simulation.ts')
  const { terminal, workDir } = setting
  const report = await simulate({
    trace: resolve(workDir, options.trace),
    config: resolve(workDir, options.config),
    policies: options.policy,
    maxJobs: options.jobs,
    scale: options.scale,
    seed: options.seed,
    onPolicy: (name) => terminal.progress(`simulating ${name}`),
  })
  terminal.progress('')
  if (options.out !== undefined) await writeReport(resolve(workDir, options.out), report)
  if (options.json) await terminal.write(jsonLine(report))
  else await terminal.write(`${headText(report)}\n${table(columns, report.policies, terminal.isTerminal)}`)
  return 0
}

/** The report as data, as a page, and each plot of the page alone. */
async function writeReport(directory: string, report: Report): Promise<void> {
  const [{ reportText }, { plotsOf, reportPage }] = await Promise.all([
    import('../../sim/simulate/report.ts'),
    import('../../sim/simulate/page.ts'),
  ])
  mkdirSync(directory, { recursive: true })
  writeNewFile(join(directory, 'report.json'), reportText(report), 0o644)
  writeNewFile(join(directory, 'report.html'), reportPage(report), 0o644)
  for (const { name, svg } of plotsOf(report)) writeNewFile(join(directory, `${name}.svg`), `${svg}\n`, 0o644)
}

function headText({ trace, seed }: Report): string {
  const { jobs, vos, taskQueues, coreHours, hours } = trace
  const size = `${jobs} jobs of ${vos} VOs in ${taskQueues} task queues, ${coreHours} core hours`
  return `${trace.name}: ${size}, submitted within ${durationText(hours * 3_600_000)}; seed ${seed}`
}

const seconds = (value: number): string => durationText(Math.round(value) * 1000)

const columns: readonly Column<PolicyReport>[] = [
  { title: 'POLICY', cell: ({ name }) => name },
  { title: 'DONE', right: true, cell: ({ jobs }) => jobs.done },
  { title: 'FAILED', right: true, cell: ({ jobs }) => jobs.failed },
  { title: 'LEFT', right: true, cell: ({ jobs }) => jobs.waiting + jobs.running },
  { title: 'WAIT P50', right: true, cell: ({ waitSeconds }) => seconds(waitSeconds.p50) },
  { title: 'P95', right: true, cell: ({ waitSeconds }) => seconds(waitSeconds.p95) },
  { title: 'P99', right: true, cell: ({ waitSeconds }) => seconds(waitSeconds.p99) },
  { title: 'SLOWDOWN P95', right: true, cell: ({ slowdown }) => slowdown.p95 },
  { title: 'VMS', right: true, cell: ({ bill }) => bill.vms },
  { title: 'PAID CORE H', right: true, cell: ({ bill }) => Math.round(bill.paidCoreHours) },
  { title: 'USED', right: true, cell: ({ bill }) => Math.round(bill.usedCoreHours) },
  { title: 'WASTED', right: true, cell: ({ bill }) => `${bill.wastedPercent} %` },
  { title: 'MONEY', right: true, cell: ({ bill }) => bill.money },
]
