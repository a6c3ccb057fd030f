/** The numbers never keep a job from a room that its rules would let it have. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { leastRoom, roomNumbers } from '../../../core/language/least-room.ts'
import { minOf } from '../../../core/language/requirement-class.ts'
import { hasRoom } from '../../../core/language/rules.ts'
import { noAmounts, type Room } from '../../../core/model/resources.ts'
import { sampleRequirements } from '../../../sim/samples.ts'
import { anySpec } from '../../support/any-spec.ts'

const gib = 2 ** 30
const anyRoom: fc.Arbitrary<Room> = fc.record({
  cores: fc.nat(64),
  memoryBytes: fc.nat(256).map((count) => count * gib),
  diskBytes: fc.nat(256).map((count) => count * gib),
  gpus: fc.nat(4),
  isWhole: fc.boolean(),
  power: fc.integer({ min: 1, max: 30 }),
  remainingMs: fc.oneof(fc.constant(Infinity), fc.nat(1e9)),
})

it('asks for no more than the rules do', () => {
  fc.assert(
    fc.property(anySpec, anyRoom, ({ requirements }, room) => {
      const numbers = roomNumbers(room)
      for (const asked of [requirements, minOf(requirements)]) {
        const isEnough = leastRoom(asked).every((amount, at) => amount <= (numbers[at] ?? 0))
        if (hasRoom({ vo: 'v', requirements: asked }, room)) expect(isEnough).toBe(true)
      }
      expect(leastRoom(requirements)).toHaveLength(numbers.length)
    }),
    { numRuns: 2000 },
  )
})

it('says of each resource that there is too little of it', () => {
  const whole: Room = { cores: 4, ...noAmounts, memoryBytes: 5 * gib, diskBytes: 6 * gib, gpus: 2, remainingMs: 7 }
  expect(roomNumbers(whole)).toEqual([4, 5 * gib, 6 * gib, 2, 7])
  const asked = sampleRequirements({ cores: { min: 2, max: 4 }, memoryBytes: gib, memoryPerCoreBytes: gib, wallMs: 5 })
  expect(leastRoom({ ...asked, diskBytes: 3 })).toEqual([2, 3 * gib, 3, 0, 5])
})
