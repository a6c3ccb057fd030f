/**
 * Turns: a token bucket per key, at which callers wait in the order of coming. As long as the connections are bounded, no
 * caller is refused for what another one with the same key does.
 *
 * A caller that has hung up costs no turn. Memory is bounded by the number of keys, and by what waits under each.
 */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { Clock, Timer } from '../../core/kernel/clock.ts'
import { type Rate, tokenBuckets } from '../../core/kernel/token-bucket.ts'

export type TurnRules = Rate & {
  readonly maxKeys: number
  readonly maxWaiting: number
}

export type Turns = {
  /**
   * Resolves when it is the caller's turn. Throws `cancelled` for one that has gone, and `overloaded` where too many wait.
   */
  turn(key: string, isGone: () => boolean): Promise<void>
  waiting(): number
  /** Refuses what waits. Nothing waits any more. */
  stop(): void
}

type Waiter = { readonly isGone: () => boolean; go(): void; refuse(error: PilotageError): void }
/** What waits under one key; kept only while something does. */
type Line = { waiters: Waiter[]; timer?: Timer }

const gone = (): PilotageError => new PilotageError('cancelled', 'the caller has gone')

export function openTurns(clock: Clock, { maxKeys, maxWaiting, ...rate }: TurnRules): Turns {
  const buckets = tokenBuckets(rate, maxKeys)
  const lines = new Map<string, Line>()

  function spend(key: string): boolean {
    const nowMs = clock.monotonicMs()
    if (buckets.waitMs(key, nowMs) > 0) return false
    buckets.spend(key, 1, nowMs)
    return true
  }

  function serve(key: string, line: Line): void {
    line.timer = undefined
    for (let [next] = line.waiters; next; [next] = line.waiters) {
      if (next.isGone()) next.refuse(gone())
      else if (spend(key)) next.go()
      else break
      line.waiters.shift()
    }
    if (line.waiters.length === 0) lines.delete(key)
    else schedule(key, line)
  }

  function schedule(key: string, line: Line): void {
    line.timer ??= clock.after(buckets.waitMs(key, clock.monotonicMs()), () => serve(key, line))
  }

  return {
    async turn(key, isGone) {
      const line = lines.get(key) ?? { waiters: [] }
      if (line.waiters.length === 0 && spend(key)) return
      if (line.waiters.length >= maxWaiting) dropGone(line)
      if (line.waiters.length >= maxWaiting) {
        throw new PilotageError('overloaded', 'too many requests of this address wait', { retryAfterMs: 10_000 })
      }
      lines.set(key, line)
      await new Promise<void>((go, refuse) => {
        line.waiters.push({ isGone, go, refuse })
        schedule(key, line)
      })
    },
    waiting: () => [...lines.values()].reduce((sum, { waiters }) => sum + waiters.length, 0),
    stop() {
      for (const line of lines.values()) {
        line.timer?.cancel()
        for (const one of line.waiters.splice(0)) one.refuse(gone())
      }
      lines.clear()
    },
  }
}

function dropGone(line: Line): void {
  const left = line.waiters.filter((one) => one.isGone())
  if (left.length === 0) return
  line.waiters = line.waiters.filter((one) => !left.includes(one))
  for (const one of left) one.refuse(gone())
}
