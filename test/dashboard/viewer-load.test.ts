import { expect, it } from 'vitest'
import { viewerLimits } from '../../services/dashboard/limits.ts'
import { viewerLoad } from '../../services/dashboard/viewer-load.ts'
import { virtualClock } from '../support/virtual-clock.ts'

const refused = (begin: () => unknown): string => {
  try {
    begin()
    return ''
  } catch (error) {
    return String(error)
  }
}

it('bounds what one viewer has under way, whoever else asks', () => {
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

it('lets a viewer go on at the rate, and forgets those who asked longest ago', async () => {
  const clock = virtualClock()
  const load = viewerLoad(clock)
  for (let at = 0; at < viewerLimits.burst; at += 1) load.begin('ada')()
  expect(refused(() => load.begin('ada'))).toMatch(/at most 50 requests per second/)
  await clock.advance(1000)
  for (let at = 0; at < viewerLimits.perSecond; at += 1) load.begin('ada')()
  expect(refused(() => load.begin('ada'))).not.toBe('')
  for (let at = 0; at < 12_000; at += 1) load.begin(`viewer ${at}`)()
  expect(load.size()).toBe(10_000)
})
