/**
 * The usage of owners as one process knows it: what this process charged, and what other processes charged.
 *
 * What this process charged is what it hands on, to its next start and to the others. The order of owners depends on the
 * sum.
 */

import type { Owner } from '../model/owner.ts'
import { charged, decayedUsage, type Usage } from './usage.ts'

/** By owner key, in units of `epochMs`. */
export type Uses = { readonly epochMs: number; readonly owners: readonly (readonly [string, Usage])[] }

export type UsageLedger = {
  /** An owner used, or is about to use, core-milliseconds; negative where an advance was too high. */
  charge(owner: Owner, coreMs: number, nowMs: number): void
  /** Decayed core-milliseconds of an owner. */
  usageOf(owner: Owner, nowMs: number): number
  /** In units of the epoch: only good for comparing owners. */
  epochUsageOf(ownerKey: string): Usage
  /** What this process charged; owners whose usage has faded are left out. */
  own(nowMs: number): Uses
  /** Takes over what another process charged, instead of or beside what was charged here. */
  inherit(uses: Uses, nowMs: number, isInstead: boolean): void
  /** What the others have charged up to now. */
  hear(uses: Uses, nowMs: number): void
  /** Called after each change: with the owner whose usage changed, or without where any may have. */
  onChange(listener: (ownerKey?: string) => void): void
}

type Entry = { own: Usage; others: Usage }

/** A core-second: less than this makes no difference to the order. */
const fadedMs = 1000

export function openLedger(epochMs: number): UsageLedger {
  const entries = new Map<string, Entry>()
  const listeners: ((ownerKey?: string) => void)[] = []
  const changed = (ownerKey?: string): void => {
    for (const listener of listeners) listener(ownerKey)
  }

  function entryOf(key: string): Entry {
    const known = entries.get(key)
    if (known) return known
    const made = { own: 0, others: 0 }
    entries.set(key, made)
    return made
  }

  const inOurs = (use: Usage, theirEpochMs: number, nowMs: number): Usage =>
    charged(0, decayedUsage(use, nowMs, theirEpochMs), nowMs, epochMs)

  function epochUsageOf(key: string): Usage {
    const entry = entries.get(key)
    return entry ? entry.own + entry.others : 0
  }

  return {
    charge(owner, coreMs, nowMs) {
      const key = ownerKey(owner)
      const entry = entryOf(key)
      entry.own = charged(entry.own, coreMs, nowMs, epochMs)
      changed(key)
    },
    usageOf: (owner, nowMs) => decayedUsage(epochUsageOf(ownerKey(owner)), nowMs, epochMs),
    epochUsageOf,
    own(nowMs) {
      const worth = [...entries].filter(([, { own }]) => decayedUsage(own, nowMs, epochMs) >= fadedMs)
      return { epochMs, owners: worth.map(([key, { own }]) => [key, own] as const) }
    },
    inherit(uses, nowMs, isInstead) {
      if (isInstead) for (const entry of entries.values()) entry.own = 0
      for (const [key, use] of uses.owners) entryOf(key).own += inOurs(use, uses.epochMs, nowMs)
      changed()
    },
    hear(uses, nowMs) {
      for (const entry of entries.values()) entry.others = 0
      for (const [key, use] of uses.owners) entryOf(key).others += inOurs(use, uses.epochMs, nowMs)
      changed()
    },
    onChange(listener) {
      listeners.push(listener)
    },
  }
}

export function ownerKey({ vo, group, owner }: Owner): string {
  return `${vo}\u0000${group}\u0000${owner}`
}
