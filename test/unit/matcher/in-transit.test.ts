/** Room that is reserved or on its way is taken off every offer until the pilot has counted it itself, and no longer. */

import { expect, it } from 'vitest'
import { noAmounts, type Resources, type Room } from '../../../core/model/resources.ts'
import { inTransitOf } from '../../../services/matcher/in-transit.ts'

const offered: Room = { cores: 10, ...noAmounts, memoryBytes: 100, diskBytes: 1000, remainingMs: 5 }
const taken = (cores: number): Resources => ({ cores, memoryBytes: 10 * cores, diskBytes: 100 * cores })

it('counts what is reserved, what is sent, and what was received', () => {
  const transit = inTransitOf()
  const state = () => [transit.count(), transit.claims(), transit.leftOf(offered).cores]
  const [one, two, three] = [taken(1), taken(2), taken(3)]
  expect(state()).toEqual([0, 0, 10])
  transit.reserve(one)
  transit.reserve(two)
  expect(state()).toEqual([2, 2, 7])
  transit.sent(two)
  expect(state()).toEqual([2, 1, 7])
  transit.drop(one)
  expect(state()).toEqual([1, 0, 8])
  // It comes without a claim: found on the record of the VM.
  transit.sent(three)
  expect(state()).toEqual([2, 0, 5])
  transit.received(0)
  expect(state()).toEqual([2, 0, 5])
  transit.received(1)
  expect(state()).toEqual([1, 0, 7])
  transit.received(1)
  expect(state()).toEqual([1, 0, 7])
  transit.sent(one)
  transit.received(3)
  expect(state()).toEqual([0, 0, 10])
})

it('takes off every resource, and leaves the time', () => {
  const transit = inTransitOf()
  transit.reserve(taken(2))
  transit.sent(taken(1))
  expect(transit.leftOf(offered)).toEqual({ cores: 7, memoryBytes: 70, diskBytes: 700, remainingMs: 5 })
})
