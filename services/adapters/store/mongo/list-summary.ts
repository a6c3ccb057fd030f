/**
 * What a page says of its jobs to listings and counts, so that only pages that may hold wanted jobs are unpacked: the
 * states, sites and clouds with the number of jobs of each, and when the first and the last of them was submitted and
 * changed.
 *
 * Counted anew from the jobs at each change, as the rest of a page's summary. The bits and times lie in the indexes that
 * listings stand on (schema.ts); a bit of a site or cloud stands for every name with the same hash, so a page that is found
 * by it is unpacked and looked at.
 */

import { hashOf } from '../../../../core/kernel/text-hash.ts'
import { type JobFilter, type LeasePlace, nowhere } from '../../../../core/model/job-filter.ts'
import { type Job, type JobStateName, jobStates } from '../../../../core/model/job.ts'

/** `place`: of its last lease, where there was one. */
export type PlacedJob = { readonly job: Job; readonly place: LeasePlace }

export type ListSummary = {
  /** One bit per state, and per hash of a site and of a cloud. */
  sb: number
  pb: number
  cb: number
  /** First and last submission, first and last change. */
  s0: number
  s1: number
  c0: number
  c1: number
  /** How many jobs are in each state at each site and cloud, and their first and last change. */
  ct: [state: number, site: string, cloud: string, count: number, firstMs: number, lastMs: number][]
}

/** A job without a lease, live or last, is nowhere. */
export function placeOf({ job, place }: PlacedJob): LeasePlace {
  return 'lease' in job.phase && job.phase.lease ? place : nowhere
}

/** Signed 32-bit numbers are the shortest that the server keeps. */
const hashedBits = 31

export function listSummaryOf(jobs: Iterable<PlacedJob>): ListSummary {
  const summary: ListSummary = { sb: 0, pb: 0, cb: 0, s0: 0, s1: 0, c0: 0, c1: 0, ct: [] }
  const counts = new Map<string, ListSummary['ct'][number]>()
  let isFirst = true
  for (const kept of jobs) {
    const { phase, submittedMs, changedMs } = kept.job
    const { site, cloud } = placeOf(kept)
    const state = jobStates.indexOf(phase.state)
    summary.sb |= 1 << state
    summary.pb |= bitOf(site)
    summary.cb |= bitOf(cloud)
    summary.s0 = isFirst ? submittedMs : Math.min(summary.s0, submittedMs)
    summary.s1 = isFirst ? submittedMs : Math.max(summary.s1, submittedMs)
    summary.c0 = isFirst ? changedMs : Math.min(summary.c0, changedMs)
    summary.c1 = isFirst ? changedMs : Math.max(summary.c1, changedMs)
    isFirst = false
    const key = `${state}\u0000${site}\u0000${cloud}`
    const known = counts.get(key)
    counts.set(key, [
      state,
      site,
      cloud,
      (known?.[3] ?? 0) + 1,
      Math.min(known?.[4] ?? changedMs, changedMs),
      Math.max(known?.[5] ?? changedMs, changedMs),
    ])
  }
  return { ...summary, ct: [...counts.values()] }
}

/** Of an empty text: no bit. */
function bitOf(name: string): number {
  return name === '' ? 0 : 1 << ((hashOf(name) >>> 0) % hashedBits)
}

/** The different hashes of the names of a page's jobs. They never change. */
export function namesIn(jobs: Iterable<PlacedJob>): number[] {
  return [...new Set(Array.from(jobs, ({ job }) => hashOf(job.name)))]
}

export function stateBits(states: readonly JobStateName[]): number {
  return states.reduce((bits, state) => bits | (1 << jobStates.indexOf(state)), 0)
}

/** Every page that may hold a job of the filter, and some that do not. */
export function pageFilterOf(filter: JobFilter): Record<string, unknown> {
  const { states, vo, group, owner, jobGroup, jobType, name, site, cloud } = filter
  const label = (wanted: string) => (wanted === '' ? { $exists: false } : wanted)
  return {
    ...(vo === undefined ? {} : { vo }),
    ...(group === undefined ? {} : { grp: group }),
    ...(owner === undefined ? {} : { own: owner }),
    ...(jobGroup === undefined ? {} : { jg: label(jobGroup) }),
    ...(jobType === undefined ? {} : { jt: label(jobType) }),
    ...(name === undefined ? {} : { nm: hashOf(name) }),
    ...(states === undefined ? {} : { sb: { $bitsAnySet: stateBits(states) } }),
    ...(site ? { pb: { $bitsAllSet: bitOf(site) } } : {}),
    ...(cloud ? { cb: { $bitsAllSet: bitOf(cloud) } } : {}),
    ...together(filter),
    ...overlap('s', filter.submittedFromMs, filter.submittedToMs),
    ...overlap('c', filter.changedFromMs, filter.changedToMs),
  }
}

/** Of a state, a site and a cloud each may be in a page, and no job have all of them: its counts say so. */
function together({ states, site, cloud }: JobFilter): Record<string, unknown> {
  const wanted = {
    ...(states === undefined ? {} : { 0: { $in: states.map((state) => jobStates.indexOf(state)) } }),
    ...(site === undefined ? {} : { 1: site }),
    ...(cloud === undefined ? {} : { 2: cloud }),
  }
  return Object.keys(wanted).length > 1 ? { ct: { $elemMatch: wanted } } : {}
}

function overlap(field: 's' | 'c', fromMs: number | undefined, toMs: number | undefined): Record<string, unknown> {
  return {
    ...(fromMs === undefined ? {} : { [`${field}1`]: { $gte: fromMs } }),
    ...(toMs === undefined ? {} : { [`${field}0`]: { $lt: toMs } }),
  }
}
