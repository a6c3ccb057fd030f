/**
 * Room that is spoken for and that a pilot's offer does not know of: picked for a claim, or sent and not yet counted as
 * received. What a pilot has received it counts itself.
 */

import { type Resources, type Room, roomLess } from '../../core/model/resources.ts'

export type InTransit = {
  count(): number
  /** Picks whose claim has not been answered. */
  claims(): number
  reserve(taken: Resources): void
  drop(taken: Resources): void
  /** It goes out as the next assignment of the stream. */
  sent(taken: Resources): void
  /** The number of assignments that the pilot has received on the stream. */
  received(count: number): void
  /** What is left of an offer. */
  leftOf(offered: Room): Room
}

export function inTransitOf(): InTransit {
  const reserved = new Set<Resources>()
  const under: { readonly index: number; readonly taken: Resources }[] = []
  let sentCount = 0
  return {
    count: () => reserved.size + under.length,
    claims: () => reserved.size,
    reserve(taken) {
      reserved.add(taken)
    },
    drop(taken) {
      reserved.delete(taken)
    },
    sent(taken) {
      reserved.delete(taken)
      sentCount += 1
      under.push({ index: sentCount, taken })
    },
    received(count) {
      while (under[0] && under[0].index <= count) under.shift()
    },
    leftOf: (offered) => [...reserved, ...under.map(({ taken }) => taken)].reduce(roomLess, offered),
  }
}
