/**
 * `pilotage kill`, `hold`, `release`, `reschedule`, `delete` and `prioritise`: jobs by their numbers, or all that a filter
 * selects. A command that would act on every job of the user asks first.
 */

import type { Command } from 'commander'
import type { BulkPart, BulkSelection, BulkVerb } from '../../client/bulk.ts'
import type { SteeredJob } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { counted } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { jobsArgument, numberBetween } from '../arguments.ts'
import { addFilterOptions, type FilterOptions, jobFilterFrom } from '../job-filter-options.ts'
import { startProgress } from '../output/progress.ts'
import { type RowOptions, writeRows } from '../output/rows.ts'
import { type Column, jsonLine, jsonLines, table } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

type Verb = BulkVerb | 'prioritise'

/** `doing` and `done`: for progress and for the summary. */
const verbs: Readonly<Record<Verb, { readonly description: string; readonly doing: string; readonly done: string }>> = {
  kill: { description: 'end jobs, running or not', doing: 'killing jobs', done: 'killed' },
  hold: { description: 'set waiting jobs to Held, so that they do not start', doing: 'holding jobs', done: 'held' },
  release: { description: 'set held jobs to Waiting', doing: 'releasing jobs', done: 'released' },
  reschedule: {
    description: 'run jobs again; a job that has ended is submitted as a new one',
    doing: 'rescheduling jobs',
    done: 'rescheduled',
  },
  delete: {
    description: 'remove jobs that have ended, with their descriptions and output, for good',
    doing: 'deleting jobs',
    done: 'deleted',
  },
  prioritise: { description: 'set the priority of jobs that have not ended', doing: 'setting priorities', done: 'set' },
}

/** Jobs that were refused are shown one by one up to this number. */
const maxShown = 20

export function addSteerCommands(program: Command, choose: Choose): void {
  for (const verb of Object.keys(verbs) as Verb[]) {
    const command = program
      .command(verb)
      .addArgument(jobsArgument().argOptional())
      .description(`${verbs[verb].description}; by their numbers, or all that the options select`)
      .option('--reason <text>', 'reason, kept in the history of the jobs')
      .option('--dry-run', 'only print how many jobs are selected')
      .option('--yes', 'do not ask, also where all of your jobs are selected')
      .option('-q, --quiet', 'print only the numbers of the jobs that were changed, one per line')
    if (verb === 'prioritise') {
      const read = numberBetween(0, jobLimits.priority)
      command.requiredOption('--priority <number>', `0 to ${jobLimits.priority}, higher first`, read)
    }
    addFilterOptions(command).action(
      withService(choose, (setting, client, options: SteerOptions, jobIds: readonly number[] | undefined) =>
        run(setting, client, verb, options, jobIds ?? []),
      ),
    )
  }
}

type SteerOptions = CommonOptions &
  FilterOptions & {
    readonly reason?: string
    readonly dryRun?: boolean
    readonly yes?: boolean
    readonly quiet?: boolean
    readonly priority?: number
  }

async function run(
  setting: Setting,
  client: PilotageClient,
  verb: Verb,
  options: SteerOptions,
  jobIds: readonly number[],
): Promise<ExitCode> {
  const filter = jobFilterFrom(options, setting.clock.nowMs())
  const hasFilter = Object.keys(filter).length > 0
  if (jobIds.length > 0 && hasFilter) throw wrongUsage('numbers of jobs and options that select jobs', 'either of the two')
  const parts = (selection: BulkSelection, dryRun: boolean): AsyncGenerator<BulkPart> => {
    const { reason, priority = 0 } = options
    if (verb === 'prioritise') return client.setPriority(selection, priority, { reason, dryRun })
    return client.steerMany(verb, selection, { reason, dryRun })
  }
  const selection = jobIds.length > 0 ? { jobIds } : { filter }
  if (options.dryRun) return dryRun(setting, options, parts(selection, true))
  if (jobIds.length > 0 && verb !== 'delete' && verb !== 'prioritise') {
    return writeAll(setting, options, await client[verb](jobIds, options.reason))
  }
  if (jobIds.length > 0) return byNumbers(setting, options, jobIds, parts(selection, false))
  if (!hasFilter && !options.yes) await confirm(setting, verb, parts(selection, true))
  return steerAll(setting, options, verb, parts(selection, false))
}

function wrongUsage(given: string, accepted: string): PilotageError {
  const violations = [{ path: 'the jobs', value: given, rule: 'not a selection', accepted }]
  return new PilotageError('invalid-argument', `the jobs are selected by ${given}`, { violations })
}

async function dryRun({ terminal }: Setting, { json }: CommonOptions, parts: AsyncIterable<BulkPart>): Promise<ExitCode> {
  const selected = await selectedBy(parts)
  await terminal.write(json ? jsonLine({ selected }) : `${counted(selected, 'job')} selected, nothing changed\n`)
  return 0
}

async function selectedBy(parts: AsyncIterable<BulkPart>): Promise<number> {
  let count = 0
  for await (const { selected = 0 } of parts) count = Math.max(count, selected)
  return count
}

/** Throws where the answer is not yes. */
async function confirm(setting: Setting, verb: Verb, parts: AsyncIterable<BulkPart>): Promise<void> {
  const { terminal, stdin, isStdinTerminal } = setting
  const what = `${verb} all of your ${counted(await selectedBy(parts), 'job')}`
  const accepted = 'jobs by number, an option that selects jobs, or --yes'
  if (!isStdinTerminal) throw wrongUsage('nothing', accepted)
  terminal.say(`${what}? Type yes to go on.`)
  let answer = ''
  for await (const piece of stdin) {
    answer += Buffer.from(piece).toString()
    if (answer.includes('\n')) break
  }
  if (answer.trim() !== 'yes') throw new PilotageError('cancelled', `nothing was done: ${what} was not confirmed`)
}

const steeredColumns: readonly Column<SteeredJob>[] = [
  { title: 'JOB', right: true, cell: ({ jobId }) => jobId },
  { title: 'STATE', cell: ({ state }) => state || '-' },
  { title: 'CHANGED', cell: ({ changed }) => (changed ? 'yes' : 'no') },
  { title: 'REFUSED', cell: ({ refusal }) => refusal },
  { title: 'NEW JOB', cell: ({ newJobId }) => newJobId || '' },
  { title: 'ENDS WITH IT', cell: ({ dependants }) => endingText(dependants) },
]

/** The service counts up to this number for all jobs of a call. */
const maxCounted = 1000

function endingText(dependants: number): string {
  if (dependants === 0) return ''
  return dependants < maxCounted ? `${dependants} waiting` : `${dependants} waiting or more`
}

/** 1 if one of the jobs refused. */
async function writeAll({ terminal }: Setting, options: RowOptions, steered: readonly SteeredJob[]): Promise<ExitCode> {
  if (options.quiet) await terminal.write(changedNumbers(steered))
  else await writeRows(terminal, options, steeredColumns, steered, ({ jobId }) => jobId)
  return steered.every(({ refusal }) => refusal === '') ? 0 : 1
}

function changedNumbers(steered: readonly SteeredJob[]): string {
  return steered.flatMap(({ jobId, changed }) => (changed ? [`${jobId}\n`] : [])).join('')
}

/** One line for each number that was given, also where there is no such job. */
async function byNumbers(
  setting: Setting,
  options: RowOptions,
  jobIds: readonly number[],
  parts: AsyncIterable<BulkPart>,
): Promise<ExitCode> {
  const answers = new Map<number, SteeredJob>()
  for await (const { jobs } of parts) for (const job of jobs) answers.set(job.jobId, job)
  const unknown = { changed: false, state: '', refusal: 'not-found', newJobId: 0, dependants: 0 }
  return writeAll(
    setting,
    options,
    jobIds.map((jobId) => answers.get(jobId) ?? { jobId, ...unknown }),
  )
}

/** A line per job for programs; for people a summary, and the first that were refused. */
async function steerAll(
  { terminal, clock }: Setting,
  { json, quiet }: RowOptions,
  verb: Verb,
  parts: AsyncIterable<BulkPart>,
): Promise<ExitCode> {
  const { doing, done } = verbs[verb]
  const refusals = new Map<string, number>()
  const shown: SteeredJob[] = []
  let [all, changed] = [0, 0]
  let progress: ReturnType<typeof startProgress> | undefined
  try {
    for await (const { jobs, selected } of parts) {
      if (selected !== undefined) progress = startProgress(terminal, clock, { doing, total: selected, unit: 'jobs' })
      if (quiet) await terminal.write(changedNumbers(jobs))
      else if (json && jobs.length > 0) await terminal.write(jsonLines(jobs))
      for (const job of jobs) {
        if (job.changed) changed += 1
        if (job.refusal === '') continue
        refusals.set(job.refusal, (refusals.get(job.refusal) ?? 0) + 1)
        if (shown.length < maxShown) shown.push(job)
      }
      all += jobs.length
      progress?.reached(all)
    }
  } finally {
    progress?.end()
  }
  if (!json && !quiet && shown.length > 0) await terminal.write(table(steeredColumns, shown, terminal.isTerminal))
  const refused = [...refusals].map(([refusal, count]) => `, ${refusal}: ${count}`).join('')
  terminal.say(`${done}: ${changed} of ${counted(all, 'job')}${refused}`)
  return refusals.size === 0 ? 0 : 1
}
