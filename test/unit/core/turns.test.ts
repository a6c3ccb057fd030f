/** Among the nodes of one level: what each uses goes with its weight, and no lag is remembered for long. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { creditMs, enters, type Level, newLevel, served, ticks, type Turn, uses } from '../../../core/share/turns.ts'

type Node = Turn & { used: number }

const nodeOf = (rate: number): Node => ({ at: 0, rate, used: 0 })

/** Serves the first of these once. */
function serve(nodes: readonly Node[], level: Level, coreMs: (node: Node) => number): Node {
  const next = nodes.toSorted((a, b) => a.at - b.at)[0] as Node
  const amount = coreMs(next)
  served(next, level)
  uses(next, amount)
  next.used += amount
  return next
}

it('uses go by the weights, whatever each use is', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ weight: fc.integer({ min: 1, max: 9 }), coreMs: fc.integer({ min: 1, max: 50 }) }), {
        minLength: 2,
        maxLength: 5,
      }),
      (asked) => {
        const level = newLevel()
        const nodes = asked.map(({ weight }) => nodeOf(weight))
        for (let turn = 0; turn < 5000; turn += 1) serve(nodes, level, (node) => asked[nodes.indexOf(node)]?.coreMs ?? 0)
        const perWeight = nodes.map(({ used, rate }) => used / rate)
        // At most one use apart.
        expect(Math.max(...perWeight) - Math.min(...perWeight)).toBeLessThanOrEqual(50)
      },
    ),
  )
})

it('who comes back has its turn at once, and keeps the others waiting for no longer than its credit', () => {
  const level = newLevel()
  const [busy, back] = [nodeOf(1), nodeOf(1)]
  const minute = 60_000
  let nowMs = 0
  // One core, a minute a turn, for a day.
  for (; nowMs < 24 * 60 * minute; nowMs += minute) {
    serve([busy], level, () => minute)
    ticks(level, nowMs)
  }
  enters(back, level)
  const turns: Node[] = []
  for (let turn = 0; turn < 40; turn += 1) turns.push(serve([busy, back], level, () => minute))
  expect(turns[0]).toBe(back)
  expect(turns.slice(0, creditMs / minute + 2)).toContain(busy)
  // From then on they take turns.
  const last = turns.slice(20)
  expect(last.filter((one) => one === busy)).toHaveLength(10)
})

it('who was not served for want of room catches up for no longer than its credit either', () => {
  const level = newLevel()
  const [served1, unfit] = [nodeOf(1), nodeOf(1)]
  const minute = 60_000
  for (let nowMs = 0; nowMs < 600 * minute; nowMs += minute) {
    serve([served1], level, () => minute)
    ticks(level, nowMs)
  }
  const turns = Array.from({ length: 30 }, () => serve([served1, unfit], level, () => minute))
  expect(turns.slice(0, creditMs / minute + 3)).toContain(served1)
})

it('comes back exactly where its level stood ten minutes ago', () => {
  const level = newLevel()
  const [busy, back] = [nodeOf(1), nodeOf(1)]
  const minute = 60_000
  const reached: number[] = []
  for (let at = 0; at < 60; at += 1) {
    serve([busy], level, () => minute)
    ticks(level, at * minute)
    reached.push(level.reached)
  }
  enters(back, level)
  expect(back.at).toBe(reached.at(-1 - creditMs / minute))
  // One that stands ahead keeps its place.
  const ahead = { ...nodeOf(1), at: level.reached + 1 }
  enters(ahead, level)
  expect(ahead.at).toBe(level.reached + 1)
})
