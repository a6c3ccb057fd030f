/**
 * The one reader of all watches of this process: a job that changed is read once, however many callers watch it.
 *
 * Woken by hints; a hint that was lost is made up for by reading all watched jobs in turn. One batch is read at a time, so
 * what a watcher gets of a job is never older than what it got before. After each batch the reader pauses for twice as long
 * as the batch took: watches use a third of the service's thread at most, however many there are.
 */

import { type Clock, sleep } from '../../../core/kernel/clock.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { isEnded, type Job } from '../../../core/model/job.ts'
import { feedLimits } from '../../../core/kernel/limits.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import type { Bus } from '../../../core/ports/bus.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { JobStore } from '../../../core/ports/store.ts'
import type { PlacePorts } from '../../jobs/places.ts'
import { jobsToWire } from './encode.ts'

export type FeedPorts = PlacePorts & {
  readonly store: Pick<JobStore, 'jobs'>
  readonly bus: Pick<Bus, 'listen'>
  readonly clock: Clock
  readonly log: Log
}

export type Follower = {
  /** Asked once per job; one that is not to be seen counts as one that is not there. */
  isVisible(job: Job): boolean
  /** Whether more of the first look is wanted now. */
  hasRoom(): boolean
  /** The job as it is; `last`: it has ended. Called once at the first look, then at each change; may repeat. */
  job(job: wire.Job, last: boolean): void
  gone(id: JobId): void
  failed(error: unknown): void
}

export type Following = {
  /** How many jobs are still followed: neither gone nor dropped. */
  left(): number
  /** The follower has room again. */
  more(): void
  drop(id: JobId): void
  end(): void
}

export type JobFeed = { follow(ids: readonly JobId[], follower: Follower): Following; watched(): number }

/**
 * `at`: those of its ids before it have been looked at and have an entry; a watch of 10 000 jobs is begun and ended piece by
 * piece. `left`: how many are still followed.
 */
type Watch = { readonly ids: readonly JobId[]; readonly follower: Follower; at: number; left: number; open: boolean }
/** `seen`: the state that was read last. */
type Entry = { seen: string; readonly watches: Set<Watch> }

type Feed = {
  readonly ports: FeedPorts
  readonly entries: Map<JobId, Entry>
  readonly hinted: Set<JobId>
  /** Those whose first look is not over; the first is next. */
  readonly looking: Watch[]
  /** Those that ended and still have entries. */
  readonly leaving: Watch[]
  /** Where reading all in turn goes on. */
  turn: Iterator<JobId>
  hintedDueMs: number
  turnDueMs: number
  running: boolean
  wake: AbortController
  deafen?: () => void
}

export function openJobFeed(ports: FeedPorts): JobFeed {
  const feed: Feed = {
    ports,
    entries: new Map(),
    hinted: new Set(),
    looking: [],
    leaving: [],
    turn: [][Symbol.iterator](),
    hintedDueMs: 0,
    turnDueMs: 0,
    running: false,
    wake: new AbortController(),
  }
  return { follow: (ids, follower) => follow(feed, ids, follower), watched: () => feed.entries.size }
}

function follow(feed: Feed, ids: readonly JobId[], follower: Follower): Following {
  const own = [...new Set(ids)]
  const watch: Watch = { ids: own, follower, at: 0, left: own.length, open: true }
  feed.looking.push(watch)
  start(feed)
  return {
    left: () => watch.left,
    more: () => feed.wake.abort(),
    drop: (id) => drop(feed, watch, id),
    end() {
      if (!watch.open) return
      watch.open = false
      feed.leaving.push(watch)
      feed.wake.abort()
    },
  }
}

function enter({ entries }: Feed, watch: Watch, ids: readonly JobId[]): void {
  for (const id of ids) {
    const entry = entries.get(id)
    if (entry) entry.watches.add(watch)
    else entries.set(id, { seen: '', watches: new Set([watch]) })
  }
}

function drop({ entries, hinted }: Feed, watch: Watch, id: JobId): void {
  const entry = entries.get(id)
  if (!entry?.watches.delete(watch)) return
  watch.left -= 1
  if (entry.watches.size > 0) return
  entries.delete(id)
  hinted.delete(id)
}

/** Drops some ids of a watch that ended. False: none has. */
function dropSome(feed: Feed): boolean {
  const watch = feed.leaving[0]
  if (!watch) return false
  const from = Math.max(0, watch.at - feedLimits.dropped)
  for (const id of watch.ids.slice(from, watch.at)) drop(feed, watch, id)
  watch.at = from
  if (from === 0) feed.leaving.shift()
  return true
}

function isInUse({ entries, looking, leaving }: Feed): boolean {
  return entries.size > 0 || looking.length > 0 || leaving.length > 0
}

function start(feed: Feed): void {
  feed.wake.abort()
  if (feed.running) return
  const { bus, clock, log } = feed.ports
  feed.running = true
  feed.turnDueMs = clock.monotonicMs() + feedLimits.allEveryMs
  feed.deafen = bus.listen('jobs', (ids) => {
    for (const id of ids) if (feed.entries.has(id as JobId)) feed.hinted.add(id as JobId)
    if (feed.hinted.size > 0) feed.wake.abort()
  })
  run(feed)
    .catch((error: unknown) => log.error({ err: error }, 'the reader of watched jobs ended'))
    .finally(() => {
      feed.deafen?.()
      feed.running = false
      // A new watch arrived while the reader ended.
      if (isInUse(feed)) start(feed)
    })
}

async function run(feed: Feed): Promise<void> {
  const { clock } = feed.ports
  while (isInUse(feed)) {
    feed.wake = new AbortController()
    const beginMs = clock.monotonicMs()
    const hasDropped = dropSome(feed)
    const batch = nextBatch(feed, beginMs)
    if (!batch && !hasDropped) {
      const dueMs = Math.min(feed.turnDueMs, feed.hinted.size > 0 ? feed.hintedDueMs : Number.POSITIVE_INFINITY)
      await sleep(clock, Math.max(1, dueMs - beginMs), feed.wake.signal)
      continue
    }
    if (batch) await looked(feed, batch)
    // What those who got something do with it counts as well.
    await new Promise<void>((resolve) => clock.soon(resolve))
    const tookMs = clock.monotonicMs() - beginMs
    await sleep(clock, Math.min(feedLimits.pauseTimes * tookMs, feedLimits.longestPauseMs))
  }
}

/** A first look that fails ends its watch; other jobs are read again later. */
async function looked(feed: Feed, batch: Batch): Promise<void> {
  const { clock, log } = feed.ports
  try {
    await look(feed, batch)
  } catch (error) {
    if (batch.watch) {
      batch.watch.follower.failed(error)
      return
    }
    log.warn({ err: error }, 'watched jobs cannot be read now')
    for (const id of batch.ids) if (feed.entries.has(id)) feed.hinted.add(id)
    feed.hintedDueMs = clock.monotonicMs() + feedLimits.retryMs
  }
}

/** `watch`: whose first look it is. */
type Batch = { readonly ids: readonly JobId[]; readonly watch?: Watch }

function nextBatch(feed: Feed, nowMs: number): Batch | undefined {
  if (feed.hinted.size > 0 && nowMs >= feed.hintedDueMs) {
    const ids = [...feed.hinted].slice(0, feedLimits.batch)
    for (const id of ids) feed.hinted.delete(id)
    feed.hintedDueMs = nowMs + feedLimits.gatherMs
    return { ids }
  }
  return firstLook(feed) ?? allInTurn(feed, nowMs)
}

/** Watches take turns; one that reads slowly is passed over. */
function firstLook(feed: Feed): Batch | undefined {
  const { looking } = feed
  for (let tries = looking.length; tries > 0; tries -= 1) {
    const watch = looking.shift()
    if (!watch?.open) continue
    if (!watch.follower.hasRoom()) {
      looking.push(watch)
      continue
    }
    const ids = watch.ids.slice(watch.at, watch.at + feedLimits.batch)
    watch.at += ids.length
    enter(feed, watch, ids)
    if (watch.at < watch.ids.length) looking.push(watch)
    return { ids, watch }
  }
  return undefined
}

function allInTurn(feed: Feed, nowMs: number): Batch | undefined {
  if (nowMs < feed.turnDueMs) return undefined
  const ids: JobId[] = []
  while (ids.length < feedLimits.batch) {
    const next = feed.turn.next()
    if (next.done) break
    ids.push(next.value)
  }
  if (ids.length < feedLimits.batch) feed.turn = feed.entries.keys()
  const turns = Math.max(1, Math.ceil(feed.entries.size / feedLimits.batch))
  feed.turnDueMs = nowMs + Math.max(feedLimits.turnEveryMs, feedLimits.allEveryMs / turns)
  return ids.length > 0 ? { ids } : undefined
}

async function look(feed: Feed, { ids, watch }: Batch): Promise<void> {
  const jobs = await feed.ports.store.jobs(ids)
  const news = jobs.flatMap((job) => {
    const targets = targetsOf(feed, job, watch)
    return targets.length > 0 ? [{ job, targets }] : []
  })
  const shown = await jobsToWire(
    feed.ports,
    news.map(({ job }) => job),
  )
  for (const [at, { job, targets }] of news.entries()) {
    const message = shown[at]
    if (message) for (const one of targets) if (one.open) one.follower.job(message, isEnded(job.phase))
  }
  const found = new Set(jobs.map(({ id }) => id))
  for (const id of ids) {
    if (!found.has(id)) for (const one of [...(feed.entries.get(id)?.watches ?? [])]) leaveOut(feed, one, id)
  }
}

/** Who is to get the job as it was just read. */
function targetsOf(feed: Feed, job: Job, watch: Watch | undefined): readonly Watch[] {
  const entry = feed.entries.get(job.id)
  if (!entry) return []
  const now = `${job.phase.state} ${job.attempt} ${job.changedMs}`
  // Who has not seen it yet gets it by the first look.
  const isNew = entry.seen !== '' && entry.seen !== now
  entry.seen = now
  if (watch && !watch.follower.isVisible(job)) leaveOut(feed, watch, job.id)
  if (!isNew) return watch && entry.watches.has(watch) ? [watch] : []
  return [...entry.watches].filter(({ follower }) => follower.isVisible(job))
}

function leaveOut(feed: Feed, watch: Watch, id: JobId): void {
  drop(feed, watch, id)
  if (watch.open) watch.follower.gone(id)
}
