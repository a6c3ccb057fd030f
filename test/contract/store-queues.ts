/**
 * What every store does about task queues: quotas of what waits, slices, and jobs that need less than their task queue asks
 * for.
 */

import { describe, expect, it } from 'vitest'
import type { ClassId, JobId, VmId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Store } from '../../core/ports/store.ts'
import {
  activeVm,
  alice,
  bob,
  sampleQueue,
  sampleRequirements,
  sampleResult,
  sampleSpec,
  sampleSubmission,
} from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const n = 1000

async function submitted(store: Store, specs: readonly JobSpec[]): Promise<JobId[]> {
  const answer = await store.submit(sampleSubmission(specs), 1000)
  if (!answer.ok) throw new Error(answer.why)
  return Array.from({ length: answer.count }, (_, at) => (answer.firstId + at) as JobId)
}

async function withVm(store: Store, vm = activeVm('one')): Promise<VmId> {
  expect(await store.intend(vm, 1000)).toBe(true)
  return vm.id
}

const claim = (jobId: JobId, vmId: VmId) => ({ kind: 'claim', jobId, vmId, cores: 1, untilMs: 5000 }) as const

/** `opened`: what is closed after a test. */
export function queueTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  describe('beyond a quota', () => {
    const wide = { jobs: 1000, taskQueues: 1000 }
    const quota = (owner: Partial<typeof wide>, vo: Partial<typeof wide> = {}) => ({
      owner: { ...wide, ...owner },
      vo: { ...wide, ...vo },
    })
    const kinds = (count: number, from = 0) =>
      Array.from({ length: count }, (_, at) => sampleSpec({ requirements: sampleRequirements({ tags: [`t${from + at}`] }) }))
    const same = (count: number) => Array.from({ length: count }, () => sampleSpec())

    it('takes all of a submission or nothing, and says what is used', async () => {
      const { store } = await fresh()
      const limit = quota({ jobs: 5 })
      const put = (specs: readonly JobSpec[], owner = alice) =>
        store.submit({ ...sampleSubmission(specs, owner), quota: limit }, 1000)
      expect(await put(same(3))).toMatchObject({ ok: true })
      const refusal = { of: 'owner', what: 'jobs', limit: 5, used: 3, more: 3 }
      expect(await put(same(3))).toEqual({ ok: false, why: 'quota', refusal })
      expect(await put(same(2))).toMatchObject({ ok: true })
      expect(await put(same(1))).toMatchObject({ ok: false, refusal: { used: 5 } })
      expect(await put(same(5), bob)).toMatchObject({ ok: true })
      expect((await store.list({ owner: 'alice', limit: n })).length).toBe(5)
    })

    it('counts what waits or is held, and neither what runs nor what ended', async () => {
      const { store } = await fresh()
      const put = (count: number) => store.submit({ ...sampleSubmission(same(count)), quota: quota({ jobs: 4 }) }, 1000)
      const ids = await submitted(store, same(4))
      await store.change([{ kind: 'hold', jobId: ids[0] as JobId, by: 'a', why: '' }], 2000)
      expect(await put(1)).toMatchObject({ ok: false, refusal: { used: 4 } })
      const vmId = await withVm(store)
      await store.change([claim(ids[1] as JobId, vmId), { kind: 'kill', jobId: ids[2] as JobId, by: 'a', why: '' }], 2000)
      expect(await put(3)).toMatchObject({ ok: false, refusal: { used: 2, more: 3 } })
      expect(await put(2)).toMatchObject({ ok: true })
      await store.change([{ kind: 'lost', jobId: ids[1] as JobId, attempt: 1, why: 'test' }], 3000)
      expect(await put(1)).toMatchObject({ ok: false, refusal: { used: 5 } })
    })

    it('counts task queues with waiting jobs, new ones only', async () => {
      const { store } = await fresh()
      const put = (specs: readonly JobSpec[]) =>
        store.submit({ ...sampleSubmission(specs), quota: quota({ taskQueues: 3 }) }, 1000)
      expect(await put(kinds(2))).toMatchObject({ ok: true })
      expect(await put(kinds(4))).toMatchObject({
        ok: false,
        refusal: { of: 'owner', what: 'taskQueues', limit: 3, used: 2 },
      })
      expect(await put(kinds(3))).toMatchObject({ ok: true })
      expect(await put(kinds(3))).toMatchObject({ ok: true })
      const all = await store.list({ limit: n })
      await store.change(
        all.map(({ id }) => ({ kind: 'kill', jobId: id, by: 'a', why: '' }) as const),
        2000,
      )
      expect(await put(kinds(3, 10))).toMatchObject({ ok: true })
    })

    it('of the VO refuses each of its owners', async () => {
      const { store } = await fresh()
      const carol = { ...alice, owner: 'carol' }
      const put = (owner: typeof alice, count: number) =>
        store.submit({ ...sampleSubmission(same(count), owner), quota: quota({}, { jobs: 5 }) }, 1000)
      expect(await put(alice, 4)).toMatchObject({ ok: true })
      expect(await put(carol, 2)).toMatchObject({ ok: false, refusal: { of: 'vo', what: 'jobs', limit: 5, used: 4 } })
      expect(await put(bob, 5)).toMatchObject({ ok: true })
      expect(await put(carol, 1)).toMatchObject({ ok: true })
    })

    it('repeats a first answer', async () => {
      const { store } = await fresh()
      const submission = { ...sampleSubmission(same(5), alice, 'k'), quota: quota({ jobs: 5 }) }
      const first = await store.submit(submission, 1000)
      expect(await store.submit(submission, 1000)).toEqual({ ...first, repeated: true })
      expect(await store.submit({ ...submission, ...sampleSubmission(same(6), alice, 'k') }, 1000)).toMatchObject({
        why: 'key-conflict',
      })
    })

    it('lets in no more of many at once', async () => {
      const { store } = await fresh()
      const one = { ...sampleSubmission(same(2)), quota: quota({ jobs: 7 }) }
      const answers = await Promise.all(Array.from({ length: 10 }, () => store.submit(one, 1000)))
      expect(answers.filter(({ ok }) => ok)).toHaveLength(3)
    })

    it('is asked again of a store that was opened again', async ({ skip }) => {
      const { store, reopen } = await fresh()
      if (!reopen) return skip('nothing outlives a close')
      const put = (to: Store, count: number) =>
        to.submit({ ...sampleSubmission(same(count)), quota: quota({ jobs: 4 }) }, 1000)
      const ids = await submitted(store, same(4))
      await store.change([{ kind: 'hold', jobId: ids[0] as JobId, by: 'a', why: '' }], 2000)
      opened.splice(0)
      const again = await reopen()
      opened.push(again)
      expect(await put(again, 1)).toMatchObject({ ok: false, refusal: { used: 4 } })
    })
  })

  it('keeps what each job needs where its task queue asks for more', async () => {
    const { store } = await fresh()
    const mib = 1024 * 1024
    const exact = sampleRequirements({ memoryBytes: 100 * mib })
    const big = sampleRequirements({ memoryBytes: 128 * mib })
    const queue = sampleQueue(alice, big)
    const specs = [sampleSpec({ requirements: exact }), sampleSpec({ requirements: big })]
    const jobs = specs.map((spec) => ({ classId: queue.id, spec }))
    const answer = await store.submit({ owner: alice, jobs, queues: [queue] }, 1000)
    const first = answer.ok ? answer.firstId : (0 as JobId)
    const needs = { memoryBytes: 100 * mib, diskBytes: 64 * mib, wallMs: 60_000 }
    expect((await store.next(queue.id, n)).map((job) => job.needs)).toEqual([needs, undefined])
    expect(await store.queues()).toMatchObject([{ queue: { requirements: big }, waiting: 2, needs }])
    const vmId = await withVm(store, activeVm('one', { memoryBytes: 228 * mib }))
    const second = (first + 1) as JobId
    const outcomes = await store.change([claim(first, vmId), claim(second, vmId)], 2000)
    // Both fit exactly, and would not as their class.
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, true])
    expect((await store.vm(vmId))?.used.memoryBytes).toBe(228 * mib)
    await store.change([{ kind: 'ended', jobId: first, attempt: 1, vmId, result: sampleResult() }], 3000)
    expect((await store.vm(vmId))?.used.memoryBytes).toBe(128 * mib)
  })

  it('lists task queues by name, and a slice at a time', async () => {
    const { store } = await fresh()
    const specs = Array.from({ length: 5 }, (_, at) =>
      sampleSpec({ requirements: sampleRequirements({ tags: [`t${at}`] }) }),
    )
    await submitted(store, specs)
    const ids = specs.map(({ requirements }) => sampleQueue(alice, requirements).id).sort()
    const named = await store.queues({ ids: [ids[3] as ClassId, 'nothing' as ClassId] })
    expect(named.map(({ queue, waiting }) => [queue.id, waiting])).toEqual([[ids[3], 1]])
    const first = await store.queues({ after: '', limit: 2 })
    const rest = await store.queues({ after: first.at(-1)?.queue.id ?? '', limit: 9 })
    expect([...first, ...rest].map(({ queue }) => queue.id)).toEqual(ids)
  })
}
