/**
 * Fair share between owners: the owner with the least recent usage is served first.
 *
 * Use is core-milliseconds that lose half their weight in a half-life. Instead of letting every number decay all the time, a
 * charge is written in the money of its day: later charges weigh more by the same factor, so the order of two owners changes
 * only when one of them is charged, and a sorted list stays sorted.
 */

import { usageHalfLifeMs } from '../kernel/limits.ts'

/** Usage in units of `epochMs`. Numbers of one epoch compare; `shownUse` converts one to core-milliseconds of now. */
export type Use = number

export function charged(use: Use, coreMs: number, nowMs: number, epochMs: number): Use {
  return Math.max(0, use + coreMs * weight(nowMs, epochMs))
}

/** Decayed core-milliseconds, as a person reads them. */
export function shownUse(use: Use, nowMs: number, epochMs: number): number {
  return use / weight(nowMs, epochMs)
}

/** A double holds 2^1023: at a half-life of a day an epoch is good for more than two years of running. */
function weight(nowMs: number, epochMs: number): number {
  return 2 ** ((nowMs - epochMs) / usageHalfLifeMs)
}
