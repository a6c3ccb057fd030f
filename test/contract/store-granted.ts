/** What every store keeps of what a lease was granted: cores, GPUs and memory per core, within the record of the VM. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import { leaseOf } from '../../core/model/job.ts'
import type { Store } from '../../core/ports/store.ts'
import { activeVm, sampleRequirements, sampleResult, sampleSpec, sampleSubmission } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const mib = 1024 * 1024
const wish = { vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }

/** `opened`: what is closed after a test. */
export function grantedTests(opened: Store[], fresh: () => Promise<StoreHarness>): void {
  const vm = activeVm('one', { cores: 8, gpus: 3, memoryBytes: 1000 * mib })

  async function waitingJobs(store: Store, count: number, changes: Partial<Requirements>): Promise<readonly JobId[]> {
    const specs = Array.from({ length: count }, () => sampleSpec({ requirements: sampleRequirements(changes) }))
    const answer = await store.submit(sampleSubmission(specs), 1000)
    if (!answer.ok) throw new Error(answer.why)
    return specs.map((_, at) => (answer.firstId + at) as JobId)
  }

  const claim = async (store: Store, jobId: JobId | undefined, granted: { cores: number; gpus?: number }) => {
    const event = { kind: 'claim', jobId: jobId as JobId, vmId: vm.id, ...granted, untilMs: 90_000 } as const
    return (await store.change([event], 2000))[0]
  }

  describe('a lease', () => {
    it('holds the GPUs that were granted until it ends, also in a store that is opened again', async () => {
      const harness = await fresh()
      await harness.store.intend(vm, 1000)
      const ids = await waitingJobs(harness.store, 2, { gpus: { min: 1, max: 4, ...wish } })
      expect(await claim(harness.store, ids[0], { cores: 1, gpus: 2 })).toMatchObject({ ok: true })
      const reopened = await harness.reopen?.()
      if (reopened) opened.push(reopened)
      const store = reopened ?? harness.store
      const [job] = await store.jobs([ids[0] as JobId])
      expect(job && leaseOf(job.phase)).toMatchObject({ cores: 1, gpus: 2 })
      expect((await store.vm(vm.id))?.used).toMatchObject({ cores: 1, gpus: 2 })
      // One is left, whatever a pilot offers.
      expect(await claim(store, ids[1], { cores: 1, gpus: 2 })).toMatchObject({ ok: false, why: 'vm-full' })
      expect(await claim(store, ids[1], { cores: 1, gpus: 1 })).toMatchObject({ ok: true })
      await store.change([{ kind: 'ended', jobId: ids[0] as JobId, attempt: 1, vmId: vm.id, result: sampleResult() }], 3000)
      expect((await store.vm(vm.id))?.used).toMatchObject({ cores: 1, gpus: 1 })
    })

    it('of a job without GPUs says nothing of them', async () => {
      const { store } = await fresh()
      await store.intend(vm, 1000)
      const [id] = await waitingJobs(store, 1, {})
      await claim(store, id, { cores: 2 })
      const [job] = await store.jobs([id as JobId])
      expect(job && leaseOf(job.phase)).not.toHaveProperty('gpus')
      expect((await store.vm(vm.id))?.used.gpus ?? 0).toBe(0)
    })

    it('takes memory for each of its cores', async () => {
      const { store } = await fresh()
      await store.intend(vm, 1000)
      const memory = { memoryBytes: 100 * mib, memoryPerCoreBytes: 200 * mib }
      const ids = await waitingJobs(store, 2, { cores: { min: 1, max: 8 }, ...memory })
      expect(await claim(store, ids[0], { cores: 3 })).toMatchObject({ ok: true })
      expect((await store.vm(vm.id))?.used).toMatchObject({ cores: 3, memoryBytes: 700 * mib })
      expect(await claim(store, ids[1], { cores: 2 })).toMatchObject({ ok: false, why: 'vm-full' })
      expect(await claim(store, ids[1], { cores: 1 })).toMatchObject({ ok: true })
    })
  })

  it('what a pilot found of its VM is kept, with the fact of a broken promise', async () => {
    const { store } = await fresh()
    const promising = { ...vm, traits: { glibc: '2.34' } }
    await store.intend(promising, 1000)
    const [outcome] = await store.changeVms([{ kind: 'found', vmId: vm.id, found: { glibc: '2.28', os: 'debian' } }], 2000)
    expect(outcome).toMatchObject({ ok: true })
    expect((await store.vm(vm.id))?.vm).toMatchObject({ found: { glibc: '2.28', os: 'debian' }, traits: { glibc: '2.34' } })
  })
}
