/**
 * Holding a role: what only one process may do is done by the one that holds it, and only while that is sure.
 *
 * The store decides who holds a role and until when. What is decided here is how long a holder may believe it: counted by its
 * own clocks from before the request was sent, less a margin, so that it stops before the store lets anybody else in, however
 * slow or silent the store is. By two clocks: the wall clock may be set back, the monotonic one stands still while a machine
 * sleeps, and whichever says that the time is over is believed. Refuses to know what a role is for. Code that acts under a role asks `now` right before
 * each deed; what stays true is that two processes never both get an answer for one role at one time.
 */

import type { Clock, Timer } from '../../core/kernel/clock.ts'
import { roleHoldMs, roleMarginMs, roleRenewEveryMs } from '../../core/kernel/limits.ts'
import { type Loop, startLoop } from './loop.ts'
import type { Fence, RoleStore } from '../../core/ports/store.ts'

/**
 * taken: ours, with a fence that we did not have before. unsure: it may still be ours, and nothing may be done under it.
 * sure: after `unsure`, the same fence again. lost: not ours any more, as far as we know.
 */
export type RoleTurn = 'taken' | 'unsure' | 'sure' | 'lost'

export type HoldingOptions = {
  readonly store: RoleStore
  readonly clock: Clock
  readonly holder: string
  /** Must not throw. */
  readonly onTurn?: (turn: RoleTurn, fence: Fence) => void
  readonly onError: (error: unknown) => void
}

export type Holding<Held> = {
  /** What is held at this moment, for sure. */
  now(): Held | undefined
  /** Resolves when the first try to get it has ended, whatever came of it. */
  readonly tried: Promise<void>
  /** Lets it go at once, so that the next holder need not wait. End what is done under it before. */
  stop(): Promise<void>
}

/** One role as one process sees it. Has no loop: its user calls `renew` often enough. */
export type Term = {
  readonly role: string
  now(): Fence | undefined
  /** Takes or renews it. Answers whether it is ours; throws what the store throws, and then what was sure stays so for its time. */
  renew(): Promise<boolean>
  letGo(): Promise<void>
}

export function openTerm(role: string, { store, clock, holder, onTurn = () => {} }: Omit<HoldingOptions, 'onError'>): Term {
  let held: Fence | undefined
  let isSure = false
  /** By the monotonic clock, and by the wall clock. */
  let sureUntil = { monotonicMs: -Infinity, wallMs: -Infinity }
  let timer: Timer | undefined

  const isIn = (until: typeof sureUntil): boolean => clock.monotonicMs() < until.monotonicMs && clock.nowMs() < until.wallMs

  function doubt(): void {
    if (!held || !isSure) return
    isSure = false
    onTurn('unsure', held)
  }

  function lose(): void {
    timer?.cancel()
    const lost = held
    held = undefined
    isSure = false
    if (lost) onTurn('lost', lost)
  }

  function take(fence: Fence, until: typeof sureUntil): void {
    if (held && held.fence !== fence.fence) lose()
    const turn = held ? 'sure' : 'taken'
    const isNews = !isSure
    held = fence
    isSure = true
    sureUntil = until
    timer?.cancel()
    timer = clock.after(until.monotonicMs - clock.monotonicMs(), doubt)
    if (isNews) onTurn(turn, fence)
  }

  return {
    role,
    now: () => (held && isIn(sureUntil) ? held : undefined),
    async renew() {
      const sureMs = roleHoldMs - roleMarginMs
      const until = { monotonicMs: clock.monotonicMs() + sureMs, wallMs: clock.nowMs() + sureMs }
      const lease = await store.hold(role, holder, roleHoldMs, clock.nowMs())
      if (!lease) {
        lose()
        return false
      }
      // An answer that took this time says nothing any more about now; that it was ours is known.
      if (isIn(until)) take({ role, fence: lease.fence }, until)
      return true
    },
    async letGo() {
      // Also where nothing is known to be held: a request without an answer may have been heard.
      lose()
      await store.letGo(role, holder)
    },
  }
}

export function holdRole({ role, ...options }: HoldingOptions & { readonly role: string }): Holding<Fence> {
  const term = openTerm(role, options)
  const { tried, stop } = keepTrying(options, async () => void (await term.renew()))
  return {
    now: () => term.now(),
    tried,
    async stop() {
      await stop()
      await term.letGo().catch(options.onError)
    },
  }
}

/** A loop that tries so often that what is held stays held. */
export function keepTrying(
  { clock, onError }: Pick<HoldingOptions, 'clock' | 'onError'>,
  attempt: () => Promise<void>,
): { readonly tried: Promise<void>; stop(): Promise<void> } {
  const first = Promise.withResolvers<void>()
  const loop: Loop = startLoop({
    clock,
    periodMs: roleRenewEveryMs,
    isSteady: true,
    step: () => attempt().finally(first.resolve),
    onError,
  })
  return {
    tried: first.promise,
    async stop() {
      await loop.stop()
      first.resolve()
    },
  }
}
