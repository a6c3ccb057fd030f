/** How long messages travel, and whether there is a way at all. */

import type { Ground } from './ground.ts'

/** One VM's or user's way to the service. */
export type Link = { cutUntilMs: number }

/** Keepalive notices a dead peer by then. */
const keepaliveMs = 15_000

export function isCut({ timeline }: Ground, { cutUntilMs }: Link): boolean {
  return timeline.nowMs() < cutUntilMs
}

export function wayMs({ dice, weather }: Ground): number {
  return dice.about(weather.wayMs) + (dice.chance(weather.slowRate) ? dice.about(weather.slowMs) : 0)
}

/** When a side notices that nothing comes any more. */
export function noticeMs({ dice }: Ground): number {
  return dice.between(0, keepaliveMs)
}
