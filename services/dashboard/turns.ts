/**
 * Turns: a bounded number per second and key, and what comes beyond that waits, in the order of coming. As long as the connections
 * are bounded, no caller is refused for what another one with the same key does.
 *
 * A caller that has hung up costs no turn. Memory is bounded by the number of keys, and by what waits under each.
 */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { Clock, Timer } from '../../core/kernel/clock.ts'

export type TurnRules = {
  readonly perSecond: number
  readonly burst: number
  readonly maxKeys: number
  readonly maxWaiting: number
}

export type Turns = {
  /** Resolves when it is the caller's turn. Throws `cancelled` for one that has gone, and `overloaded` where too many wait. */
  turn(key: string, isGone: () => boolean): Promise<void>
  waiting(): number
  /** Refuses what waits. Nothing waits any more. */
  stop(): void
}

type Waiter = { readonly isGone: () => boolean; go(): void; refuse(error: PilotageError): void }
type Lane = { level: number; atMs: number; queue: Waiter[]; timer?: Timer }

const gone = (): PilotageError => new PilotageError('cancelled', 'the caller has gone')

export function openTurns(clock: Clock, { perSecond, burst, maxKeys, maxWaiting }: TurnRules): Turns {
  const lanes = new Map<string, Lane>()

  function refilled(lane: Lane): Lane {
    const nowMs = clock.monotonicMs()
    lane.level = Math.min(burst, lane.level + ((nowMs - lane.atMs) * perSecond) / 1000)
    lane.atMs = nowMs
    return lane
  }

  function serve(lane: Lane): void {
    lane.timer = undefined
    refilled(lane)
    while (lane.level >= 1) {
      const next = lane.queue.shift()
      if (!next) return
      if (next.isGone()) next.refuse(gone())
      else {
        lane.level -= 1
        next.go()
      }
    }
    schedule(lane)
  }

  function schedule(lane: Lane): void {
    if (lane.timer || lane.queue.length === 0) return
    lane.timer = clock.after(Math.ceil(((1 - lane.level) * 1000) / perSecond), () => serve(lane))
  }

  /** The key's lane, at the end of the map: those in front were used longest ago, and go when there are too many. */
  function laneOf(key: string): Lane {
    const lane = refilled(lanes.get(key) ?? { level: burst, atMs: clock.monotonicMs(), queue: [] })
    lanes.delete(key)
    lanes.set(key, lane)
    if (lanes.size > maxKeys) forgetIdle(lanes, key)
    return lane
  }

  return {
    async turn(key, isGone) {
      const lane = laneOf(key)
      if (lane.queue.length === 0 && lane.level >= 1) {
        lane.level -= 1
        return
      }
      if (lane.queue.length >= maxWaiting) dropGone(lane)
      if (lane.queue.length >= maxWaiting) {
        throw new PilotageError('overloaded', 'too many requests of this address wait', { retryAfterMs: 10_000 })
      }
      await new Promise<void>((go, refuse) => {
        lane.queue.push({ isGone, go, refuse })
        schedule(lane)
      })
    },
    waiting: () => [...lanes.values()].reduce((sum, { queue }) => sum + queue.length, 0),
    stop() {
      for (const lane of lanes.values()) {
        lane.timer?.cancel()
        for (const one of lane.queue.splice(0)) one.refuse(gone())
      }
      lanes.clear()
    },
  }
}

/** How many lanes one caller looks at: more go than come, and none is ever walked whole. */
const looksPerCall = 10

function forgetIdle(lanes: Map<string, Lane>, except: string): void {
  let looked = 0
  for (const [key, { queue }] of lanes) {
    looked += 1
    if (queue.length === 0 && key !== except) lanes.delete(key)
    if (looked === looksPerCall) return
  }
}

function dropGone(lane: Lane): void {
  const left = lane.queue.filter((one) => one.isGone())
  lane.queue = lane.queue.filter((one) => !left.includes(one))
  for (const one of left) one.refuse(gone())
}
