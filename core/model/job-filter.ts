/**
 * Which jobs are meant: the one filter of lists, counts and bulk work, the order of a list, and where a page of it begins.
 *
 * Decides whether one job passes. How a store finds the jobs without looking at all of them is its own affair; what it finds
 * passes here. Refuses to know who asks: what a caller may see is a part of the filter that the use case adds.
 */

import type { JobId } from '../kernel/ids.ts'
import { type Job, jobStates, type JobStateName } from './job.ts'

const texts = ['vo', 'group', 'owner', 'jobGroup', 'jobType', 'name'] as const
/** Site and cloud: of the VM of its last lease. */
export const filterTexts = [...texts, 'site', 'cloud'] as const

/** A field that is absent restricts nothing; all that are given must hold. Texts are compared exactly. */
export type JobFilter = { readonly [Text in (typeof filterTexts)[number]]?: string } & {
  readonly states?: readonly JobStateName[]
  /** From this moment on, and before that one. */
  readonly submittedFromMs?: number
  readonly submittedToMs?: number
  readonly changedFromMs?: number
  readonly changedToMs?: number
}

/** Ids are given in the order of submission: that is what `submission` sorts by. Equal times of change are sorted by id. */
export type JobOrder = { readonly by: 'submission' | 'change'; readonly isDescending: boolean }

export const newestFirst: JobOrder = { by: 'submission', isDescending: true }

/** The last job of the page before. `changedMs` as it was then; only an order by change needs it. */
export type JobCursor = { readonly id: JobId; readonly changedMs: number }

/** Of the VM that a job runs on or ran on last; empty texts: on none yet. */
export type LeasePlace = { readonly site: string; readonly cloud: string }

export const nowhere: LeasePlace = { site: '', cloud: '' }

export function passes(job: Job, place: LeasePlace, filter: JobFilter): boolean {
  const { states, submittedFromMs, submittedToMs, changedFromMs, changedToMs } = filter
  if (states && !states.includes(job.phase.state)) return false
  for (const field of texts) if (filter[field] !== undefined && filter[field] !== job[field]) return false
  if (filter.site !== undefined && filter.site !== place.site) return false
  if (filter.cloud !== undefined && filter.cloud !== place.cloud) return false
  return isWithin(job.submittedMs, submittedFromMs, submittedToMs) && isWithin(job.changedMs, changedFromMs, changedToMs)
}

/** From `fromMs` on, and before `toMs`. */
export function isWithin(ms: number, fromMs: number | undefined, toMs: number | undefined): boolean {
  return (fromMs === undefined || ms >= fromMs) && (toMs === undefined || ms < toMs)
}

/** Below 0: `a` is listed before `b`. */
export function compareListed(a: JobCursor, b: JobCursor, { by, isDescending }: JobOrder): number {
  const ascending = by === 'change' && a.changedMs !== b.changedMs ? a.changedMs - b.changedMs : a.id - b.id
  return isDescending ? -ascending : ascending
}

/** Whether there can be a job that does not pass. */
export function isRestricting(filter: JobFilter): boolean {
  const { states, ...others } = filter
  const namesStates = states !== undefined && states.length < jobStates.length
  return namesStates || Object.values(others).some((value) => value !== undefined)
}

/** What jobs can be counted by. */
export const countedAttributes = ['state', ...filterTexts] as const
export type CountedAttribute = (typeof countedAttributes)[number]

export function attributeOf(job: Job, place: LeasePlace, attribute: CountedAttribute): string {
  switch (attribute) {
    case 'state':
      return job.phase.state
    case 'site':
    case 'cloud':
      return place[attribute]
    default:
      return job[attribute]
  }
}
