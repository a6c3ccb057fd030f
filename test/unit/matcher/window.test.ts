/** A window on a task queue never calls itself complete when jobs wait that it does not hold. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { WaitingJob } from '../../../core/model/task-queue.ts'
import { insert, isShort, maxWindow, newWindow, takeFirst } from '../../../services/matcher/window.ts'

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
