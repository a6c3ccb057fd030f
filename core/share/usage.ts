/**
 * Fair share between owners: the owner with the least recent usage is served first.
 *
 * Usage is core-milliseconds that lose half their weight per half-life. The stored numbers do not decay: each charge is
 * written in units of the epoch, and later charges weigh more by the same factor. So the order of two owners changes only
 * when one of them is charged, and a sorted list stays sorted.
 */

import { usageHalfLifeMs } from '../kernel/limits.ts'

/** Usage in units of `epochMs`. Numbers of one epoch compare; `decayedUsage` converts one to core-milliseconds of now. */
export type Usage = number

export function charged(usage: Usage, coreMs: number, nowMs: number, epochMs: number): Usage {
  return Math.max(0, usage + coreMs * weight(nowMs, epochMs))
}

/** Decayed core-milliseconds, as a person reads them. */
export function decayedUsage(usage: Usage, nowMs: number, epochMs: number): number {
  return usage / weight(nowMs, epochMs)
}

/** A double holds 2^1023: at a half-life of a day an epoch is good for more than two years of running. */
function weight(nowMs: number, epochMs: number): number {
  return 2 ** ((nowMs - epochMs) / usageHalfLifeMs)
}
