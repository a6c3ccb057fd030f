/**
 * A page: up to 128 jobs with consecutive ids, of one task queue, one job group and one job type, in one document. They came
 * with one priority as well; a user may have changed that of some since. What changes in a page
 * changes by one compare-and-set on its version, so that one statement of the server claims or ends dozens of jobs.
 *
 * Pure: documents to pages and back, and the summary that the indexes stand on, which is counted anew from the jobs at each
 * change. A job lies in its page with its own story (job-text.ts): a change and the fact that explains it are one write.
 */

import type { Binary } from 'mongodb'
import type { ClassId, JobId, VmId } from '../../../../core/kernel/ids.ts'
import { exactly } from '../../../../core/language/requirement-class.ts'
import type { JobCursor, JobFilter } from '../../../../core/model/job-filter.ts'
import { isEnded, type JobStateName, leaseOf, openOf } from '../../../../core/model/job.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import type { Requirements } from '../../../../core/model/requirements.ts'
import { fromList, listOf, noResources, plus, takenWith } from '../../../../core/model/resources.ts'
import { keptIn, type KeptJob, listedIn, packedJobs, packedStories } from './job-text.ts'
import { listSummaryOf, type ListSummary, namesIn, type PlacedJob, placeOf } from './list-summary.ts'

export const pageJobs = 128

export type Page = {
  readonly first: JobId
  readonly version: number
  /** The writes that made the last versions: a process that lost an answer finds here whether theirs was one of them. */
  readonly writes: readonly string[]
  readonly owner: Owner
  readonly classId: ClassId
  /** With which its jobs came. */
  readonly priority: number
  readonly jobGroup: string
  readonly jobType: string
  readonly jobs: ReadonlyMap<JobId, KeptJob>
  /** An earlier version wrote it: with stories among the jobs. */
  readonly isEarlier: boolean
}

/** How many jobs came to (or left) a state at a site. */
export type Move = readonly [state: JobStateName, site: string, by: number]

export type PageDocument = {
  _id: number
  last: number
  cv: number
  wr: string[]
  q: string
  /** The highest of its waiting jobs, else as it was; and what its jobs came with, absent: the same. */
  pr: number
  p0?: number
  /** Job group and type; absent: none. */
  jg?: string
  jt?: string
  vo: string
  grp: string
  own: string
  /** Waiting jobs; and waiting, held or blocked ones, absent where there are none. */
  w: number
  o?: number
  /** VMs with live leases here, what they hold, and when the first of these leases ends. */
  lv?: string[]
  use?: Record<string, Use>
  un?: number
  /** When the first of those that ended, and that no job waits for, did. */
  en?: number
  /** Jobs that jobs here wait for; and when the first of those that ended and are still awaited did. */
  dep?: number[]
  rel?: number
  /** What the last change with a fact moved. */
  mv?: LoggedChange
  /** The jobs, packed; and their stories, absent: none has one, or an earlier version wrote them among the jobs. */
  z: Binary
  y?: Binary
} & Partial<ListSummary> & { nm?: number[] }

/**
 * What the collector reads of a change in the server's log. `f`: the facts, packed: job and entry. Each value differs from
 * the last one by its version.
 */
export type LoggedChange = { cv: number; vo: string; m: Move[]; f: Binary }

/** Leases, and the resources that they take as a list. */
export type Use = [leases: number, ...resources: number[]]

export const noUse: Use = [0, ...listOf(noResources)]

/** What a page has beside its stories. */
export const listedFields = { _id: 1, cv: 1, wr: 1, q: 1, pr: 1, p0: 1, jg: 1, jt: 1, vo: 1, grp: 1, own: 1, z: 1 } as const
export const pageFields = { ...listedFields, y: 1 } as const

export function pageOf(document: Pick<PageDocument, keyof typeof pageFields>): Page {
  const { _id, cv, wr, z, y } = document
  const { owner, ...alike } = alikeIn(document)
  const { kept, isEarlier } = keptIn(z, y, { ...owner, ...alike })
  const jobs = new Map(kept.map((one) => [one.job.id, one]))
  return { first: _id as JobId, version: cv, writes: wr, owner, ...alike, jobs, isEarlier }
}

/** Those that pass and that are wanted: most jobs of a page are never made. */
export function listedJobs(
  document: Pick<PageDocument, keyof typeof listedFields>,
  filter: JobFilter = {},
  isWanted: (cursor: JobCursor) => boolean = () => true,
): readonly PlacedJob[] {
  const { owner, ...alike } = alikeIn(document)
  return listedIn(document.z, { ...owner, ...alike }, filter, isWanted)
}

/** What all jobs of a page have in common. */
function alikeIn({ q, pr, p0 = pr, jg = '', jt = '', vo, grp, own }: Pick<PageDocument, keyof typeof listedFields>) {
  const owner: Owner = { vo, group: grp, owner: own }
  return { owner, classId: q as ClassId, priority: p0, jobGroup: jg, jobType: jt }
}

/**
 * How the document of a page gets these jobs. Their stories are written only if one of them changed, or if an earlier
 * version wrote them among the jobs.
 */
export function jobsUpdate(page: Page, jobs: ReadonlyMap<JobId, KeptJob>): Pick<PageDocument, 'z' | 'y'> {
  const z = packedJobs(jobs.values())
  const isSame = jobs.size === page.jobs.size && [...jobs].every(([id, { story }]) => page.jobs.get(id)?.story === story)
  return isSame && !page.isEarlier ? { z } : { z, y: packedStories(jobs.values()) }
}

export type Summary = Pick<PageDocument, 'w' | 'o' | 'lv' | 'use' | 'un' | 'en' | 'pr' | 'dep' | 'rel'> & ListSummary

/** From the jobs alone: an index can not drift from what it stands for. */
export function summaryOf(kept: Iterable<KeptJob>, requirements: Requirements, priority: number): Summary {
  const jobs = [...kept]
  const use: Record<string, Use> = {}
  let [waiting, held, until, ended, awaited, top] = [0, 0, Infinity, Infinity, Infinity, -1]
  const dependencies = new Set<number>()
  for (const { job } of jobs) {
    const { phase } = job
    if (phase.state === 'Waiting') {
      waiting += 1
      top = Math.max(top, job.priority)
    }
    if (phase.state === 'Held' || phase.state === 'Blocked') held += 1
    for (const open of openOf(phase)) dependencies.add(open.job)
    if (isEnded(phase) && job.awaited === undefined) ended = Math.min(ended, job.changedMs)
    if (isEnded(phase) && job.awaited !== undefined) awaited = Math.min(awaited, job.changedMs)
    const lease = leaseOf(phase)
    if (!lease) continue
    until = Math.min(until, lease.untilMs)
    const [leases, ...before] = use[lease.vmId] ?? [0]
    const taken = takenWith(lease, exactly(requirements, job.needs))
    use[lease.vmId] = [leases + 1, ...listOf(plus(fromList(before), taken))]
  }
  const vms = Object.keys(use)
  return {
    w: waiting,
    pr: top < 0 ? priority : top,
    ...listSummaryOf(jobs),
    ...(waiting + held > 0 ? { o: waiting + held } : {}),
    ...(vms.length > 0 ? { lv: vms, use, un: until } : {}),
    ...(ended < Infinity ? { en: ended } : {}),
    ...(dependencies.size > 0 ? { dep: [...dependencies] } : {}),
    ...(awaited < Infinity ? { rel: awaited } : {}),
  }
}

/** How the document of a page gets this summary. */
export function summaryUpdate({ priority }: Pick<Page, 'priority'>, summary: Summary) {
  const { o, lv, use, un, en, dep, rel, ...always } = summary
  // What its jobs came with is kept as soon as `pr` can be another.
  const set: Record<string, unknown> = { ...always, ...(always.pr === priority ? {} : { p0: priority }) }
  const unset: Record<string, ''> = {}
  for (const [key, value] of Object.entries({ o, lv, use, un, en, dep, rel })) {
    if (value === undefined) unset[key] = ''
    else set[key] = value
  }
  return { set, unset }
}

/** What a change of one job moves between the counts. */
export function movesOf(before: KeptJob, after: KeptJob): readonly Move[] {
  const [from, to] = [before.job.phase.state, after.job.phase.state]
  const [was, is] = [siteOf(before), siteOf(after)]
  if (from === to && was === is) return []
  return [
    [from, was, -1],
    [to, is, 1],
  ]
}

/** A job is counted at the site of its lease, live or last; one without a lease at none. */
export function siteOf(kept: PlacedJob): string {
  return placeOf(kept).site
}

/** What moves where a job goes for good. */
export function leaving(kept: KeptJob): Move {
  return [kept.job.phase.state, siteOf(kept), -1]
}

export function summed(moves: Iterable<Move>): Move[] {
  const sums = new Map<string, Move>()
  for (const [state, site, by] of moves) {
    const key = `${state} ${site}`
    sums.set(key, [state, site, (sums.get(key)?.[2] ?? 0) + by])
  }
  return [...sums.values()].filter(([, , by]) => by !== 0)
}

export type NewPage = Omit<Page, 'version' | 'writes' | 'isEarlier'>

/** A page as it is when its jobs come: none has a story. */
export function newPage(page: NewPage, write: string, requirements: Requirements): PageDocument {
  const ids = [...page.jobs.keys()]
  return {
    _id: page.first,
    last: Math.max(...ids),
    cv: 1,
    wr: [write],
    q: page.classId,
    ...(page.jobGroup === '' ? {} : { jg: page.jobGroup }),
    ...(page.jobType === '' ? {} : { jt: page.jobType }),
    vo: page.owner.vo,
    grp: page.owner.group,
    own: page.owner.owner,
    nm: namesIn(page.jobs.values()),
    ...summaryOf(page.jobs.values(), requirements, page.priority),
    z: packedJobs(page.jobs.values()),
  }
}

export function usedOn(use: Record<string, Use> | undefined, vmId: VmId): Use {
  return use?.[vmId] ?? noUse
}

/** Where the pages of these jobs begin: a page begins with one of its jobs and holds at most a fixed number of ids. */
export function rangesOf(
  ids: readonly JobId[],
): readonly { readonly _id: { readonly $gt: number; readonly $lte: number } }[] {
  const ranges: { from: number; to: number }[] = []
  for (const id of ids.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && id - pageJobs <= last.to) last.to = id
    else ranges.push({ from: id - pageJobs, to: id })
  }
  return ranges.map(({ from, to }) => ({ _id: { $gt: from, $lte: to } }))
}
