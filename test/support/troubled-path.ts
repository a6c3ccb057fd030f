/**
 * One process's way to the world, with what happens on such ways: slow answers, failures before and after the other side has
 * heard, clocks that jump, a process that stands still and one that is dead.
 *
 * A process that stands still hears no answer and no timer until it goes on; one that is dead never does.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'

export type Path = {
  readonly clock: Clock
  /** The same thing at the other end of this way. */
  view<Target extends object>(target: Target): Target
  /** How long what is asked by this name takes until the other side hears it. */
  sendMs: (name: string) => number
  /** Called when the other side has received, before the answer goes out. */
  heard: (name: string) => void
  /** How long each answer takes. */
  answerMs: number
  /** The other side does not hear. */
  fails: boolean
  /** The other side hears, and its answer is lost. */
  failsLate: boolean
  frozenUntilMs: number
  isDead: boolean
  /** What its clocks show too much. */
  readonly skew: { wall: number; monotonic: number }
  isFrozen(): boolean
}

export function troubledPath(clock: Clock): Path {
  /** Until the process goes on; for ever where it is dead. */
  async function thaw(): Promise<void> {
    while (path.isFrozen())
      await (path.isDead ? new Promise(() => {}) : sleep(clock, path.frozenUntilMs - clock.monotonicMs()))
  }

  async function ask(name: string, act: () => unknown): Promise<unknown> {
    await thaw()
    const lost = new PilotageError('unavailable', 'as the test wished')
    if (path.fails) throw lost
    const late = path.failsLate
    const sendMs = path.sendMs(name)
    // On its way it needs no process that is awake.
    if (sendMs > 0) await sleep(clock, sendMs)
    // The other side hears at once and its answer is slow: the worst case for the one who asks.
    const value = await act()
    path.heard(name)
    if (path.answerMs > 0) await sleep(path.clock, path.answerMs)
    await thaw()
    if (late) throw lost
    return value
  }

  const path: Path = {
    sendMs: () => 0,
    heard: () => {},
    answerMs: 0,
    fails: false,
    failsLate: false,
    frozenUntilMs: -Infinity,
    isDead: false,
    skew: { wall: 0, monotonic: 0 },
    isFrozen: () => path.isDead || clock.monotonicMs() < path.frozenUntilMs,
    view: (target) =>
      new Proxy(target, {
        get(own, name, receiver) {
          const value: unknown = Reflect.get(own, name, receiver)
          if (typeof value !== 'function') return value
          return (...args: unknown[]) => ask(String(name), () => Reflect.apply(value, own, args))
        },
      }),
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
