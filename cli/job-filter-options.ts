/**
 * The options that select jobs, the same for every command that lists, counts or steers many: all that are given must hold.
 */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { JobFilter } from '../client/jobs.ts'
import { parseDuration } from '../core/kernel/quantities.ts'
import { filterTexts } from '../core/model/job-filter.ts'
import { jobStates } from '../core/model/job.ts'

/** A moment, or a time before now. */
export type Moment = { readonly atMs: number } | { readonly agoMs: number }

export type FilterOptions = Pick<JobFilter, (typeof filterTexts)[number]> & {
  readonly state?: readonly string[]
  readonly submittedFrom?: Moment
  readonly submittedBefore?: Moment
  readonly changedFrom?: Moment
  readonly changedBefore?: Moment
}

export function addFilterOptions(command: Command): Command {
  const moment = '<time>'
  return command
    .addOption(new Option('--state <states...>', 'only jobs in these states').choices([...jobStates]))
    .option('--job-group <name>', 'only jobs of this job group')
    .option('--job-type <name>', 'only jobs of this job type')
    .option('--name <name>', 'only jobs with exactly this name')
    .option('--owner <owner>', 'only jobs of this owner')
    .option('--group <group>', "only jobs of this group of the VO's users")
    .option('--vo <vo>', 'jobs of another VO (operators)')
    .option('--site <site>', 'only jobs that run or ran last at this site')
    .option('--cloud <cloud>', 'only jobs that run or ran last in this cloud')
    .option(
      `--submitted-from ${moment}`,
      'only jobs submitted then or later: 2026-03-28T17:05Z, or 2h for 2 hours ago',
      readMoment,
    )
    .option(`--submitted-before ${moment}`, 'only jobs submitted before then', readMoment)
    .option(`--changed-from ${moment}`, 'only jobs that changed last then or later', readMoment)
    .option(`--changed-before ${moment}`, 'only jobs that changed last before then', readMoment)
}

const moments =
  'accepted: a time such as 2026-03-28, 2026-03-28T17:05Z or 2026-03-28T17:05:09+02:00, or a time ago such as 30m, 2h or 3d'
const timeForm = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

function readMoment(text: string): Moment {
  const atMs = timeForm.test(text) ? Date.parse(text) : NaN
  if (!Number.isNaN(atMs)) return { atMs }
  const agoMs = parseDuration(text)
  if (agoMs !== undefined) return { agoMs }
  throw new InvalidArgumentError(moments)
}

export function jobFilterFrom(options: FilterOptions, nowMs: number): JobFilter {
  const at = (moment: Moment | undefined): number | undefined =>
    moment && ('atMs' in moment ? moment.atMs : Math.max(1, nowMs - moment.agoMs))
  const given = {
    states: options.state,
    ...Object.fromEntries(filterTexts.map((field) => [field, options[field]])),
    submittedFromMs: at(options.submittedFrom),
    submittedToMs: at(options.submittedBefore),
    changedFromMs: at(options.changedFrom),
    changedToMs: at(options.changedBefore),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
