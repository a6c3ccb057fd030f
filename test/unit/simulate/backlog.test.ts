import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ClassId, JobId } from '../../../core/kernel/ids.ts'
import { openBacklog } from '../../../sim/simulate/backlog.ts'
import { alice, sampleRequirements } from '../../../sim/samples.ts'

const queue = { ...alice, id: 'queue' as ClassId, requirements: sampleRequirements() }

it('gives the waiting jobs of a task queue by age, whatever leaves and comes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 200 }), (ids) => {
      const backlog = openBacklog()
      const waiting = new Set<number>()
      for (const id of ids) {
        if (waiting.delete(id)) backlog.remove(queue, id as JobId)
        else {
          waiting.add(id)
          backlog.add(queue, { id: id as JobId, priority: 0, submittedMs: id })
        }
        const sorted = [...waiting].sort((a, b) => a - b)
        expect(backlog.size()).toBe(waiting.size)
        expect(backlog.next(queue.id, 1000).map((job) => job.id)).toEqual(sorted)
        expect(backlog.counts().map(({ waiting: count, oldestMs }) => [count, oldestMs])).toEqual(
          sorted.length === 0 ? [] : [[sorted.length, sorted[0]]],
        )
      }
    }),
  )
})

it('forgets what has left from the front of a long line', () => {
  const backlog = openBacklog()
  for (let id = 1; id <= 5000; id += 1) backlog.add(queue, { id: id as JobId, priority: 0, submittedMs: id })
  for (let id = 1; id < 5000; id += 1) backlog.remove(queue, id as JobId)
  expect(backlog.next(queue.id, 3).map(({ id }) => id)).toEqual([5000])
  expect(() => backlog.remove(queue, 3 as JobId)).toThrow('job 3 does not wait')
})
