/**
 * What each caller may ask of this process: calls per second by their cost, calls and reads at one time, watches, and bytes
 * in unfinished messages. A caller is a user, a VM, or the address of one who has shown no credential.
 *
 * A caller above its rate is slowed down first and refused only when many of its calls wait: an honest burst takes longer, a
 * flood gets `overloaded` with the time after which to come again. What stays true: nothing here outlives its caller's last
 * call but a few numbers, and their count is bounded.
 */

import { type Clock, sleep } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { Identity } from '../../../core/model/owner.ts'
import { loadLimits, unfinishedBytes } from '../../../core/kernel/limits.ts'
import { type TokenBuckets, tokenBuckets } from '../../../core/kernel/token-bucket.ts'
import type { Meter } from './message-reader.ts'

export type Load = {
  /** One more call of this caller; throws `overloaded`, or waits for its turn. Answers how to end it. */
  enter(cost: number, gone?: AbortSignal): Promise<() => void>
  /** What a call turned out to cost beyond its entry. The caller's next calls pay for it. */
  charge(cost: number): void
  /** Waits until the caller is out of debt: what a stream does between its messages. Ends early when `gone` is aborted. */
  pace(gone: AbortSignal): Promise<void>
  /** How long that would be; 0: it is not in debt. */
  debtMs(): number
  /** Runs a read that is large when few others of this caller are under way. */
  read<Answer>(run: () => Promise<Answer>): Promise<Answer>
  /** One more watch; throws `overloaded`. Answers how to end it. */
  watch(jobs: number): () => void
  readonly meter: Meter
}

export type Loads = {
  of(identity: Identity | undefined, address: string): Load
  /** Callers with something under way. */
  size(): number
}

type Caller = {
  readonly key: string
  readonly maxCalls: number
  calls: number
  waiting: number
  reads: number
  readonly queue: (() => void)[]
  watches: number
  watchedJobs: number
  heldBytes: number
}

/** Buckets that are not full: more than the users of one installation, at some hundred bytes each. */
const maxCallers = 10_000

export function newLoads(clock: Clock, callsPerSecond: number = loadLimits.callsPerSecond): Loads {
  const rate = { perSecond: callsPerSecond, burst: Math.max(1, callsPerSecond * loadLimits.burstSeconds) }
  const books: Books = {
    clock,
    callsPerSecond,
    buckets: tokenBuckets(rate, maxCallers),
    callers: new Map(),
    inAll: { heldBytes: 0, watchedJobs: 0 },
  }
  return {
    of(identity, address) {
      const caller = callerOf(books, keyOf(identity, address), identity ? loadLimits.calls : loadLimits.anonymousCalls)
      return {
        enter: (cost, gone) => enter(books, caller, cost, gone),
        charge: (cost) => books.buckets.spend(caller.key, cost, clock.monotonicMs()),
        pace: (gone) => pace(books, caller, gone),
        debtMs: () => books.buckets.waitMs(caller.key, clock.monotonicMs()),
        read: (run) => read(clock, caller, run),
        watch: (jobs) => watch(books, caller, jobs),
        meter: meterOf(books, caller),
      }
    },
    size: () => books.callers.size,
  }
}

type Books = {
  readonly clock: Clock
  readonly callsPerSecond: number
  readonly buckets: TokenBuckets
  /** Those with something under way. */
  readonly callers: Map<string, Caller>
  readonly inAll: { heldBytes: number; watchedJobs: number }
}

function callerOf({ callers }: Books, key: string, maxCalls: number): Caller {
  const known = callers.get(key)
  if (known) return known
  const fresh = { key, maxCalls, calls: 0, waiting: 0, reads: 0, queue: [], watches: 0, watchedJobs: 0, heldBytes: 0 }
  callers.set(key, fresh)
  return fresh
}

function forget({ callers }: Books, caller: Caller): void {
  if (caller.calls === 0 && caller.heldBytes === 0 && callers.get(caller.key) === caller) callers.delete(caller.key)
}

async function enter(books: Books, caller: Caller, cost: number, gone?: AbortSignal): Promise<() => void> {
  if (caller.calls >= caller.maxCalls) throw overloaded(`${caller.calls} calls of this caller are under way`, 1000)
  caller.calls += 1
  const leave = once(() => {
    caller.calls -= 1
    forget(books, caller)
  })
  try {
    await turn(books, caller, gone)
  } catch (error) {
    leave()
    throw error
  }
  books.buckets.spend(caller.key, cost, books.clock.monotonicMs())
  return leave
}

/** Resolves when the caller is within its rate. */
async function turn({ clock, buckets, callsPerSecond }: Books, caller: Caller, gone?: AbortSignal): Promise<void> {
  const untilMs = clock.monotonicMs() + loadLimits.waitMs
  for (;;) {
    const waitMs = buckets.waitMs(caller.key, clock.monotonicMs())
    if (waitMs === 0) return
    if (caller.waiting >= loadLimits.waiting || clock.monotonicMs() + waitMs > untilMs) {
      throw overloaded(`more than ${callsPerSecond} calls per second`, waitMs)
    }
    caller.waiting += 1
    const how = await sleep(clock, waitMs, gone)
    caller.waiting -= 1
    if (how === 'aborted') throw new PilotageError('cancelled', 'the caller disconnected')
  }
}

async function pace({ clock, buckets }: Books, { key }: Caller, gone: AbortSignal): Promise<void> {
  for (
    let waitMs = buckets.waitMs(key, clock.monotonicMs());
    waitMs > 0;
    waitMs = buckets.waitMs(key, clock.monotonicMs())
  ) {
    if ((await sleep(clock, waitMs, gone)) === 'aborted') return
  }
}

async function read<Answer>(clock: Clock, caller: Caller, run: () => Promise<Answer>): Promise<Answer> {
  if (caller.reads < loadLimits.reads) caller.reads += 1
  else await new Promise<void>((resolve) => caller.queue.push(resolve))
  const beginMs = clock.monotonicMs()
  try {
    return await run()
  } finally {
    // The answer goes out now; only the place stays taken for a while.
    const pauseMs = Math.min(clock.monotonicMs() - beginMs, loadLimits.longestReadPauseMs)
    clock.after(pauseMs, () => {
      const next = caller.queue.shift()
      // The next one has this one's place.
      if (next) next()
      else caller.reads -= 1
    })
  }
}

function watch({ inAll }: Books, caller: Caller, jobs: number): () => void {
  if (caller.watches >= loadLimits.watches || caller.watchedJobs + jobs > loadLimits.watchedJobs) {
    throw overloaded(`${caller.watches} watches of ${caller.watchedJobs} jobs in all are open`, 10_000)
  }
  if (inAll.watchedJobs + jobs > loadLimits.watchedJobsInAll) {
    throw overloaded(`${inAll.watchedJobs} jobs are watched here`, 10_000)
  }
  const count = (sign: 1 | -1): void => {
    caller.watches += sign
    caller.watchedJobs += sign * jobs
    inAll.watchedJobs += sign * jobs
  }
  count(1)
  return once(() => count(-1))
}

function meterOf(books: Books, caller: Caller): Meter {
  const { inAll } = books
  const add = (bytes: number): void => {
    caller.heldBytes += bytes
    inAll.heldBytes += bytes
  }
  return {
    take(bytes) {
      const { perCaller, inAll: maxBytes } = unfinishedBytes
      if (caller.heldBytes + bytes > perCaller || inAll.heldBytes + bytes > maxBytes) return false
      add(bytes)
      return true
    },
    give(bytes) {
      add(-bytes)
      forget(books, caller)
    },
  }
}

function once(run: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) run()
    isDone = true
  }
}

/** No name of a user or a VM can be taken for another kind's. */
export function keyOf(identity: Identity | undefined, address: string): string {
  if (!identity) return `address ${address}`
  if (identity.kind === 'vm') return `vm ${identity.vmId}`
  const { vo, group, owner } = identity.owner
  return `user ${JSON.stringify([vo, group, owner])}`
}

function overloaded(what: string, retryAfterMs: number): PilotageError {
  return new PilotageError('overloaded', `too much is asked at once: ${what}`, { retryAfterMs })
}
