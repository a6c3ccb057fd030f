/** A window on a task queue never calls itself complete when jobs wait that it does not hold. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import {
  awaitsOwn,
  insert,
  isBefore,
  isShort,
  maxWindow,
  newWindow,
  order,
  type Part,
  takeFirst,
} from '../../../services/matcher/window.ts'

const alone = { rank: 0, of: 1 }
const max = maxWindow(alone)
const job = (id: number, priority = 0): WaitingJob => ({ id: id as JobId, priority, submittedMs: id })

it('is complete until a job does not fit, wherever that one would stand', () => {
  for (const priority of [0, 5]) {
    const window = newWindow()
    for (let id = 1; id <= max; id += 1) insert(window, job(id, 1), alone)
    expect([window.jobs.length, window.complete]).toEqual([max, true])
    insert(window, job(max + 1, priority), alone)
    expect([window.jobs.length, window.complete]).toEqual([max, false])
    expect(window.jobs[0]?.id).toBe(priority === 5 ? max + 1 : 1)
  }
})

it('holds all that wait while it is complete, and asks for more when it runs out otherwise', () => {
  const jobs = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: max - 20, maxLength: max + 60 })
  fc.assert(
    fc.property(jobs, fc.nat(40), (priorities, taken) => {
      const window = newWindow()
      const waiting = new Set<number>()
      const take = (): void => {
        const first = takeFirst(window, alone)
        if (first) waiting.delete(first.id)
      }
      for (const [at, priority] of priorities.entries()) {
        insert(window, job(at + 1, priority), alone)
        waiting.add(at + 1)
        if (at % 40 < taken / 4) take()
      }
      if (window.complete) expect(new Set(window.jobs.map(({ id }) => id as number))).toEqual(waiting)
      else expect(window.jobs.length).toBeLessThanOrEqual(max)
      while (window.jobs.length > 0) take()
      expect(isShort(window)).toBe(!window.complete)
      expect(window.complete).toBe(waiting.size === 0)
    }),
  )
})

describe('the order of a part', () => {
  const second = { rank: 1, of: 3 }
  const [low, high] = [job(70, 1), job(1, 2)]

  it.each([
    ['the higher priority, whichever part it is in', high, low, second, true],
    ['the lower priority', low, high, second, false],
    ['its own part, although the other one is older', job(64), job(1), second, true],
    ['the part of the next process', job(128), job(1), second, true],
    ['the part of the process before it', job(63), job(128), second, false],
    ['the last one of a block', job(127), job(128), second, true],
    ['the older one of the same part', job(64), job(65), second, true],
    ['the younger one of the same part', job(65), job(64), second, false],
    ['the same one', job(64), job(64), second, false],
    ['the older one where there is one process', job(63), job(64), alone, true],
    ['a job, where there is no other', low, undefined, second, true],
    ['no job, where there is one', undefined, low, second, false],
    ['no job, where there is none', undefined, undefined, second, false],
  ])('puts %s where it belongs', (_, a, b, part, isFirst) => {
    expect(isBefore(a, b, part)).toBe(isFirst)
  })

  it('shares what the store put into parts among all, each part to one, at whatever distance the parts begin', () => {
    for (const distance of [1, 64, 256, 1000, 1024, 4096, 65_536]) {
      const jobs = Array.from({ length: 1000 }, (_, at) => ({ ...job(at + 1), part: (at * distance + 1) as JobId }))
      const owns = [0, 1, 2, 3].map((rank) => {
        const window = newWindow()
        order(window, jobs, { rank, of: 4 })
        return window.own
      })
      expect(owns.reduce((sum, own) => sum + own, 0)).toBe(1000)
      expect(Math.min(...owns), `at a distance of ${distance}: ${owns.join()}`).toBeGreaterThan(150)
    }
  })
})

it('keeps what the store put into one part with one process, whatever the ids', () => {
  const jobs = Array.from({ length: 1000 }, (_, at) => ({ ...job(at + 1), part: 7 as JobId }))
  const owns = [0, 1, 2, 3].map((rank) => {
    const window = newWindow()
    order(window, jobs, { rank, of: 4 })
    return window.own
  })
  expect(owns.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 1000])
})

it('takes each job once, and none that stands behind jobs which only the store knows', () => {
  const window = newWindow()
  for (const id of [1, 2, 3, 4, 5, 5, 3, 1]) insert(window, job(id), alone)
  expect(window.jobs.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5])
  window.complete = false
  insert(window, job(9), alone)
  insert(window, job(7, 1), alone)
  expect(window.jobs.map(({ id }) => id)).toEqual([7, 1, 2, 3, 4, 5])
})

it.each([
  [1, 512],
  [3, 1536],
  [8, 4096],
  [9, 4096],
])('of %i processes holds at most %i jobs', (of, most) => {
  expect(maxWindow({ rank: 0, of })).toBe(most)
})

it.each([
  { jobs: 127, own: 0, maxOwn: 0, complete: false, isNow: true },
  { jobs: 128, own: 0, maxOwn: 0, complete: false, isNow: false },
  { jobs: 127, own: 127, maxOwn: 512, complete: true, isNow: false },
  { jobs: 200, own: 127, maxOwn: 128, complete: false, isNow: true },
  { jobs: 200, own: 128, maxOwn: 512, complete: false, isNow: false },
  { jobs: 200, own: 127, maxOwn: 127, complete: false, isNow: false },
  { jobs: 200, own: 127, maxOwn: 512, complete: true, isNow: false },
])('is short where it, or its own part, has less than 128: $jobs, $own of $maxOwn: $isNow', ({ jobs, isNow, ...rest }) => {
  expect(isShort({ ...rest, jobs: Array.from({ length: jobs }, (_, at) => job(at)) })).toBe(isNow)
})

it.each([
  [0, 128, true],
  [1, 128, false],
  [0, 127, false],
])('with %i of its own, and %i at most before, waits for more of them: %s', (own, maxOwn, isAwaited) => {
  expect(awaitsOwn({ ...newWindow(), own, maxOwn })).toBe(isAwaited)
})

describe('what is taken', () => {
  const others = Array.from({ length: 61 }, (_, at) => job(at + 1))
  const filled = (jobs: readonly WaitingJob[], part: Part, complete = true) => {
    const window = newWindow()
    order(window, jobs, part)
    return Object.assign(window, { complete })
  }

  it.each([
    ['at the end of a queue, the first of its stretch', filled(others, { rank: 1, of: 3 }), 1, 21],
    ['at the end of a queue, the first of the last stretch', filled(others, { rank: 2, of: 3 }), 2, 41],
    ['while more may come, the first', filled(others, { rank: 1, of: 3 }, false), 1, 1],
    ['while there are own ones, the first of them', filled([...others, job(64)], { rank: 1, of: 3 }), 1, 64],
    ['something urgent, wherever the stretch is', filled([...others, job(200, 1)], { rank: 1, of: 3 }), 1, 200],
  ])('is, %s', (_, window, rank, id) => {
    expect(takeFirst(window, { rank, of: 3 })?.id).toBe(id)
  })

  it('is what fits, and nothing where nothing does', () => {
    const window = filled(others, alone)
    expect(takeFirst(window, alone, ({ id }) => id > 9)?.id).toBe(10)
    expect(takeFirst(window, alone, ({ id }) => id > 61)).toBeUndefined()
    expect(window.jobs).toHaveLength(60)
  })
})

it('is in order and knows how many are its own, whatever comes and goes', () => {
  const arrival = fc.record({ id: fc.integer({ min: 1, max: 3000 }), priority: fc.nat(2) })
  const act = fc.record({ comes: fc.array(arrival, { maxLength: 300 }), goes: fc.nat(120) })
  const parts = fc.integer({ min: 1, max: 3 }).chain((of) => fc.record({ rank: fc.nat(of - 1), of: fc.constant(of) }))
  fc.assert(
    fc.property(parts, fc.array(act, { maxLength: 12 }), (part, acts) => {
      const window = newWindow()
      const priorities = new Map<number, number>()
      let maxOwn = 0
      const check = (): void => {
        const own = window.jobs.filter(({ id }) => Math.floor(id / 64) % part.of === part.rank || part.of === 1)
        maxOwn = Math.max(maxOwn, own.length)
        expect([window.own, window.maxOwn]).toEqual([own.length, maxOwn])
      }
      for (const { comes, goes } of acts) {
        for (const { id, priority } of comes) {
          // A job keeps its priority.
          if (!priorities.has(id)) priorities.set(id, priority)
          insert(window, job(id, priorities.get(id)), part)
          check()
        }
        for (let at = 0; at < goes; at += 1) takeFirst(window, part)
        check()
        expect(window.jobs).toEqual(window.jobs.toSorted((a, b) => (isBefore(a, b, part) ? -1 : 1)))
        expect(new Set(window.jobs.map(({ id }) => id)).size).toBe(window.jobs.length)
        expect(window.jobs.length).toBeLessThanOrEqual(maxWindow(part))
      }
    }),
    { numRuns: 40 },
  )
})

it('that is full gives up its last job for one that comes before it, and counts it no more', () => {
  const part = { rank: 0, of: 2 }
  const own = Array.from({ length: maxWindow(part) - 1 }, (_, at) => job(128 * Math.floor(1 + at / 64) + (at % 64), 5))
  for (const last of [job(64, 1), job(63, 1)]) {
    const window = newWindow()
    for (const one of [...own, last]) insert(window, one, part)
    expect([window.jobs.length, window.complete]).toEqual([maxWindow(part), true])
    const before = window.own
    insert(window, job(65, 9), part)
    expect(window.own, `the last one is ${last.id}`).toBe(last.id === 63 ? before - 1 : before)
    expect([window.jobs.length, window.complete]).toEqual([maxWindow(part), false])
  }
})
