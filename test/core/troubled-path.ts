/**
 * The way of one process to a store of roles, with what happens on such ways: slow answers, failures before and after the store
 * has heard, clocks that jump, a process that stands still and one that is dead.
 */

import { type Clock, sleep } from '../../core/clock.ts'
import { PilotageError } from '../../core/errors.ts'
import type { RoleStore } from '../../core/ports/store.ts'

export type Path = {
  readonly store: RoleStore
  readonly clock: Clock
  /** How long each answer takes. */
  answerMs: number
  /** The store does not hear. */
  fails: boolean
  /** The store hears, and its answer is lost. */
  failsLate: boolean
  frozenUntilMs: number
  /** Nothing happens in it any more. */
  isDead: boolean
  /** What its clocks show too much. */
  readonly skew: { wall: number; monotonic: number }
  isFrozen(): boolean
}

export function troubledPath(truth: RoleStore, clock: Clock): Path {
  async function ask<Value>(act: () => Promise<Value>): Promise<Value> {
    if (path.isDead) return await new Promise<Value>(() => {})
    const lost = new PilotageError('unavailable', 'as the test wished')
    if (path.fails) throw lost
    const late = path.failsLate
    // The store hears at once and its answer is slow: the worst case for the one who asks.
    const value = await act()
    if (path.answerMs > 0) await sleep(path.clock, path.answerMs)
    if (late) throw lost
    return value
  }
  const path: Path = {
    answerMs: 0,
    fails: false,
    failsLate: false,
    frozenUntilMs: -Infinity,
    isDead: false,
    skew: { wall: 0, monotonic: 0 },
    isFrozen: () => path.isDead || clock.monotonicMs() < path.frozenUntilMs,
    store: {
      hold: (...args) => ask(() => truth.hold(...args)),
      letGo: (...args) => ask(() => truth.letGo(...args)),
      roles: (...args) => ask(() => truth.roles(...args)),
    },
    clock: {
      nowMs: () => clock.nowMs() + path.skew.wall,
      monotonicMs: () => clock.monotonicMs() + path.skew.monotonic,
      after(delayMs, run) {
        let timer = clock.after(delayMs, arrive)
        function arrive(): void {
          if (path.isDead) return
          if (path.isFrozen()) timer = clock.after(path.frozenUntilMs - clock.monotonicMs(), arrive)
          else run()
        }
        return { cancel: () => timer.cancel() }
      },
      soon: (run) => clock.soon(run),
    },
  }
  return path
}
