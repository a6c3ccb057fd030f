/** What every store does about submissions of thousands of jobs: all or none of them, whatever else comes in between. */

import { describe, expect, it } from 'vitest'
import { jobsPerTransaction } from '../../core/kernel/limits.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Store } from '../../core/ports/store.ts'
import { alice, bob, sampleRequirements, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const count = 2 * jobsPerTransaction + 500
const kinds = [sampleRequirements(), sampleRequirements({ tags: ['last'] })]
/** The last one alone names a second task queue. */
const specs = Array.from({ length: count }, (_, at) =>
  sampleSpec({ name: `job-${at}`, requirements: kinds[at === count - 1 ? 1 : 0] }),
)

/** `opened`: what is closed after a test. */
export function bulkTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  const wide = { jobs: 1_000_000, taskQueues: 1000 }
  const quotaOf = (jobs: number) => ({ owner: { ...wide, jobs }, vo: wide })

  describe('a submission of thousands of jobs', () => {
    it('gets consecutive ids in its order, also where others submit in between', async () => {
      const harness = await fresh()
      const { store } = harness
      const big = store.submit(sampleSubmission(specs), 1000)
      const others = await Promise.all(
        Array.from({ length: 20 }, () => store.submit(sampleSubmission([sampleSpec()], bob), 1000)),
      )
      const answer = await big
      if (!answer.ok) throw new Error(answer.why)
      expect(answer).toMatchObject({ count, repeated: false })
      const ids = [0, jobsPerTransaction - 1, jobsPerTransaction, count - 1].map((at) => (answer.firstId + at) as JobId)
      const check = async (reading: Store): Promise<void> => {
        const names = (await reading.jobs(ids)).map(({ name }) => name)
        expect(names).toEqual(ids.map((id) => `job-${id - answer.firstId}`))
        const found = await reading.specs(ids)
        expect(ids.map((id) => found.get(id)?.name)).toEqual(names)
        expect((await reading.queues()).map(({ waiting }) => waiting).sort((a, b) => a - b)).toEqual([1, 20, count - 1])
        const [newest] = await reading.list({ owner: 'alice', limit: 1 })
        expect(newest?.id).toBe(ids.at(-1))
      }
      await check(store)
      const again = await harness.reopen?.()
      if (again) {
        opened.push(again)
        await check(again)
      }
      const firstIds = others.map((other) => (other.ok ? other.firstId : 0))
      expect(new Set(firstIds).size).toBe(20)
      expect(firstIds.filter((id) => id >= answer.firstId && id < answer.firstId + count)).toEqual([])
    })

    it('is refused whole beyond a quota, and leaves nothing', async () => {
      const { store } = await fresh()
      const put = (quota: ReturnType<typeof quotaOf>) => store.submit({ ...sampleSubmission(specs), quota }, 1000)
      expect(await put(quotaOf(count - 1))).toMatchObject({ ok: false, why: 'quota', refusal: { more: count } })
      expect(await store.counts()).toEqual([])
      expect(await store.queues()).toEqual([])
      expect(await put(quotaOf(count))).toMatchObject({ ok: true, count })
    })

    it('does not exceed a quota together with another that is under way', async () => {
      const { store } = await fresh()
      const submission = { ...sampleSubmission(specs), quota: quotaOf(2 * count - 1) }
      const answers = await Promise.all([store.submit(submission, 1000), store.submit(submission, 1000)])
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
      expect(answers.find(({ ok }) => !ok)).toMatchObject({ why: 'quota' })
      expect(await store.counts()).toMatchObject([{ state: 'Waiting', count }])
    })

    it('gives the first answer to a repeat that comes while the first is under way, and refuses other jobs', async () => {
      const { store } = await fresh()
      const submission = sampleSubmission(specs, alice, 'k')
      const other = { ...submission, idempotency: { key: 'k', digest: 'of others' } }
      const [first, second, third] = await Promise.all([
        store.submit(submission, 1000),
        store.submit(submission, 2000),
        store.submit(other, 3000),
      ])
      expect(first).toMatchObject({ ok: true, count, repeated: false })
      expect(second).toEqual({ ...first, repeated: true })
      expect(third).toEqual({ ok: false, why: 'key-conflict' })
      expect(await store.submit(submission, 4000)).toEqual({ ...first, repeated: true })
      expect(await store.counts()).toMatchObject([{ state: 'Waiting', count }])
    })
  })
}
