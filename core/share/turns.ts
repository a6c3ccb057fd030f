/**
 * Whose turn it is among the nodes of one level of the share tree: weighted fair queueing by real use.
 *
 * Each node stands at a virtual time, which goes on by what it uses divided by its weight; the one that stands first has its
 * turn. So nodes that ask all the time use cores in the ratio of their weights, whatever their jobs are like. A node that
 * asked for nothing, or that nothing fitted, does not save its turns up: it comes back at most `creditMs` behind the others,
 * so that it is served soon and the others are not kept waiting for it.
 */

/** How long a node may lag behind what its level has reached, in time of the service: then the rest is forgotten. */
export const creditMs = 10 * 60_000

/** Of one level. */
export type Level = {
  /** Where the last one stood that was served: never less than before. */
  reached: number
  /** What was reached at the ticks of the last `creditMs`, oldest first. */
  readonly past: { readonly atMs: number; readonly reached: number }[]
}

export type Turn = {
  /** Virtual core-milliseconds. */
  at: number
  /** Its weight, corrected by its factor. */
  rate: number
}

export function newLevel(): Level {
  return { reached: 0, past: [] }
}

/** No node of the level is given a turn before this. */
function floorOf({ past }: Level): number {
  return past[0]?.reached ?? 0
}

/** A node that had nothing to give has something again. */
export function enters(turn: Turn, level: Level): void {
  turn.at = Math.max(turn.at, floorOf(level))
}

/** It is about to be served: what it lags behind by more than its credit is forgotten. */
export function served(turn: Turn, level: Level): void {
  enters(turn, level)
  level.reached = Math.max(level.reached, turn.at)
}

/** What it used, in core-milliseconds; negative where it was counted too much. */
export function uses(turn: Turn, coreMs: number): void {
  turn.at += coreMs / turn.rate
}

/** Time goes by: what was reached longer ago than `creditMs` is the floor. */
export function ticks(level: Level, nowMs: number): void {
  const { past, reached } = level
  past.push({ atMs: nowMs, reached })
  while (past[1] && past[1].atMs <= nowMs - creditMs) past.shift()
}
