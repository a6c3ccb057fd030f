/** Filters, orders and counts of jobs on the wire, and as core has them: both ways, for the service and for clients. */

import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { isPlainText, plainTextForm } from '../../core/kernel/text.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { type JobCounts, maxCountedAttributes, maxCountRows } from '../../core/model/job-counts.ts'
import { type CountedAttribute, type JobFilter, type JobOrder, newestFirst } from '../../core/model/job-filter.ts'
import type { JobStateName } from '../../core/model/job.ts'
import * as wire from '../gen/pilotage/v1/job.ts'
import { jobAttributeEnum, jobStateEnum } from './enums.ts'
import { jobStateNumbers } from './jobs.ts'
import { timeOf } from './times.ts'

const textFields = ['vo', 'group', 'owner', 'jobGroup', 'jobType', 'name', 'site', 'cloud'] as const

/** Longer than any text of a job. */
const maxTextLength = jobLimits.nameLength

/** Throws `invalid-argument`. `path`: where the filter stands in its message. */
export function jobFilterOf(filter: wire.JobFilter | undefined, path = 'filter.'): JobFilter {
  if (!filter) return {}
  const texts: { [Field in (typeof textFields)[number]]?: string } = {}
  for (const field of textFields) {
    const text = filter[field]
    if (text === '') continue
    if (text.length > maxTextLength || !isPlainText(text)) refuseText(`${path}${wireName(field)}`, text)
    texts[field] = text
  }
  const { submittedFrom, submittedBefore, changedFrom, changedBefore } = filter
  return {
    ...texts,
    ...(filter.states.length === 0 ? {} : { states: statesOf(filter.states, `${path}states`) }),
    ...(submittedFrom ? { submittedFromMs: submittedFrom.getTime() } : {}),
    ...(submittedBefore ? { submittedToMs: submittedBefore.getTime() } : {}),
    ...(changedFrom ? { changedFromMs: changedFrom.getTime() } : {}),
    ...(changedBefore ? { changedToMs: changedBefore.getTime() } : {}),
  }
}

/** Of a call that names them beside a filter. Throws `invalid-argument`. */
export function statesOf(states: readonly wire.JobState[], path = 'states'): readonly JobStateName[] {
  return states.map((value, at) => {
    const state = jobStateEnum.word(value)
    if (state) return state
    const accepted = jobStateEnum.words.join(', ')
    throw new PilotageError('invalid-argument', `no job state ${value}`, {
      violations: [{ path: `${path}[${at}]`, value: String(value), rule: 'not a job state', accepted }],
    })
  })
}

/** Throws `invalid-argument` for a word that is no state. An empty text is taken for a field that is not given. */
export function jobFilterToWire(
  filter: Omit<JobFilter, 'states'> & { readonly states?: readonly string[] },
): wire.JobFilter {
  const texts = Object.fromEntries(textFields.map((field) => [field, filter[field] ?? '']))
  return wire.JobFilter.fromPartial({
    ...texts,
    states: jobStateNumbers(filter.states ?? []),
    submittedFrom: timeOf(filter.submittedFromMs),
    submittedBefore: timeOf(filter.submittedToMs),
    changedFrom: timeOf(filter.changedFromMs),
    changedBefore: timeOf(filter.changedToMs),
  })
}

const orders: Readonly<Record<number, JobOrder>> = {
  [wire.JobOrder.UNSPECIFIED]: newestFirst,
  [wire.JobOrder.NEWEST]: newestFirst,
  [wire.JobOrder.OLDEST]: { by: 'submission', isDescending: false },
  [wire.JobOrder.CHANGED_LAST]: { by: 'change', isDescending: true },
  [wire.JobOrder.CHANGED_FIRST]: { by: 'change', isDescending: false },
}

/** Throws `invalid-argument`. */
export function jobOrderOf(order: wire.JobOrder): JobOrder {
  const known = orders[order]
  if (known) return known
  throw new PilotageError('invalid-argument', `no order ${order}`, {
    violations: [{ path: 'order', value: String(order), rule: 'not an order', accepted: 'a JobOrder' }],
  })
}

export function jobOrderToWire({ by, isDescending }: JobOrder): wire.JobOrder {
  if (by === 'submission') return isDescending ? wire.JobOrder.NEWEST : wire.JobOrder.OLDEST
  return isDescending ? wire.JobOrder.CHANGED_LAST : wire.JobOrder.CHANGED_FIRST
}

/** Throws `invalid-argument`. */
export function countedBy(by: readonly wire.JobAttribute[]): readonly CountedAttribute[] {
  const words = by.flatMap((value) => jobAttributeEnum.word(value) ?? [])
  const isAccepted = words.length === by.length && new Set(words).size === by.length
  if (isAccepted && by.length > 0 && by.length <= maxCountedAttributes) return words
  const accepted = `one or two different ones of ${jobAttributeEnum.words.join(', ')}`
  throw new PilotageError('invalid-argument', 'jobs are counted by one or two attributes', {
    violations: [{ path: 'by', value: by.join(', '), rule: 'not attributes', accepted }],
  })
}

/** Throws `invalid-argument`. */
export function maxRowsOf(maxRows: number): number {
  if (maxRows <= maxCountRows) return maxRows === 0 ? maxCountRows : maxRows
  throw new PilotageError('invalid-argument', `${maxRows} rows`, {
    violations: [{ path: 'max_rows', value: String(maxRows), rule: 'out of range', accepted: `1 to ${maxCountRows}` }],
  })
}

export function countsToWire({ rows, jobs, others }: JobCounts): wire.CountJobsResponse {
  const counted = rows.map(({ values, count }) => ({ values: [...values], count }))
  return { rows: counted, jobs, otherRows: others.rows, otherJobs: others.jobs }
}

export function countsOfWire({ rows, jobs, otherRows, otherJobs }: wire.CountJobsResponse): JobCounts {
  return { rows, jobs, others: { rows: otherRows, jobs: otherJobs } }
}

function wireName(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function refuseText(path: string, text: string): never {
  const accepted = `at most ${maxTextLength} ${plainTextForm}`
  throw new PilotageError('invalid-argument', 'a text of the filter that no job has', {
    violations: [{ path, value: shown(text), rule: 'not a text of a job', accepted }],
  })
}
