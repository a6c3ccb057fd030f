/**
 * Numbered seats: of a kind of process each holds one, so that all of them know how many there are and which they are.
 *
 * A seat is a role with a number, and the first free one is taken. `rank` and `of` are as the store answered them with the
 * last renewal: two processes may differ for some seconds after one has come or gone. So they serve for sharing work out,
 * where being wrong costs a try, and never for deciding who may.
 */

import { type RoleLease, type RoleLeaseOptions, keepTrying, openTerm, type Term } from './role-lease.ts'
import type { Fence } from '../../core/ports/store.ts'

/** The seat's role and fence; its place among the live ones, counted from 0; and how many those are. */
export type ProcessSeat = Fence & { readonly rank: number; readonly of: number }

export type SeatOptions = RoleLeaseOptions & {
  /** `api:` gives api:00, api:01, ... */
  readonly prefix: string
  readonly max: number
}

/** Without a loop, as a term. */
export type SeatTerm = {
  now(): ProcessSeat | undefined
  /** Who had seats when they were last read: another text after one came, went or came back. */
  seated(): string
  renew(): Promise<void>
  letGo(): Promise<void>
}

export function holdSeat(options: SeatOptions): RoleLease<ProcessSeat> {
  const seat = openSeat(options)
  const { tried, stop } = keepTrying(options, () => seat.renew())
  return {
    now: () => seat.now(),
    tried,
    async stop() {
      await stop()
      await seat.letGo().catch(options.onError)
    },
  }
}

export function openSeat(options: Omit<SeatOptions, 'onError'>): SeatTerm {
  const { store, clock, holder, prefix, max } = options
  let term: Term | undefined
  let place = { rank: 0, of: 1 }
  let seated = ''

  async function take(): Promise<void> {
    const leases = await store.roles(prefix, clock.nowMs())
    // A seat under our own name is one of our last life, or one that was asked for without an answer.
    const taken = new Set(leases.flatMap((lease) => (lease.holder === holder ? [] : [lease.role])))
    for (let number = 0; number < max; number += 1) {
      const role = seatRole(prefix, number, max)
      if (taken.has(role)) continue
      // Kept before the answer: if that is lost, the same seat is asked for again and not one more.
      term = openTerm(role, options)
      if (await term.renew()) return
      term = undefined
    }
  }

  return {
    now() {
      const fence = term?.now()
      return fence && { ...fence, ...place }
    },
    seated: () => seated,
    async renew() {
      if (term && !(await term.renew())) term = undefined
      if (!term) await take()
      const role = term?.role
      const live = await store.roles(prefix, clock.nowMs())
      const rank = live.findIndex((lease) => lease.role === role)
      seated = live.map((lease) => `${lease.role} ${lease.fence}`).join()
      if (rank >= 0) place = { rank, of: live.length }
    },
    async letGo() {
      const last = term
      term = undefined
      await last?.letGo()
    },
  }
}

/** All of one length, so that the order of the names is the order of the numbers. */
function seatRole(prefix: string, number: number, max: number): string {
  return `${prefix}${String(number).padStart(String(max - 1).length, '0')}`
}
