/**
 * Spreads a set of roles over the processes that want them: each holds its fair part, and each of them has a holder.
 *
 * Every process has a seat, by which the others see that it is there. A process that holds more than a fair part lets the
 * rest go; one that holds less takes what is free. What stays free although another should want it is taken by any process:
 * a role that has no holder is worse than an uneven part. Safety does not hang on any of this: who may act is decided by
 * each role's own term.
 */

import { type RoleLeaseOptions, keepTrying, openTerm, type RoleTurn, type Term } from './role-lease.ts'
import type { Fence } from '../../core/ports/store.ts'
import { openSeat } from './seat.ts'

export type SpreadOptions = Omit<RoleLeaseOptions, 'onTurn'> & {
  readonly roles: readonly string[]
  /** What the roles have in common: `cloud:`. */
  readonly prefix: string
  /** The prefix of the seats of those who want them: `director:`. */
  readonly seats: string
  readonly max: number
  readonly onTurn: (turn: RoleTurn, fence: Fence) => void
}

export type Spread = {
  now(role: string): Fence | undefined
  readonly tried: Promise<void>
  stop(): Promise<void>
}

/** A role that was seen free this number of times in a row is for any process. */
const patience = 2

type Post = {
  readonly term: Term
  /** How many times in a row it was seen free. */
  free: number
  /** We let it go and no process took it: it is not let go again before others are there. */
  isOurs: boolean
}

export function spreadRoles(options: SpreadOptions): Spread {
  const { store, clock, holder, roles, prefix, seats, max, onTurn, onError } = options
  const seat = openSeat({ store, clock, holder, prefix: seats, max })
  const held = new Set<string>()
  const posts = roles.map((role): Post => {
    const term = openTerm(role, {
      ...options,
      onTurn(turn, fence) {
        if (turn === 'taken') held.add(role)
        if (turn === 'lost') held.delete(role)
        onTurn(turn, fence)
      },
    })
    return { term, free: 0, isOurs: false }
  })
  const isHeld = ({ term }: Post): boolean => held.has(term.role)
  let seated = ''

  async function renew(post: Post): Promise<void> {
    await post.term.renew().catch(onError)
  }

  async function takeFree(fair: number, rank: number): Promise<void> {
    const leases = await store.roles(prefix, clock.nowMs())
    // What is kept as ours and is not known here was asked for without an answer, or by our last life: it is free for us.
    const theirs = new Set(leases.flatMap((lease) => (lease.holder === holder ? [] : [lease.role])))
    for (const post of posts) post.free = theirs.has(post.term.role) ? 0 : post.free + 1
    // Two who look at the same moment begin at different ones.
    const order = [...posts.slice(rank), ...posts.slice(0, rank)]
    const free = order.filter((post) => post.free > 0 && !isHeld(post))
    const room = Math.max(0, fair - held.size)
    const wanted = free.filter((post, at) => at < room || post.free >= patience)
    for (const [at, post] of wanted.entries()) post.isOurs = at >= room
    await Promise.all(wanted.map(renew))
  }

  async function letExcessGo(fair: number): Promise<void> {
    const excess = Math.max(0, held.size - fair)
    const mayGo = posts.filter((post) => isHeld(post) && !post.isOurs)
    for (const post of mayGo.slice(Math.max(0, mayGo.length - excess))) {
      post.free = 0
      await post.term.letGo().catch(onError)
    }
  }

  async function step(): Promise<void> {
    await seat.renew().catch(onError)
    await Promise.all(posts.filter(isHeld).map(renew))
    const { rank, of } = seat.now() ?? { rank: 0, of: 1 }
    if (seat.seated() !== seated) for (const post of posts) post.isOurs = false
    seated = seat.seated()
    const fair = Math.ceil(roles.length / of)
    await takeFree(fair, rank % Math.max(1, roles.length))
    await letExcessGo(fair)
  }

  const { tried, stop } = keepTrying(options, step)
  return {
    now: (role) => posts.find(({ term }) => term.role === role)?.term.now(),
    tried,
    async stop() {
      await stop()
      await Promise.all(posts.filter(isHeld).map(({ term }) => term.letGo().catch(onError)))
      await seat.letGo().catch(onError)
    },
  }
}
