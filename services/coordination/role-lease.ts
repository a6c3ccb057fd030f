/**
 * The lease of a role: only the process that has it may do the work of the role, and only while the lease is certain.
 *
 * The store decides which process holds a role and until when. This file decides how long the holder may rely on it: counted
 * by the holder's own clocks from before the request was sent, less a margin. So the holder stops before the store gives the
 * role to another process, however slow or silent the store is. Two clocks count: the wall clock may be set back, and the
 * monotonic clock stands still while a machine sleeps; the lease ends as soon as one of them says so. Where the store has a
 * clock of its own, its answer shows how far this process's clock is off. Does not know what a role is for. Code that acts
 * under a role asks `now` right before each action. What stays true: two processes never both get an answer for one role at
 * one time.
 */

import type { Clock, Timer } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { roleHoldMs, roleMarginMs, roleRenewEveryMs } from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { type Loop, startLoop } from './loop.ts'
import type { Fence, RoleStore } from '../../core/ports/store.ts'

/**
 * taken: this process has it, under a new fence. unsure: this process may still have it, and must do nothing under it.
 * sure: after `unsure`, the same fence again. lost: this process does not have it any more, as far as it knows.
 */
export type RoleTurn = 'taken' | 'unsure' | 'sure' | 'lost'

export type RoleLeaseOptions = {
  readonly store: RoleStore
  readonly clock: Clock
  readonly holder: string
  /**
   * For roles that judge stored times by the wall clock: the role is given up, and not taken, while this process's clock and
   * the store's differ by more. Absent: not checked.
   */
  readonly maxSkewMs?: number
  /** Must not throw. */
  readonly onTurn?: (turn: RoleTurn, fence: Fence) => void
  readonly onError: (error: unknown) => void
}

export type RoleLease<Held> = {
  /** The fence, or what goes with it, while the lease is certain; else undefined. */
  now(): Held | undefined
  /** Resolves when the first attempt to get the lease has ended, with or without success. */
  readonly tried: Promise<void>
  /** Gives the lease back at once, so that the next holder need not wait. End the work under it before. */
  stop(): Promise<void>
}

/** One role as one process sees it. Has no loop: its user calls `renew` often enough. */
export type Term = {
  readonly role: string
  now(): Fence | undefined
  /**
   * Takes or renews it. Answers whether it is ours; throws what the store throws, and then what was sure stays so for its
   * time. Throws `unavailable` where the clocks differ too much, and then it is lost.
   */
  renew(): Promise<boolean>
  letGo(): Promise<void>
}

export function openTerm(
  role: string,
  { store, clock, holder, maxSkewMs = Infinity, onTurn = () => {} }: Omit<RoleLeaseOptions, 'onError'>,
): Term {
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
      const askedMs = clock.nowMs()
      const until = { monotonicMs: clock.monotonicMs() + sureMs, wallMs: askedMs + sureMs }
      const lease = await store.hold(role, holder, roleHoldMs, askedMs)
      if (!lease) {
        lose()
        return false
      }
      const aheadMs = clockAheadMs(lease.untilMs - roleHoldMs, askedMs, clock.nowMs())
      if (Math.abs(aheadMs) > maxSkewMs) {
        lose()
        await store.letGo(role, holder)
        throw clockOff(role, aheadMs, maxSkewMs)
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

/** Ours less the store's, at least: its time was read between our two. Negative: ours is behind. */
function clockAheadMs(storeMs: number, askedMs: number, answeredMs: number): number {
  if (askedMs > storeMs) return askedMs - storeMs
  return Math.min(0, answeredMs - storeMs)
}

function clockOff(role: string, aheadMs: number, maxSkewMs: number): PilotageError {
  const difference = `${durationText(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the store's`
  const text = `${role}: this process's clock is ${difference}; it takes no such role until they differ by less than`
  return new PilotageError('unavailable', `${text} ${durationText(maxSkewMs)}`)
}

export function holdRole({ role, ...options }: RoleLeaseOptions & { readonly role: string }): RoleLease<Fence> {
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
  { clock, onError }: Pick<RoleLeaseOptions, 'clock' | 'onError'>,
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
