/**
 * What a group of events makes of pages: decided by core, page by page, and written down as one statement each. Neither
 * reads nor writes the store: a draft holds when its statement finds the page as it was.
 */

import { applyToJob } from '../../../../core/model/apply.ts'
import type { JobId } from '../../../../core/kernel/ids.ts'
import type { JobEvent } from '../../../../core/model/job-event.ts'
import type { JobOutcome } from '../../../../core/ports/store.ts'
import type { KnownQueues } from './known-queues.ts'
import { type KeptJob, keptJob, packed, type StoryEntry, withFact } from './job-text.ts'
import {
  jobsUpdate,
  leaving,
  type LoggedChange,
  type Move,
  movesOf,
  type Page,
  summaryOf,
  summaryUpdate,
  summed,
} from './page.ts'
import type { ClaimGate } from './claim-gate.ts'

export type Item = { readonly event: JobEvent; readonly nowMs: number; outcome?: JobOutcome }

/** What a group makes of one page: outcomes that hold if the write does, or if the page was just read. */
export type Draft = {
  readonly page: Page
  readonly items: readonly Item[]
  readonly outcomes: readonly JobOutcome[]
  /** A job that is removed has its last story here. */
  readonly changed: ReadonlyMap<JobId, KeptJob>
  readonly removed: ReadonlySet<JobId>
  readonly moves: readonly Move[]
}

const writesKept = 8

/** Events whose job lies in no page are answered at once. */
export function drawUp(items: readonly Item[], pages: ReadonlyMap<JobId, Page>, gate: ClaimGate): readonly Draft[] {
  const byPage = new Map<Page, Item[]>()
  for (const item of items) {
    const page = pages.get(item.event.jobId)
    if (!page) item.outcome = applyToJob(undefined, item.event, undefined, item.nowMs).outcome
    else if (byPage.get(page)?.push(item) === undefined) byPage.set(page, [item])
  }
  return [...byPage].map(([page, ofPage]) => draftOf(page, ofPage, gate))
}

function draftOf(page: Page, items: readonly Item[], gate: ClaimGate): Draft {
  const drafted = new Map<JobId, KeptJob>()
  const removed = new Set<JobId>()
  const moves: Move[] = []
  const outcomes = items.map(({ event, nowMs }): JobOutcome => {
    const before = removed.has(event.jobId) ? undefined : (drafted.get(event.jobId) ?? page.jobs.get(event.jobId))
    const claiming = event.kind === 'claim' ? { mayTakeJobs: gate.mayTakeJobs(event.vmId) } : undefined
    const { outcome, changed, fact, isRemoved } = applyToJob(before?.job, event, claiming, nowMs)
    if (before && (changed || fact)) {
      const place = event.kind === 'claim' ? gate.placeOf(event.vmId) : before.place
      const story = fact ? withFact(before.story, page.version + 1, nowMs, fact) : before.story
      const after = keptJob(changed ?? before.job, place, story)
      drafted.set(event.jobId, after)
      if (isRemoved) removed.add(event.jobId)
      moves.push(...(isRemoved ? [leaving(before)] : movesOf(before, after)))
    }
    return outcome
  })
  return { page, items, outcomes, changed: drafted, removed, moves: summed(moves) }
}

/** `name`: of the write, by which the page knows it. */
export function nextOf({ page, changed, removed, moves }: Draft, name: string, queues: KnownQueues) {
  const jobs = new Map(page.jobs)
  const newEntries: (readonly [JobId, StoryEntry])[] = []
  const version = page.version + 1
  for (const [id, kept] of changed) {
    jobs.set(id, kept)
    for (const entry of kept.story) if (entry[0] === version) newEntries.push([id, entry])
  }
  for (const id of removed) jobs.delete(id)
  const writes = [...page.writes.slice(1 - writesKept), name]
  const summary = summaryOf(jobs.values(), queues.known(page.classId).requirements, page.priority)
  const { set, unset } = summaryUpdate(page, summary)
  Object.assign(set, { cv: version, wr: writes, ...jobsUpdate(page, jobs) })
  if (moves.length + newEntries.length > 0) {
    set.mv = { cv: version, vo: page.owner.vo, m: [...moves], f: packed(JSON.stringify(newEntries)) } satisfies LoggedChange
  }
  return {
    page: { ...page, version, writes, jobs, isEarlier: false },
    removed,
    filter: { _id: page.first, cv: page.version },
    update: { $set: set, $unset: unset },
  }
}
