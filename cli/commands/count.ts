/** `pilotage count` and `group`: how many jobs there are of each kind, and how far the jobs of a job group are. */

import { type Command, InvalidArgumentError } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { counted } from '../../core/kernel/text.ts'
import { type JobCounts, maxCountedAttributes, maxCountRows } from '../../core/model/job-counts.ts'
import { type CountedAttribute, countedAttributes } from '../../core/model/job-filter.ts'
import { jobStates } from '../../core/model/job.ts'
import { type Choose, withService } from '../action.ts'
import { numberBetween } from '../arguments.ts'
import { addFilterOptions, type FilterOptions, jobFilterFrom } from '../job-filter-options.ts'
import { jsonLine, table } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

/** As options spell them. */
const words: Readonly<Record<CountedAttribute, string>> = {
  state: 'state',
  vo: 'vo',
  group: 'group',
  owner: 'owner',
  jobGroup: 'job-group',
  jobType: 'job-type',
  name: 'name',
  site: 'site',
  cloud: 'cloud',
}

export function addCountCommands(program: Command, choose: Choose): void {
  const known = Object.values(words).join(', ')
  addFilterOptions(
    program
      .command('count')
      .description('count jobs by one or two attributes, the most frequent values first')
      .option('--by <attributes>', `one or two of ${known}, with a comma between`, readAttributes, ['state'] as const)
      .option('--max-rows <count>', 'maximum number of rows', numberBetween(1, maxCountRows), maxCountRows),
  ).action(withService(choose, count))
  program
    .command('group <name>')
    .description('show how far the jobs of a job group are; exit code 1 if it has none')
    .option('--vo <vo>', 'of another VO (operators)')
    .action(withService(choose, group))
}

function readAttributes(text: string): readonly CountedAttribute[] {
  const by = text.split(',').map((word) => countedAttributes.find((attribute) => words[attribute] === word.trim()))
  const isKnown = by.every((attribute) => attribute !== undefined)
  if (isKnown && by.length <= maxCountedAttributes && new Set(by).size === by.length) return by
  throw new InvalidArgumentError(`accepted: one or two different ones of ${Object.values(words).join(', ')}`)
}

type CountOptions = CommonOptions & FilterOptions & { readonly by: readonly CountedAttribute[]; readonly maxRows: number }

async function count(
  { terminal, clock }: Setting,
  client: PilotageClient,
  { by, maxRows, json, ...options }: CountOptions,
): Promise<ExitCode> {
  const filter = jobFilterFrom(options, clock.nowMs())
  const counts = await client.count(by, { filter, maxRows })
  const { rows, jobs, others } = counts
  if (json) {
    await terminal.write(jsonLine({ by, ...counts }))
    return 0
  }
  const columns = [
    { title: 'JOBS', right: true, cell: (row: (typeof rows)[number]) => row.count },
    ...by.map((attribute, at) => {
      return { title: words[attribute].toUpperCase(), cell: (row: (typeof rows)[number]) => row.values[at] || '-' }
    }),
  ]
  await terminal.write(table(columns, rows, terminal.isTerminal))
  if (others.rows > 0) terminal.say(`${counted(others.rows, 'more row')} with ${counted(others.jobs, 'job')}`)
  terminal.say(`${counted(jobs, 'job')} in all`)
  return 0
}

type GroupOptions = CommonOptions & { readonly vo?: string }

async function group(
  { terminal }: Setting,
  client: PilotageClient,
  { vo, json }: GroupOptions,
  jobGroup: string,
): Promise<ExitCode> {
  const filter = { jobGroup, ...(vo === undefined ? {} : { vo }) }
  const [byState, bySite] = await Promise.all([client.count(['state'], { filter }), client.count(['site'], { filter })])
  const summary = summaryOf(jobGroup, byState, bySite)
  await terminal.write(json ? jsonLine(summary) : groupText(summary))
  return byState.jobs > 0 ? 0 : 1
}

type Counts = Readonly<Record<string, number>>
export type GroupSummary = {
  readonly jobGroup: string
  readonly jobs: number
  readonly ended: number
  readonly failed: number
  readonly states: Counts
  readonly sites: Counts
}

/** Read one after the other: the two counts may differ by what changed in between. */
function summaryOf(jobGroup: string, byState: JobCounts, bySite: JobCounts): GroupSummary {
  const countsOf = ({ rows }: JobCounts): Counts =>
    Object.fromEntries(rows.map(({ values: [value = ''], count: jobs }) => [value, jobs]))
  const states = countsOf(byState)
  const ended = (states.Done ?? 0) + (states.Failed ?? 0) + (states.Killed ?? 0)
  return { jobGroup, jobs: byState.jobs, ended, failed: states.Failed ?? 0, states, sites: countsOf(bySite) }
}

function groupText({ jobGroup, jobs, ended, failed, states, sites }: GroupSummary): string {
  if (jobs === 0) return `group ${jobGroup}: no jobs\n`
  const percent = Math.floor((100 * ended) / jobs)
  const known = jobStates.filter((state) => states[state] !== undefined)
  const lines = [
    `group ${jobGroup}: ${ended} of ${jobs} ended (${percent} %), ${failed} failed`,
    `states: ${known.map((state) => `${state} ${states[state]}`).join(', ')}`,
    `sites: ${Object.entries(sites)
      .map(([site, count]) => `${site || 'none yet'} ${count}`)
      .join(', ')}`,
  ]
  return `${lines.join('\n')}\n`
}
