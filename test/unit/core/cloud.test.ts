import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  allowance,
  atTime,
  type Breaker,
  type BreakerPolicy,
  closedBreaker,
  failed,
  probing,
  scopeOf,
  scopesOf,
  succeeded,
} from '../../../core/plan/breaker.ts'
import type { CloudFailure } from '../../../core/model/cloud.ts'
import { sampleVm } from '../../../sim/samples.ts'

const policy: BreakerPolicy = { failures: 3, backoffMs: 1000, maxBackoffMs: 3000 }
const open: Breaker = { state: 'open', untilMs: 2000, backoffMs: 1000, why: 'first' }
const half: Breaker = { state: 'half-open', backoffMs: 1000, why: 'first', probing: false }
const opened = (untilMs: number, backoffMs: number): Breaker => ({ state: 'open', untilMs, backoffMs, why: 'again' })

describe('every cell of the breaker table', () => {
  it.each<[string, Breaker, (breaker: Breaker) => Breaker, Breaker]>([
    ['closed, failure', closedBreaker, (b) => failed(b, 'again', policy, 500), { state: 'closed', failures: 1 }],
    [
      'closed, failure at the limit',
      { state: 'closed', failures: 2 },
      (b) => failed(b, 'again', policy, 500),
      opened(1500, 1000),
    ],
    ['closed, failure at once', closedBreaker, (b) => failed(b, 'again', policy, 500, { atOnce: true }), opened(1500, 1000)],
    ['closed, success', { state: 'closed', failures: 2 }, succeeded, closedBreaker],
    ['closed, time', { state: 'closed', failures: 2 }, (b) => atTime(b, 1e9), { state: 'closed', failures: 2 }],
    ['open, failure', open, (b) => failed(b, 'again', policy, 500), open],
    ['open, success', open, succeeded, closedBreaker],
    ['open, a little time', open, (b) => atTime(b, 1999), open],
    ['open, back-off over', open, (b) => atTime(b, 2000), half],
    ['half-open, failure', half, (b) => failed(b, 'again', policy, 500), opened(2500, 2000)],
    ['half-open, failure of the probe', probing(half), (b) => failed(b, 'again', policy, 500), opened(2500, 2000)],
    ['half-open, success', probing(half), succeeded, closedBreaker],
    ['half-open, time', half, (b) => atTime(b, 1e9), half],
    ['half-open, probe', half, probing, { ...half, probing: true }],
    ['closed, probe', closedBreaker, probing, closedBreaker],
    ['open, probe', open, probing, open],
  ])('%s', (_, breaker, event, expected) => {
    expect(event(breaker)).toEqual(expected)
  })

  it.each([
    [closedBreaker, Infinity],
    [open, 0],
    [half, 1],
    [probing(half), 0],
  ])('%o lets %d through', (breaker, expected) => {
    expect(allowance(breaker)).toBe(expected)
  })
})

it('never backs off longer than the most, and is closed by one success', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 40 }), (gaps) => {
      let breaker: Breaker = closedBreaker
      let nowMs = 0
      for (const gap of gaps) {
        nowMs += gap
        breaker = failed(atTime(breaker, nowMs), 'again', policy, nowMs)
        if (breaker.state === 'open') expect(breaker.untilMs - nowMs).toBeLessThanOrEqual(policy.maxBackoffMs)
      }
      expect(succeeded()).toEqual(closedBreaker)
    }),
  )
})

describe('scopes', () => {
  const offering = sampleVm('a')
  it.each<[CloudFailure, string]>([
    ['auth', 'cloud:here'],
    ['quota', 'flavor:here/small'],
    ['transient', 'cloud:here'],
    ['capacity', 'flavor:here/small'],
    ['refused', 'image:here/small/plain'],
    ['gone', 'image:here/small/plain'],
  ])('%s fails %s', (failure, scope) => {
    expect(scopeOf(failure, offering)).toBe(scope)
    expect(scopesOf(offering)).toContain(scope)
  })
})
