/**
 * What an owner has used: core-milliseconds that lose half of their weight in each half-life.
 *
 * The stored numbers do not decay: each charge is written in units of the epoch, and later charges weigh more by the same
 * factor. So nothing has to be rewritten while time goes by.
 */

/** Usage in units of an epoch. Numbers of one epoch compare; `decayedUsage` converts one to core-milliseconds of now. */
export type Usage = number

/** What usage is counted from, and how fast it fades. */
export type UsageEpoch = { readonly epochMs: number; readonly halfLifeMs: number }

export function charged(usage: Usage, coreMs: number, nowMs: number, epoch: UsageEpoch): Usage {
  return Math.max(0, usage + coreMs * epochWeight(nowMs, epoch))
}

/** Decayed core-milliseconds, as a person reads them. */
export function decayedUsage(usage: Usage, nowMs: number, epoch: UsageEpoch): number {
  return usage / epochWeight(nowMs, epoch)
}

/** A double holds 2^1023: at a half-life of a day an epoch is good for more than two years of running. */
export function epochWeight(nowMs: number, { epochMs, halfLifeMs }: UsageEpoch): number {
  return 2 ** ((nowMs - epochMs) / halfLifeMs)
}
