/**
 * `pilotage status` and `list`: which jobs there are.
 *
 * Each function is one command: it calls the service and writes the answer, as a table for people or as JSON for programs.
 */

import { type Command, Option } from 'commander'
import type { Job } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import type { JobOrder } from '../../core/model/job-filter.ts'
import { type Choose, withService } from '../action.ts'
import { jobsArgument, numberBetween } from '../arguments.ts'
import { addFilterOptions, type FilterOptions, jobFilterFrom } from '../job-filter-options.ts'
import { quietOption, type RowOptions, writeRows } from '../output/rows.ts'
import { type Column, spanText, stateTone, timeText } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const maxRows = 1_000_000_000
const defaultRows = 100
/** A table has this many rows at a time, so that the first ones appear soon and memory stays small. */
const rowsPerTable = 1000

const orders = {
  newest: { by: 'submission', isDescending: true },
  oldest: { by: 'submission', isDescending: false },
  'changed-last': { by: 'change', isDescending: true },
  'changed-first': { by: 'change', isDescending: false },
} as const satisfies Readonly<Record<string, JobOrder>>

export function addJobCommands(program: Command, choose: Choose): void {
  program
    .command('status')
    .addArgument(jobsArgument())
    .description('show jobs as they are now')
    .option(...quietOption)
    .action(withService(choose, status))
  addFilterOptions(
    program
      .command('list')
      .description("list your VO's jobs, newest first")
      .addOption(
        new Option('--sort <order>', 'by submission or by the last change').choices(Object.keys(orders)).default('newest'),
      )
      .option('--limit <count>', 'maximum number of jobs', numberBetween(1, maxRows), defaultRows)
      .option(...quietOption),
  ).action(withService(choose, list))
}

const jobColumns: readonly Column<Job>[] = [
  { title: 'JOB', right: true, cell: ({ jobId }) => jobId },
  { title: 'STATE', cell: ({ state }) => state, tone: stateTone },
  { title: 'NAME', maxWidth: 30, cell: ({ name }) => name },
  { title: 'JOB GROUP', maxWidth: 20, cell: ({ jobGroup }) => jobGroup || '-' },
  { title: 'VO', cell: ({ vo }) => vo },
  { title: 'OWNER', cell: ({ owner }) => owner },
  { title: 'ATTEMPT', right: true, cell: ({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}` },
  { title: 'LOSSES', right: true, cell: ({ machineLosses, maxMachineLosses }) => `${machineLosses}/${maxMachineLosses}` },
  { title: 'CORES', right: true, cell: ({ cores }) => cores || '-' },
  { title: 'SUBMITTED', cell: ({ submittedMs }) => timeText(submittedMs) },
  { title: 'WAITED', right: true, cell: ({ submittedMs, startedMs }) => spanText(submittedMs, startedMs) },
  { title: 'RAN', right: true, cell: ranText },
  { title: 'VM', cell: ({ vmId }) => vmId || '-' },
  { title: 'REASON', cell: ({ reason }) => reason },
]

/** As the pilot counted it; without its word, until the service knew of the end. */
function ranText({ startedMs, endedMs, result }: Job): string {
  return startedMs > 0 && endedMs > 0 && result ? durationText(result.wallMs) : spanText(startedMs, endedMs)
}

/** 1 if one of the jobs is not found. */
async function status(
  setting: Setting,
  client: PilotageClient,
  options: CommonOptions & RowOptions,
  jobIds: readonly number[],
): Promise<ExitCode> {
  const found: Job[] = []
  for await (const job of client.list({ jobIds })) found.push(job)
  const byId = new Map(found.map((job) => [job.jobId, job]))
  await writeJobs(
    setting,
    jobIds.flatMap((id) => byId.get(id) ?? []),
    options,
  )
  const missing = jobIds.filter((id) => !byId.has(id))
  for (const id of missing) setting.terminal.say(`job ${id}: not found`)
  return missing.length === 0 ? 0 : 1
}

type ListOptions = CommonOptions &
  RowOptions &
  FilterOptions & { readonly limit: number; readonly sort: keyof typeof orders }

async function list(setting: Setting, client: PilotageClient, options: ListOptions): Promise<ExitCode> {
  const { sort, limit } = options
  const filter = jobFilterFrom(options, setting.clock.nowMs())
  let rows: Job[] = []
  let isFirst = true
  for await (const job of client.list({ ...filter, order: orders[sort], limit })) {
    rows.push(job)
    if (rows.length < rowsPerTable) continue
    await writeJobs(setting, rows, options)
    rows = []
    isFirst = false
  }
  if (isFirst || rows.length > 0) await writeJobs(setting, rows, options)
  return 0
}

async function writeJobs({ terminal }: Setting, jobs: readonly Job[], options: RowOptions): Promise<void> {
  await writeRows(terminal, options, jobColumns, jobs, ({ jobId }) => jobId)
}
