import { expect, it } from 'vitest'
import { viewerLimits } from '../../../services/dashboard/limits.ts'
import { viewerLoad } from '../../../services/dashboard/viewer-load.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const here = (): boolean => false

const refused = (begin: () => unknown): string => {
  try {
    begin()
    return ''
  } catch (error) {
    return String(error)
  }
}

it('bounds what one viewer has under way, and no other viewer', () => {
  const load = viewerLoad(virtualClock())
  const ends = Array.from({ length: viewerLimits.atOnce }, () => load.begin('ada'))
  expect(refused(() => load.begin('ada'))).toMatch(/16 requests of yours are under way, at most 16/)
  expect(refused(() => load.begin('bob'))).toBe('')
  // An end counts once, however often it is said.
  ends[0]?.()
  ends[0]?.()
  expect(refused(() => load.begin('ada'))).toBe('')
  expect(refused(() => load.begin('ada'))).toMatch(/under way/)
})

it('lets a viewer beyond the rate wait, and no other viewer', async () => {
  const clock = virtualClock()
  const load = viewerLoad(clock)
  let done = 0
  const all = Array.from({ length: viewerLimits.burst + viewerLimits.perSecond }, () =>
    load.turn('ada', here).then(() => {
      done += 1
    }),
  )
  await clock.settle()
  expect(done).toBe(viewerLimits.burst)
  await load.turn('bob', here)
  await clock.advance(1000)
  await Promise.all(all)
  load.stop()
})
