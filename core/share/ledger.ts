/**
 * The usage of owners as one process knows it: what this process charged, what the attempts on its VMs use, and the same of
 * the other processes.
 *
 * An attempt is charged once, when it has ended, by the process that wrote the end: that is what a process hands on, to its
 * next start and to the others. Until then it counts with what it has used up to now, and at least with half of what
 * attempts of its owner usually use: so that a burst of starts is spread over owners before the first of them has ended.
 */

import { usageAdvanceMs, usageHalfLifeMs } from '../kernel/limits.ts'
import type { Owner } from '../model/owner.ts'
import { charged, decayedUsage, epochWeight, type Usage, type UsageEpoch } from './usage.ts'

/** By owner key, in units of `epochMs` and `halfLifeMs` (absent: a day). */
export type Uses = {
  readonly epochMs: number
  readonly halfLifeMs?: number
  /** When the first of it was used; absent: long ago. */
  readonly sinceMs?: number
  readonly owners: readonly (readonly [string, Usage])[]
  /** What attempts that have not ended count for: the others count it, no successor takes it over. */
  readonly running?: readonly (readonly [string, Usage])[]
}

/** An attempt that runs on a VM of this process. `claimedMs`: by the service's clock. */
export type RunningAttempt = {
  /** See `attemptText`. */
  readonly attempt: string
  readonly ownerKey: string
  readonly cores: number
  readonly claimedMs: number
}

/** A claim that has not been answered. */
export type OpenClaim = Omit<RunningAttempt, 'attempt'>

/** How much more (or less) an owner has used than before, as counted by this process. */
export type UsageChange = { readonly ownerKey: string; readonly coreMs: number }

export type UsageListener = (change: UsageChange) => void

export type UsageLedger = {
  /** An attempt ended. `ranMs`: from its claim. */
  charge(
    owner: Owner,
    ended: { readonly attempt: string; readonly cores: number; readonly ranMs: number },
    nowMs: number,
  ): void
  /** A claim is made: it counts at once. Answered by exactly one of the two below. */
  claim(owner: Owner, cores: number, nowMs: number): OpenClaim
  granted(claim: OpenClaim, attempt: string): void
  refused(claim: OpenClaim, nowMs: number): void
  /** These attempts run on VMs of this process now, and no others. The caller publishes what it changes. */
  running(attempts: Iterable<RunningAttempt>, nowMs: number): readonly UsageChange[]
  /** Decayed core-milliseconds of an owner. */
  usageOf(owner: Owner, nowMs: number): number
  /** Decayed core-milliseconds of all owners that have used anything, by owner key. */
  usages(nowMs: number): ReadonlyMap<string, number>
  /** What this process charged, and what runs here; owners whose usage has faded are left out. */
  own(nowMs: number): Uses
  /** How much of a history there is: 0 as use begins, half a half-life later, near 1 after a few. */
  history(nowMs: number): number
  /**
   * What the others have charged up to now. `inherited`: what another process charged and this one goes on with, instead of
   * or beside what was charged here. The caller publishes what it changes.
   */
  hear(others: Uses, nowMs: number, inherited?: { readonly uses: Uses; readonly isInstead: boolean }): readonly UsageChange[]
  /** Changes of many owners at once are published some at a time, so that matches do not wait for all of them. */
  publish(changes: readonly UsageChange[]): void
  /** Called for each change that is published, and for what is charged and claimed at once. */
  onChange(listener: UsageListener): void
}

/** `usualMs`: how long attempts of the owner run, the last ones more than others. */
type Entry = { own: Usage; running: Usage; others: Usage; usualMs?: number }

type Book = {
  readonly epoch: UsageEpoch
  readonly entries: Map<string, Entry>
  readonly listeners: UsageListener[]
  /** What each claim and each running attempt counts for. */
  readonly claims: Map<OpenClaim, Usage>
  counted: Map<string, Usage>
  sinceMs: number
  /** Of any owner. */
  usualMs: number
}

/** A core-second: less than this makes no difference to anything. */
const fadedMs = 1000
/**
 * Of what is usual a start counts for this part at once. The whole would keep an owner of long jobs below its share by what
 * they are still to use; nothing would let a burst of starts go to one owner.
 */
const usualPart = 0.5
/** What the last attempt weighs in what is usual. */
const lastWeight = 0.1

export function openLedger(epochMs: number, halfLifeMs: number = usageHalfLifeMs): UsageLedger {
  const epoch: UsageEpoch = { epochMs, halfLifeMs }
  const book: Book = {
    epoch,
    entries: new Map(),
    listeners: [],
    claims: new Map(),
    counted: new Map(),
    sinceMs: Infinity,
    usualMs: usageAdvanceMs,
  }
  const { entries } = book
  return {
    ...claimsIn(book),
    charge: (owner, ended, nowMs) => charge(book, ownerKey(owner), ended, nowMs),
    running: (attempts, nowMs) => countRunning(book, attempts, nowMs),
    usageOf: (owner, nowMs) => decayedUsage(usedBy(entries.get(ownerKey(owner))), nowMs, epoch),
    usages(nowMs) {
      const used = [...entries].map(([key, entry]) => [key, decayedUsage(usedBy(entry), nowMs, epoch)] as const)
      return new Map(used.filter(([, coreMs]) => coreMs >= fadedMs))
    },
    own(nowMs) {
      const worth = (of: 'own' | 'running') =>
        [...entries].flatMap(([key, entry]) =>
          decayedUsage(entry[of], nowMs, epoch) < fadedMs ? [] : [[key, entry[of]] as const],
        )
      const since = book.sinceMs < Infinity ? { sinceMs: book.sinceMs } : {}
      return { ...epoch, ...since, owners: worth('own'), running: worth('running') }
    },
    history: (nowMs) => (book.sinceMs < nowMs ? 1 - 2 ** ((book.sinceMs - nowMs) / halfLifeMs) : 0),
    hear: (others, nowMs, inherited) => hear(book, others, nowMs, inherited),
    publish(changes) {
      for (const change of changes) for (const listener of book.listeners) listener(change)
    },
    onChange(listener) {
      book.listeners.push(listener)
    },
  }
}

function claimsIn(book: Book): Pick<UsageLedger, 'claim' | 'granted' | 'refused'> {
  const { claims } = book
  return {
    claim(owner, cores, nowMs) {
      const claim: OpenClaim = { ownerKey: ownerKey(owner), cores, claimedMs: nowMs }
      const use = countOf(book, claim, nowMs)
      claims.set(claim, use)
      add(book, claim.ownerKey, 'running', use)
      publish(book, claim.ownerKey, use, nowMs)
      return claim
    },
    granted(claim, attempt) {
      book.counted.set(attempt, claims.get(claim) ?? 0)
      claims.delete(claim)
    },
    refused(claim, nowMs) {
      const use = claims.get(claim) ?? 0
      claims.delete(claim)
      add(book, claim.ownerKey, 'running', -use)
      publish(book, claim.ownerKey, -use, nowMs)
    },
  }
}

function charge(
  book: Book,
  key: string,
  { attempt, cores, ranMs }: { readonly attempt: string; readonly cores: number; readonly ranMs: number },
  nowMs: number,
): void {
  const use = cores * ranMs * epochWeight(nowMs, book.epoch)
  const before = book.counted.get(attempt) ?? 0
  const entry = entryOf(book, key)
  add(book, key, 'own', use)
  add(book, key, 'running', -before)
  book.counted.delete(attempt)
  book.sinceMs = Math.min(book.sinceMs, nowMs)
  entry.usualMs = mixed(entry.usualMs, ranMs)
  book.usualMs = mixed(book.usualMs, ranMs)
  publish(book, key, use - before, nowMs)
}

function countRunning(book: Book, attempts: Iterable<RunningAttempt>, nowMs: number): readonly UsageChange[] {
  const { entries, claims } = book
  const now = new Map<string, Usage>()
  for (const [key, { running }] of entries) if (running > 0) now.set(key, 0)
  const count = (key: string, use: Usage): void => void now.set(key, (now.get(key) ?? 0) + use)
  for (const [claim, use] of claims) count(claim.ownerKey, use)
  book.counted = new Map()
  for (const one of attempts) {
    const use = countOf(book, one, nowMs)
    book.counted.set(one.attempt, use)
    count(one.ownerKey, use)
  }
  return [...now].flatMap(([key, running]) => {
    const entry = entryOf(book, key)
    const before = entry.running
    entry.running = running
    return changeOf(book, key, running - before, nowMs)
  })
}

function hear(
  book: Book,
  others: Uses,
  nowMs: number,
  inherited: Parameters<UsageLedger['hear']>[2],
): readonly UsageChange[] {
  const { entries, epoch } = book
  const inOurs = (use: Usage, of: Uses): Usage => charged(0, decayedUsage(use, nowMs, epochOf(of)), nowMs, epoch)
  for (const uses of [others, inherited?.uses]) {
    if (uses && uses.owners.length > 0) book.sinceMs = Math.min(book.sinceMs, uses.sinceMs ?? 0)
  }
  if (inherited?.isInstead) for (const entry of entries.values()) entry.own = 0
  for (const [key, use] of inherited?.uses.owners ?? []) add(book, key, 'own', inOurs(use, inherited?.uses ?? others))
  const before = new Map([...entries].map(([key, entry]) => [key, entry.others] as const))
  for (const entry of entries.values()) entry.others = 0
  for (const [key, use] of [...others.owners, ...(others.running ?? [])]) add(book, key, 'others', inOurs(use, others))
  // What was inherited was others' before: neither is used anew.
  if (inherited) return []
  return [...entries].flatMap(([key, entry]) => changeOf(book, key, entry.others - (before.get(key) ?? 0), nowMs))
}

function countOf({ entries, usualMs, epoch }: Book, { ownerKey: key, cores, claimedMs }: OpenClaim, nowMs: number): Usage {
  const atLeastMs = Math.max(usageAdvanceMs, usualPart * (entries.get(key)?.usualMs ?? usualMs))
  return cores * Math.max(atLeastMs, nowMs - claimedMs) * epochWeight(nowMs, epoch)
}

function entryOf({ entries }: Book, key: string): Entry {
  const known = entries.get(key)
  if (known) return known
  const made = { own: 0, running: 0, others: 0 }
  entries.set(key, made)
  return made
}

function add(book: Book, key: string, of: 'own' | 'running' | 'others', by: Usage): void {
  const entry = entryOf(book, key)
  entry[of] = Math.max(0, entry[of] + by)
}

function publish(book: Book, key: string, by: Usage, nowMs: number): void {
  for (const change of changeOf(book, key, by, nowMs)) for (const listener of book.listeners) listener(change)
}

/** None where nothing changed. */
function changeOf({ epoch }: Book, key: string, by: Usage, nowMs: number): readonly UsageChange[] {
  return by === 0 ? [] : [{ ownerKey: key, coreMs: by / epochWeight(nowMs, epoch) }]
}

function usedBy(entry: Entry | undefined): Usage {
  return entry ? entry.own + entry.running + entry.others : 0
}

function mixed(beforeMs: number | undefined, lastMs: number): number {
  return beforeMs === undefined ? lastMs : beforeMs + lastWeight * (lastMs - beforeMs)
}

export function epochOf({ epochMs, halfLifeMs = usageHalfLifeMs }: Uses): UsageEpoch {
  return { epochMs, halfLifeMs }
}

export function ownerKey({ vo, group, owner }: Owner): string {
  return `${vo}\u0000${group}\u0000${owner}`
}

export function ownerOfKey(key: string): Owner {
  const [vo, group, owner] = key.split('\u0000') as [string, string, string]
  return { vo, group, owner }
}
