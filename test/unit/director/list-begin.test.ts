/** A list that was under way while the wall clock was moved says nothing of what came after it began. */

import { expect, it } from 'vitest'
import { listBegin } from '../../../services/director/observe.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

it('began when it began, where the clock was not moved', async () => {
  const clock = virtualClock()
  const began = { beganMs: clock.nowMs(), beganMonotonicMs: clock.monotonicMs() }
  await clock.advance(7000)
  expect(listBegin(began, clock)).toBe(began.beganMs)
})

it('began before all that happened since, where the clock was put back while it was read', async () => {
  const clock = virtualClock()
  const began = { beganMs: clock.nowMs(), beganMonotonicMs: clock.monotonicMs() }
  await clock.advance(2000)
  clock.putBack(60_000)
  const intendedMs = clock.nowMs()
  await clock.advance(100)
  expect(began.beganMs).toBeGreaterThan(intendedMs + 30_000)
  expect(listBegin(began, clock)).toBe(intendedMs - 2000)
})

it('is not made younger by a clock that was put ahead', async () => {
  const clock = virtualClock()
  const began = { beganMs: clock.nowMs(), beganMonotonicMs: clock.monotonicMs() }
  await clock.advance(2000)
  clock.putBack(-60_000)
  expect(listBegin(began, clock)).toBe(began.beganMs)
})
