/** What every store does about jobs that are deleted, and about priorities that are set while jobs wait. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import type { Store } from '../../core/ports/store.ts'
import { activeVm, sampleQueue, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const setPriority = (jobId: JobId, priority: number): JobEvent => {
  return { kind: 'prioritise', jobId, by: 'ada', why: '', priority }
}

async function submitted(store: Store, priorities: readonly number[]): Promise<readonly JobId[]> {
  const answer = await store.submit(sampleSubmission(priorities.map((priority) => sampleSpec({ priority }))), 1000)
  if (!answer.ok) throw new Error(answer.why)
  return priorities.map((_, at) => (answer.firstId + at) as JobId)
}

const remove = (jobId: JobId): JobEvent => ({ kind: 'delete', jobId, by: 'ada', why: 'in the way' })
const kill = (jobId: JobId): JobEvent => ({ kind: 'kill', jobId, by: 'ada', why: '' })

export function deletionTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  describe('a job that is deleted', () => {
    it('must have ended, and is gone with its description; a fact says who did it', async () => {
      const harness = await fresh()
      const { store } = harness
      const ids = await submitted(store, [0, 0, 0])
      const [first, second, third] = ids as [JobId, JobId, JobId]
      expect(await store.change([remove(first)], 2000)).toEqual([{ ok: false, why: 'not-ended' }])
      await store.change([kill(first), kill(third)], 2000)
      const outcomes = await store.change([remove(first), remove(first), remove(third)], 3000)
      expect(outcomes).toMatchObject([
        { ok: true, was: 'Killed', job: { id: first } },
        { ok: false, why: 'not-found' },
        { ok: true, was: 'Killed', job: { id: third } },
      ])
      const check = async (reading: Store): Promise<void> => {
        expect((await reading.jobs(ids)).map(({ id }) => id)).toEqual([second])
        expect([...(await reading.specs(ids)).keys()]).toEqual([second])
        expect((await reading.list({ limit: 10 })).map(({ id }) => id)).toEqual([second])
        expect((await reading.countBy({}, { by: ['state'], limit: 9 })).rows).toEqual([{ values: ['Waiting'], count: 1 }])
        expect(await reading.counts()).toEqual([{ state: 'Waiting', vo: 'lhcb', site: '', count: 1 }])
        const facts = (await reading.facts(-1, 100)).filter(({ kind }) => kind === 'Deleted')
        expect(facts).toMatchObject([
          { subject: `job:${first}`, data: { by: 'ada', why: 'in the way' } },
          { subject: `job:${third}`, data: { by: 'ada', why: 'in the way' } },
        ])
      }
      await check(store)
      const again = await harness.reopen?.()
      if (again) {
        opened.push(again)
        await check(again)
      }
      // No id is given twice.
      expect(await submitted(again ?? store, [0])).toEqual([third + 1])
    })

    it('leaves nothing where it was the last of those that came with it', async () => {
      const { store } = await fresh()
      const ids = await submitted(store, [0, 0])
      await store.change(ids.map(kill), 2000)
      await store.change(ids.map(remove), 3000)
      expect(await store.jobs(ids)).toEqual([])
      expect(await store.counts()).toEqual([])
      expect(await store.forget(9000, 10)).toEqual([])
      expect(await submitted(store, [0])).toEqual([(ids[1] ?? 0) + 1])
    })
  })

  describe('a priority that is set', () => {
    it('counts for the next jobs, for the head of the queue, and after an attempt', async () => {
      const harness = await fresh()
      const { store } = harness
      const ids = await submitted(store, [3, 3, 3, 3])
      const [first, second, third, fourth] = ids as [JobId, JobId, JobId, JobId]
      await store.change([setPriority(third, 9), setPriority(first, 1)], 2000)
      const next = async (reading: Store) => (await reading.next(sampleQueue().id, 9)).map(({ id }) => id)
      expect(await next(store)).toEqual([third, second, fourth, first])
      expect(await store.queues()).toMatchObject([{ waiting: 4, topPriority: 9 }])
      const vm = activeVm('one')
      await store.intend(vm, 1000)
      await store.change([{ kind: 'claim', jobId: third, vmId: vm.id, cores: 1, untilMs: 9000 }], 2500)
      expect(await store.queues()).toMatchObject([{ waiting: 3, topPriority: 3 }])
      expect(await store.change([setPriority(third, 2)], 2600)).toMatchObject([{ ok: true, job: { priority: 2 } }])
      await store.change([{ kind: 'lost', jobId: third, attempt: 1, why: 'gone' }], 3000)
      const order = [second, fourth, third, first]
      expect(await next(store)).toEqual(order)
      const again = await harness.reopen?.()
      if (again) {
        opened.push(again)
        expect(await next(again)).toEqual(order)
        expect((await again.jobs(ids)).map(({ priority }) => priority)).toEqual([1, 3, 2, 3])
      }
    })

    it('orders what waits by priority and then by id, whatever was set', async () => {
      const { store } = await fresh()
      // Several pages of every priority, as a store may keep them.
      const count = 300
      const ids = await submitted(
        store,
        Array.from({ length: count }, (_, at) => (at < 150 ? 2 : at % 5)),
      )
      const known = new Map((await store.jobs(ids)).map(({ id, priority }) => [id, priority]))
      const change = fc.tuple(fc.integer({ min: 0, max: count - 1 }), fc.integer({ min: 0, max: 9 }))
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { minLength: 1, maxLength: 40 }),
          fc.integer({ min: 1, max: 400 }),
          async (all, limit) => {
            const events = all.map(([at, priority]) => setPriority(ids[at] as JobId, priority))
            await store.change(events, 2000)
            for (const [at, priority] of all) known.set(ids[at] as JobId, priority)
            const wanted = [...known].sort(([a, one], [b, other]) => other - one || a - b)
            const next = await store.next(sampleQueue().id, limit)
            expect(next.map(({ id, priority }) => [id, priority])).toEqual(wanted.slice(0, limit))
            expect((await store.queues())[0]).toMatchObject({ waiting: count, topPriority: wanted[0]?.[1] })
          },
        ),
        { numRuns: 40 },
      )
    })
  })
}
