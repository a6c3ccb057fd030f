/** What every store does about jobs that wait for others: no end is missed, no dependency is settled twice. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Dependency } from '../../core/model/dependency.ts'
import type { JobEvent } from '../../core/model/job-event.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { JobOutcome, Store } from '../../core/ports/store.ts'
import { alice, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const waits = (...on: readonly Dependency[]): Partial<JobSpec> => ({ after: on })
const offset = (distance: number): Dependency => ({ offset: distance, when: 'ok' })
const kill = (jobId: JobId): JobEvent => ({ kind: 'kill', jobId, by: 'alice', why: '' })
const endOf = (jobId: JobId, on: JobId, end: 'Done' | 'Killed' = 'Done'): JobEvent => ({
  kind: 'dependency-ended',
  jobId,
  on,
  end,
})
const always = Number.MAX_SAFE_INTEGER

async function put(store: Store, ...specs: readonly Partial<JobSpec>[]): Promise<JobId[]> {
  const answer = await store.submit(sampleSubmission(specs.map(sampleSpec)), 1000)
  if (!answer.ok) throw new Error(answer.why)
  return specs.map((_, at) => (answer.firstId + at) as JobId)
}

async function statesOf(store: Store, ids: readonly JobId[]): Promise<readonly string[]> {
  return (await store.jobs(ids)).map(({ phase }) => phase.state)
}

const answered = (outcomes: readonly JobOutcome[]) => outcomes.map((one) => (one.ok ? one.job.phase.state : one.why))

/** `opened`: what is closed after a test. */
export function dependencyTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  describe('jobs that wait for others', () => {
    it('come Blocked, are in no task queue, are counted so, and are found from both sides', async () => {
      const harness = await fresh()
      const { store } = harness
      const [first, second, third] = (await put(store, {}, waits(offset(-1)), waits(offset(-2), offset(-1)))) as JobId[]
      const check = async (reading: Store): Promise<void> => {
        expect(
          (await reading.jobs([first, second, third] as JobId[])).map(({ phase, awaited }) => [phase, awaited]),
        ).toEqual([
          [{ state: 'Waiting' }, 1],
          [{ state: 'Blocked', open: [{ job: first, when: 'ok' }] }, 1],
          [
            {
              state: 'Blocked',
              open: [
                { job: first, when: 'ok' },
                { job: second, when: 'ok' },
              ],
            },
            undefined,
          ],
        ])
        expect((await reading.counts()).toSorted((a, b) => a.count - b.count)).toEqual([
          { state: 'Waiting', vo: 'lhcb', site: '', count: 1 },
          { state: 'Blocked', vo: 'lhcb', site: '', count: 2 },
        ])
        expect((await reading.queues()).map(({ waiting }) => waiting)).toEqual([1])
        const [queue] = await reading.queues()
        expect((queue && (await reading.next(queue.queue.id, 10)))?.map(({ id }) => id)).toEqual([first])
        expect(await reading.dependants(first as JobId, 10)).toEqual([second, third])
        expect(await reading.dependants(first as JobId, 1)).toEqual([second])
        expect((await reading.list({ states: ['Blocked'], limit: 10 })).map(({ id }) => id)).toEqual([third, second])
        const specs = await reading.specs([third as JobId])
        expect(specs.get(third as JobId)?.after).toEqual([
          { job: first, when: 'ok' },
          { job: second, when: 'ok' },
        ])
      }
      await check(store)
      const again = await harness.reopen?.()
      if (again) {
        opened.push(again)
        await check(again)
      }
    })

    it('count for the quota of those that wait', async () => {
      const { store } = await fresh()
      const quota = { owner: { jobs: 2, taskQueues: 9 }, vo: { jobs: 9, taskQueues: 9 } }
      await put(store, {}, waits(offset(-1)))
      const more = await store.submit({ ...sampleSubmission([sampleSpec()]), quota }, 1000)
      expect(more).toMatchObject({ ok: false, refusal: { used: 2, more: 1 } })
    })

    it('are settled once by each end, wait after the last one, and say so in their history', async () => {
      const { store } = await fresh()
      const [first, second, third] = (await put(store, {}, {}, waits(offset(-2), offset(-1)))) as [JobId, JobId, JobId]
      const ends = [endOf(third, first), endOf(third, first), endOf(third, second)]
      expect(answered(await store.change(ends, 2000))).toEqual(['Blocked', 'stale', 'Waiting'])
      expect(await store.dependants(first, 10)).toEqual([])
      expect(await store.dependants(second, 10)).toEqual([])
      const facts = await store.history(`job:${third}`, 10)
      const data = { dependency: second, why: `job ${second} is Done` }
      expect(facts.map(({ kind, data: said }) => [kind, said])).toEqual([['Waiting', data]])
      expect((await store.queues()).map(({ waiting }) => waiting)).toEqual([3])
    })

    it('are Failed when that can never be, and are found no more', async () => {
      const { store } = await fresh()
      const [first, second, third] = (await put(store, {}, {}, waits(offset(-2), offset(-1)))) as [JobId, JobId, JobId]
      expect(answered(await store.change([endOf(third, first, 'Killed'), endOf(third, second)], 2000))).toEqual([
        'Failed',
        'stale',
      ])
      expect(await store.dependants(second, 10)).toEqual([])
      const counts = (await store.counts()).map(({ state, count }) => [state, count])
      expect(counts.toSorted()).toEqual([
        ['Failed', 1],
        ['Waiting', 2],
      ])
    })

    it('that are killed or held lose or keep what they wait for', async () => {
      const { store } = await fresh()
      const [first, killed, held] = (await put(store, {}, waits(offset(-1)), waits(offset(-2)))) as [JobId, JobId, JobId]
      const hold = { kind: 'hold', jobId: held, by: 'alice', why: '' } as const
      expect(answered(await store.change([kill(killed), hold], 2000))).toEqual(['Killed', 'Held'])
      expect(await store.dependants(first, 10)).toEqual([held])
      expect(answered(await store.change([{ ...hold, kind: 'release' }], 2000))).toEqual(['Blocked'])
      expect(answered(await store.change([endOf(held, first)], 2000))).toEqual(['Waiting'])
    })

    it('are found from an end until that is over, and the job that they wait for is not forgotten before', async () => {
      const { store } = await fresh()
      const [first, second] = (await put(store, {}, waits({ offset: -1, when: 'ended' }))) as [JobId, JobId]
      expect(await store.awaitedEnds(always, 10)).toEqual([])
      await store.change([kill(first)], 2000)
      expect((await store.awaitedEnds(always, 10)).map(({ id, awaited }) => [id, awaited])).toEqual([[first, 1]])
      expect(await store.awaitedEnds(2000, 10)).toEqual([])
      expect(await store.forget(always, 10)).toEqual([])
      await store.change([endOf(second, first, 'Killed'), { kind: 'dependants-over', jobId: first, awaited: 1 }], 3000)
      expect(await store.awaitedEnds(always, 10)).toEqual([])
      expect(await store.forget(always, 10)).toEqual([first])
      expect(await statesOf(store, [second])).toEqual(['Waiting'])
    })

    it('that name a job which was there before make it awaited, once for each submission, also one that has ended', async () => {
      const { store } = await fresh()
      const [live, ended] = (await put(store, {}, {})) as [JobId, JobId]
      await store.change([kill(ended)], 1500)
      const on = (job: JobId): Partial<JobSpec> => waits({ job, when: 'ended' })
      const [one] = (await put(store, on(live), on(live), on(ended))) as [JobId]
      await put(store, on(live))
      expect((await store.jobs([live, ended])).map(({ awaited }) => awaited)).toEqual([2, 1])
      expect((await store.awaitedEnds(always, 10)).map(({ id }) => id)).toEqual([ended])
      expect((await store.dependants(live, 10)).slice(0, 2)).toEqual([one, one + 1])
      // One that came since the count was read is not forgotten.
      await store.change([kill(live)], 2000)
      const over = { kind: 'dependants-over', jobId: live, awaited: 1 } as const
      expect(answered(await store.change([over], 2000))).toEqual(['stale'])
    })

    it('that name a job which is not stored are Failed with their submission', async () => {
      const { store } = await fresh()
      const gone = 999_999 as JobId
      const ids = await put(store, waits({ job: gone, when: 'ended' }), waits(offset(-1)))
      const [first] = await store.jobs(ids)
      expect(first?.phase).toMatchObject({ state: 'Failed', why: expect.stringContaining('is not stored any more') })
      expect((await store.awaitedEnds(always, 10)).map(({ id }) => id)).toEqual([ids[0]])
      expect(await store.dependants(gone, 10)).toEqual([])
    })

    it('hear of an end that comes while they are submitted, whichever is first', async () => {
      const { store } = await fresh()
      const targets = await put(store, ...Array.from({ length: 40 }, () => ({})))
      const submitted = targets.map(async (job, at) => {
        const submit = () => put(store, waits({ job, when: 'ended' }))
        const end = () => store.change([kill(job)], 2000)
        const both = at % 2 === 0 ? [submit(), end()] : [end(), submit()]
        const [ids] = (await Promise.all(both)).filter((answer) => typeof answer[0] === 'number')
        return [job, ids?.[0]] as const
      })
      for (const [job, waiting] of await Promise.all(submitted)) {
        const [end] = (await store.awaitedEnds(always, 100)).filter(({ id }) => id === job)
        expect(end?.awaited).toBe(1)
        expect(await store.dependants(job, 10)).toEqual([waiting])
      }
    })

    it('are thousands of one, of a submission in several parts', async () => {
      const { store } = await fresh()
      const count = 4500
      const specs = Array.from({ length: count }, (_, at) => (at === 0 ? {} : waits(offset(-at))))
      const [first] = (await put(store, ...specs)) as [JobId]
      expect((await store.dependants(first, 10_000)).length).toBe(count - 1)
      let released = 0
      for (let ids = await store.dependants(first, 1000); ids.length > 0; ids = await store.dependants(first, 1000)) {
        const outcomes = await store.change(
          ids.map((id) => endOf(id, first)),
          3000,
        )
        released += outcomes.filter(({ ok }) => ok).length
      }
      expect(released).toBe(count - 1)
      expect((await store.queues()).map(({ waiting }) => waiting)).toEqual([count])
      expect((await store.list({ owner: alice.owner, states: ['Blocked'], limit: 10 })).length).toBe(0)
    })
  })
}
