/** What every store must do. An adapter's test calls this with a way to open an empty store, and to open the same again. */

import { afterEach, describe, expect, it } from 'vitest'
import { sleep, systemClock } from '../../core/kernel/clock.ts'
import type { ClassId, JobId } from '../../core/kernel/ids.ts'
import type { JobSpec } from '../../core/model/job.ts'
import { contactMs } from '../../core/model/vm.ts'
import type { Store } from '../../core/ports/store.ts'
import { sampleEntry } from '../../sim/sample-images.ts'
import { accountingTests } from './store-accounting.ts'
import { bulkTests } from './store-bulk.ts'
import { deletionTests } from './store-deletion.ts'
import { grantedTests } from './store-granted.ts'
import { dependencyTests } from './store-dependencies.ts'
import { imageTests } from './store-images.ts'
import { noteTests } from './store-notes.ts'
import type { StoreHarness } from './store-harness.ts'
import { listingTests } from './store-listing.ts'
import { queueTests } from './store-queues.ts'
import {
  activeVm,
  alice,
  bob,
  sampleQueue,
  sampleRequirements,
  sampleResult,
  sampleSpec,
  sampleSubmission,
  sampleVm,
} from '../../sim/samples.ts'

const n = 1000
const clock = systemClock()

/** Asks again until there is something. */
async function until<T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await ask()
    if (found.length > 0) return found
    await sleep(clock, 20)
  }
  return []
}

export function storeContract(name: string, open: () => Promise<StoreHarness>): void {
  describe(`store: ${name}`, () => {
    const opened: Store[] = []
    const fresh = async (): Promise<StoreHarness> => {
      const harness = await open()
      opened.push(harness.store)
      return harness
    }
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close()
    })

    const submitted = async (store: Store, specs: readonly JobSpec[], owner = alice): Promise<JobId[]> => {
      const answer = await store.submit(sampleSubmission(specs, owner), 1000)
      if (!answer.ok) throw new Error(answer.why)
      return Array.from({ length: answer.count }, (_, at) => (answer.firstId + at) as JobId)
    }
    const withVm = async (store: Store, vm = activeVm('one')) => {
      expect(await store.intend(vm, 1000)).toBe(true)
      return vm.id
    }
    const claim = (jobId: JobId, vmId: ReturnType<typeof activeVm>['id'], untilMs = 5000) =>
      ({ kind: 'claim', jobId, vmId, cores: 1, untilMs }) as const

    describe('submitting', () => {
      it('gives consecutive ids, keeps what was given, and counts', async () => {
        const { store } = await fresh()
        const ids = await submitted(store, [sampleSpec({ name: 'a' }), sampleSpec({ name: 'b', priority: 5 })])
        expect(ids[1]).toBe((ids[0] ?? 0) + 1)
        const jobs = await store.jobs([...ids].reverse())
        expect(jobs.map(({ name, priority, phase, vo }) => [name, priority, phase.state, vo])).toEqual([
          ['b', 5, 'Waiting', 'lhcb'],
          ['a', 0, 'Waiting', 'lhcb'],
        ])
        expect((await store.specs(ids)).get(ids[0] as JobId)).toEqual(sampleSpec({ name: 'a' }))
        expect(await store.counts()).toEqual([{ state: 'Waiting', vo: 'lhcb', site: '', count: 2 }])
      })

      it('gives the first answer for a known key, and refuses it for another content', async () => {
        const { store } = await fresh()
        const first = await store.submit(sampleSubmission([sampleSpec()], alice, 'k'), 1000)
        expect(first).toMatchObject({ ok: true, repeated: false })
        expect(await store.submit(sampleSubmission([sampleSpec()], alice, 'k'), 2000)).toEqual({ ...first, repeated: true })
        const other = sampleSubmission([sampleSpec({ name: 'other' })], alice, 'k')
        expect(await store.submit(other, 2000)).toEqual({ ok: false, why: 'key-conflict' })
        expect((await store.list({ vo: 'lhcb', limit: n })).length).toBe(1)
      })

      it('keeps the keys of one owner apart from those of every other', async () => {
        const { store } = await fresh()
        const others = [bob, { ...alice, owner: 'carol' }, { ...alice, group: 'other' }, { ...alice, vo: 'other' }]
        for (const owner of [alice, ...others]) {
          const submission = sampleSubmission([sampleSpec()], owner, 'k')
          expect(await store.submit(submission, 1000)).toMatchObject({ ok: true, repeated: false })
          expect(await store.submit(submission, 1000)).toMatchObject({ ok: true, repeated: true })
        }
        expect((await store.list({ limit: n })).length).toBe(1 + others.length)
      })

      it('keeps the keys of the service apart from those of users', async () => {
        const { store } = await fresh()
        const own = sampleSubmission([sampleSpec()], alice, 'job 1')
        const users = ['job 1', '"reschedule","job 1"', 'reschedule'].map((key) =>
          sampleSubmission([sampleSpec()], alice, key),
        )
        for (const submission of users) expect(await store.submit(submission, 1000)).toMatchObject({ repeated: false })
        const again = {
          ...own,
          idempotency: { key: 'job 1', digest: 'of the service', space: 'reschedule' } as const,
        }
        expect(await store.submit(again, 1000)).toMatchObject({ ok: true, repeated: false })
        expect(await store.submit(again, 1000)).toMatchObject({ ok: true, repeated: true })
      })

      it('adds once when the same key arrives many times at once', async () => {
        const { store } = await fresh()
        const submission = sampleSubmission([sampleSpec(), sampleSpec()], alice, 'k')
        const answers = await Promise.all(Array.from({ length: 8 }, () => store.submit(submission, 1000)))
        expect(new Set(answers.map((answer) => answer.ok && answer.firstId)).size).toBe(1)
        expect((await store.list({ limit: n })).length).toBe(2)
      })
    })

    describe('changing jobs', () => {
      it('lets one of two claims win, and the other change nothing', async () => {
        const { store } = await fresh()
        const [id] = (await submitted(store, [sampleSpec()])) as [JobId]
        const [one, two] = [await withVm(store), await withVm(store, activeVm('two'))]
        const outcomes = (
          await Promise.all([store.change([claim(id, one)], 2000), store.change([claim(id, two)], 2000)])
        ).flat()
        expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
        expect(outcomes.find(({ ok }) => ok)).toMatchObject({ was: 'Waiting', spec: sampleSpec(), job: { attempt: 1 } })
        expect(outcomes.find(({ ok }) => !ok)).toEqual({ ok: false, why: 'not-waiting' })
      })

      it('gives no job to a VM that is not Active', async () => {
        const { store } = await fresh()
        const [id] = (await submitted(store, [sampleSpec()])) as [JobId]
        const vm = await withVm(store, sampleVm('one'))
        const unknown = activeVm('none').id
        const draining = await withVm(store, activeVm('two'))
        await store.changeVms([{ kind: 'drain', vmId: draining, why: 'test' }], 1500)
        const outcomes = await store.change([claim(id, vm), claim(id, unknown), claim(id, draining)], 2000)
        expect(outcomes).toEqual(Array.from({ length: 3 }, () => ({ ok: false, why: 'vm-not-active' })))
      })

      it('answers each event in order, also several for one job', async () => {
        const { store } = await fresh()
        const [id] = (await submitted(store, [sampleSpec()])) as [JobId]
        const vmId = await withVm(store)
        const result = sampleResult({ startedMs: 2000, endedMs: 2000, wallMs: 0 })
        const outcomes = await store.change(
          [
            claim(id, vmId),
            { kind: 'running', jobId: id, attempt: 1, vmId, startedMs: 2000 },
            { kind: 'ended', jobId: id, attempt: 1, vmId, result },
            { kind: 'kill', jobId: id, by: 'alice', why: '' },
            { kind: 'kill', jobId: 999_999 as JobId, by: 'alice', why: '' },
          ],
          2000,
        )
        expect(outcomes.map((outcome) => (outcome.ok ? outcome.job.phase.state : outcome.why))).toEqual([
          'Matched',
          'Running',
          'Done',
          'ended',
          'not-found',
        ])
        expect((await store.jobs([id]))[0]?.phase).toMatchObject({ state: 'Done', result })
      })

      it('refuses what an old attempt says', async () => {
        const { store } = await fresh()
        const [id] = (await submitted(store, [sampleSpec()])) as [JobId]
        const vmId = await withVm(store)
        await store.change([claim(id, vmId), { kind: 'lost', jobId: id, attempt: 1, why: 'test' }, claim(id, vmId)], 2000)
        const stale = { kind: 'ended', jobId: id, attempt: 1, vmId, result: sampleResult() } as const
        expect(await store.change([stale], 3000)).toEqual([{ ok: false, why: 'stale' }])
        expect((await store.jobs([id]))[0]).toMatchObject({ attempt: 2, phase: { state: 'Matched' } })
      })

      it('lists leases that ended, oldest first, and not those renewed since', async () => {
        const { store } = await fresh()
        const ids = await submitted(store, [sampleSpec(), sampleSpec(), sampleSpec()])
        const vmId = await withVm(store)
        await store.change(
          ids.map((id, at) => claim(id, vmId, 5000 - at)),
          2000,
        )
        const [first, second, third] = ids as [JobId, JobId, JobId]
        await store.change([{ kind: 'renew', jobId: second, attempt: 1, vmId, untilMs: 9000 }], 2500)
        expect(await store.expired(4000, n)).toEqual([])
        expect(await store.expired(6000, n)).toEqual([
          { jobId: third, attempt: 1 },
          { jobId: first, attempt: 1 },
        ])
        expect(await store.expired(6000, 1)).toEqual([{ jobId: third, attempt: 1 }])
        const lost = { kind: 'lost', jobId: second, attempt: 1, why: 'lease', ifBeforeMs: 6000 } as const
        expect(await store.change([lost], 6000)).toEqual([{ ok: false, why: 'renewed' }])
      })

      it('finds leases that end too late, among others, and cuts them', async () => {
        const { store } = await fresh()
        const ids = await submitted(store, [sampleSpec(), sampleSpec(), sampleSpec()])
        const vmId = await withVm(store)
        await store.change(
          ids.map((id, at) => claim(id, vmId, at === 0 ? 5000 : 90_000)),
          2000,
        )
        const late = ids.slice(1).map((jobId) => ({ jobId, attempt: 1 }))
        expect((await store.leasesBeyond(80_000, n)).toSorted((a, b) => a.jobId - b.jobId)).toEqual(late)
        expect(await store.leasesBeyond(80_000, 1)).toHaveLength(1)
        await store.change(
          late.map((ref) => ({ kind: 'cut', ...ref, untilMs: 6000 })),
          2500,
        )
        expect(await store.leasesBeyond(6000, n)).toEqual([])
        expect(await store.expired(6001, n)).toHaveLength(3)
      })
    })

    describe('claims beyond the record of a VM', () => {
      const gib = 1024 ** 3
      const big = (changes: Parameters<typeof sampleRequirements>[0]) =>
        sampleSpec({ requirements: sampleRequirements(changes) })
      const claimAll = async (store: Store, specs: readonly JobSpec[], cores = 1) => {
        const ids = await submitted(store, specs)
        const vmId = await withVm(store, activeVm('one', { cores: 4, memoryBytes: 8 * gib, diskBytes: 8 * gib }))
        const claims = ids.map((jobId) => ({ kind: 'claim', jobId, vmId, cores, untilMs: 9000 }) as const)
        return { ids, vmId, claims, outcomes: await store.change(claims, 2000) }
      }
      const refusals = (outcomes: readonly { ok: boolean }[]) =>
        outcomes.map((outcome) => ('why' in outcome ? outcome.why : ''))

      it('are refused in cores, in memory and in disk, and their jobs wait on', async () => {
        for (const [spec, cores, fit] of [
          [sampleSpec(), 1, 4],
          [sampleSpec(), 2, 2],
          [big({ memoryBytes: 3 * gib }), 1, 2],
          [big({ diskBytes: 8 * gib }), 1, 1],
        ] as const) {
          const { store } = await fresh()
          const { ids, vmId, outcomes } = await claimAll(store, Array(6).fill(spec), cores)
          expect(refusals(outcomes)).toEqual([...Array(fit).fill(''), ...Array(6 - fit).fill('vm-full')])
          expect((await store.leasesOn(vmId)).map(({ id }) => id)).toEqual(ids.slice(0, fit))
          const left = (await store.jobs(ids.slice(fit))).map(({ phase }) => phase.state)
          expect(left).toEqual(Array(6 - fit).fill('Waiting'))
        }
      })

      it('are granted for what an end in the same call gives back', async () => {
        const { store } = await fresh()
        const { ids, vmId, claims } = await claimAll(store, Array(5).fill(sampleSpec()))
        const ended = { kind: 'ended', jobId: ids[0] as JobId, attempt: 1, vmId, result: sampleResult() } as const
        const [one, two] = await Promise.all([store.change([ended], 3000), store.change(claims.slice(4), 3000)])
        expect([...refusals(one), ...refusals(two)]).toEqual(['', ''])
      })

      it('raise one alarm per VM and minute', async () => {
        const { store } = await fresh()
        const { vmId, claims } = await claimAll(store, Array(6).fill(sampleSpec()))
        await store.change(claims.slice(4), 3000)
        const alarms = (await store.history(`vm:${vmId}`, n)).filter(({ kind }) => kind === 'claim refused')
        expect(alarms).toHaveLength(1)
        expect(alarms[0]?.data).toMatchObject({ cores: 4, heldCores: 4 })
      })

      it('of many calls at once never add up to more than the record', async () => {
        const { store } = await fresh()
        const ids = await submitted(store, Array(12).fill(sampleSpec()))
        const vmId = await withVm(store, activeVm('one', { cores: 4 }))
        await Promise.all(ids.map((id) => store.change([claim(id, vmId)], 2000)))
        expect((await store.vm(vmId))?.used.cores).toBe(4)
      })
    })

    it('takes a claim back without using up a try, and only before the pilot ran it', async () => {
      const { store } = await fresh()
      const [id] = (await submitted(store, [sampleSpec({ maxAttempts: 1 })])) as [JobId]
      const vmId = await withVm(store)
      const withdraw = (attempt: number) => ({ kind: 'withdraw', jobId: id, attempt, vmId, why: 'test' }) as const
      const [, back] = await store.change([claim(id, vmId), withdraw(1)], 2000)
      expect(back).toMatchObject({ ok: true, job: { attempt: 1, maxAttempts: 2, phase: { state: 'Waiting' } } })
      await store.change([claim(id, vmId), { kind: 'running', jobId: id, attempt: 2, vmId, startedMs: 2000 }], 2000)
      expect(await store.change([withdraw(2), withdraw(1)], 2000)).toEqual(Array(2).fill({ ok: false, why: 'stale' }))
    })

    it('counts what was lost with its machine apart, up to its own maximum', async () => {
      const { store } = await fresh()
      const [id] = (await submitted(store, [sampleSpec({ maxAttempts: 1, maxMachineLosses: 2 })])) as [JobId]
      const vmId = await withVm(store)
      const lost = (attempt: number) => ({ kind: 'lost', jobId: id, attempt, why: 'test' }) as const
      await store.change([claim(id, vmId), lost(1)], 2000)
      const [waiting] = await store.jobs([id])
      const counts = { attempt: 1, maxAttempts: 2, machineLosses: 1, maxMachineLosses: 2 }
      expect(waiting).toMatchObject({ ...counts, phase: { state: 'Waiting' } })
      expect((await store.specs([id])).get(id)).toMatchObject({ maxAttempts: 1, maxMachineLosses: 2 })
      await store.change([claim(id, vmId), lost(2)], 2000)
      const [failed] = await store.jobs([id])
      expect(failed).toMatchObject({
        machineLosses: 2,
        phase: { state: 'Failed', why: 'test, after 2 of 2 machine losses' },
      })
    })

    describe('reading', () => {
      it('lists the next of a queue by priority, then age, without those that left', async () => {
        const { store } = await fresh()
        const ids = await submitted(
          store,
          [0, 5, 0, 9, 5].map((priority) => sampleSpec({ priority })),
        )
        const queue = sampleQueue().id
        const order = [3, 1, 4, 0, 2].map((at) => ids[at])
        expect((await store.next(queue, n)).map(({ id }) => id)).toEqual(order)
        await store.change([{ kind: 'hold', jobId: ids[1] as JobId, by: 'alice', why: '' }], 2000)
        expect((await store.next(queue, 2)).map(({ id }) => id)).toEqual([ids[3], ids[4]])
        expect(await store.next('nothing' as ClassId, n)).toEqual([])
      })

      it('lists every queue with waiting jobs', async () => {
        const { store } = await fresh()
        const big = sampleRequirements({ cores: { min: 4, max: 4 } })
        await submitted(store, [sampleSpec(), sampleSpec({ priority: 3 }), sampleSpec({ requirements: big })])
        const [id] = (await submitted(store, [sampleSpec()], bob)) as [JobId]
        await store.change([{ kind: 'kill', jobId: id, by: 'bob', why: '' }], 2000)
        const queues = [...(await store.queues())].sort((a, b) => b.waiting - a.waiting)
        expect(queues).toEqual([
          { queue: sampleQueue(), waiting: 2, topPriority: 3, oldestMs: 1000 },
          { queue: sampleQueue(alice, big), waiting: 1, topPriority: 0, oldestMs: 1000 },
        ])
      })

      it('lists newest first, by VO, owner and state, a page at a time', async () => {
        const { store } = await fresh()
        const mine = await submitted(
          store,
          Array.from({ length: 5 }, () => sampleSpec()),
        )
        const theirs = await submitted(store, [sampleSpec()], bob)
        await store.change([{ kind: 'kill', jobId: mine[2] as JobId, by: 'alice', why: '' }], 2000)
        const idsOf = async (query: Parameters<Store['list']>[0]) => (await store.list(query)).map(({ id }) => id)
        expect(await idsOf({ limit: n })).toEqual([...mine, ...theirs].reverse())
        expect(await idsOf({ vo: 'lhcb', limit: 2 })).toEqual([mine[4], mine[3]])
        expect(await idsOf({ vo: 'lhcb', limit: 2, after: { id: mine[3] as JobId, changedMs: 0 } })).toEqual([
          mine[2],
          mine[1],
        ])
        expect(await idsOf({ owner: 'alice', states: ['Killed'], limit: n })).toEqual([mine[2]])
        expect(await idsOf({ vo: 'unknown', limit: n })).toEqual([])
      })
    })

    describe('VMs', () => {
      it('takes an id once and lists what each VM holds', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        expect(await store.intend(activeVm('one'), 2000)).toBe(false)
        const ids = await submitted(store, [sampleSpec(), sampleSpec()])
        await store.change(
          ids.map((id) => claim(id, vmId)),
          2000,
        )
        const mib = 1024 * 1024
        const used = { cores: 2, memoryBytes: 128 * mib, diskBytes: 128 * mib }
        expect(await store.vm(vmId)).toEqual({ vm: activeVm('one'), leases: 2, used })
        expect((await store.liveVms()).map(({ vm, leases }) => [vm.id, leases])).toEqual([[vmId, 2]])
        expect((await store.leasesOn(vmId)).map(({ id }) => id)).toEqual(ids)
        expect(await store.counts()).toEqual([{ state: 'Matched', vo: 'lhcb', site: 'home', count: 2 }])
      })

      it('refuses what was decided before the VM was in contact', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        const seen = await store.vm(vmId)
        const ifContactMs = seen ? contactMs(seen.vm) : 0
        const beat = { atMs: 9000, load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, idleMs: 0 }
        const heartbeat = { ...beat, pilotState: 'idle', payloads: 0, unhealthy: '' }
        await store.changeVms([{ kind: 'heartbeat', vmId, heartbeat }], 9000)
        const stop = { kind: 'stop', vmId, why: 'heartbeat lost' } as const
        expect(await store.changeVms([{ ...stop, ifContactMs }], 9001)).toEqual([{ ok: false, why: 'contacted' }])
        expect((await store.vm(vmId))?.vm.phase.state).toBe('Active')
        const [taken] = await store.changeVms([{ ...stop, ifContactMs: 9000 }], 9002)
        expect(taken).toMatchObject({ ok: true, was: 'Active' })
      })

      it('keeps what a pilot found of its VM, with one fact where that is less than promised', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        const { memoryBytes, diskBytes } = activeVm('one')
        const size = { cores: 3, memoryBytes: memoryBytes - 1, diskBytes }
        const beat = { load1: 0, memoryUsedBytes: 0, memoryTotalBytes: 1, diskFreeBytes: 1, idleMs: 0, payloads: 0 }
        for (const atMs of [9000, 9001]) {
          const heartbeat = { ...beat, atMs, pilotState: 'idle', unhealthy: '', isolation: 'plain', size }
          await store.changeVms([{ kind: 'heartbeat', vmId, heartbeat }], atMs)
        }
        expect((await store.liveVms()).map(({ vm }) => vm.beat?.size)).toEqual([size])
        const facts = await store.history(`vm:${vmId}`, 100)
        const found = facts.filter(({ kind }) => kind === 'less than promised')
        const promised = { promisedCores: 8, promisedMemoryBytes: memoryBytes, promisedDiskBytes: diskBytes }
        expect(found.map(({ data }) => data)).toEqual([{ ...size, ...promised }])
      })

      it('keeps for whom a VM is reserved, with a fact of its beginning and its end', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        const reservation = { classId: sampleQueue().id, jobId: 7 as JobId, sinceMs: 2000, untilMs: 9000 }
        const reserve = { kind: 'reserve', vmId, reservation } as const
        const ofOther = { ...reserve, reservation: { ...reservation, classId: 'other' as ClassId } }
        const outcomes = await store.changeVms([reserve, reserve, ofOther], 2000)
        expect(outcomes.map((outcome) => (outcome.ok ? outcome.vm.reserved : outcome.why))).toEqual([
          reservation,
          reservation,
          'reserved',
        ])
        expect((await store.vm(vmId))?.vm.reserved).toEqual(reservation)
        expect((await store.liveVms()).map(({ vm }) => vm.reserved)).toEqual([reservation])
        await store.changeVms([{ kind: 'unreserve', vmId, classId: reservation.classId, why: 'done' }], 3000)
        expect((await store.vm(vmId))?.vm.reserved).toBeUndefined()
        await store.changeVms([reserve], 4000)
        await store.changeVms([{ kind: 'drain', vmId, why: 'old' }], 5000)
        expect((await store.vm(vmId))?.vm.reserved).toBeUndefined()
        const facts = (await store.history(`vm:${vmId}`, 100)).filter(({ kind }) => kind.startsWith('room'))
        const about = { queue: reservation.classId, job: 7 }
        const began = { ...about, why: 'a job at the front of the task queue waits for more room than is free' }
        expect(facts.map(({ kind, data }) => [kind, data])).toEqual([
          ['room reserved', began],
          ['room released', { ...about, why: 'done' }],
          ['room reserved', began],
          ['room released', { ...about, why: 'the VM is Draining' }],
        ])
      })

      it('retires a VM only while it holds nothing, and then gives it nothing', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        const [first, second] = (await submitted(store, [sampleSpec(), sampleSpec()])) as [JobId, JobId]
        await store.change([claim(first, vmId)], 2000)
        const retire = { kind: 'retire', vmId, why: 'idle' } as const
        expect(await store.changeVms([retire], 2000)).toEqual([{ ok: false, why: 'busy' }])
        await store.change([{ kind: 'ended', jobId: first, attempt: 1, vmId, result: sampleResult() }], 2000)
        const [[retired], [claimed]] = await Promise.all([
          store.changeVms([retire], 2000),
          store.change([claim(second, vmId)], 2000),
        ])
        expect([retired?.ok, claimed?.ok].filter(Boolean)).toHaveLength(1)
      })

      it('moves ended VMs from the live to the ended ones', async () => {
        const { store } = await fresh()
        const vmId = await withVm(store)
        await store.changeVms([{ kind: 'absent', vmId, why: 'vanished' }], 2000)
        expect(await store.liveVms()).toEqual([])
        expect((await store.endedVms(n)).map((vm) => [vm.id, vm.phase.state])).toEqual([[vmId, 'Lost']])
        expect((await store.vm(vmId))?.vm.phase.state).toBe('Lost')
        expect(await store.changeVms([{ kind: 'drain', vmId, why: '' }], 2000)).toEqual([{ ok: false, why: 'ended' }])
      })
    })

    describe('facts and notes', () => {
      it('lists the facts of a job in order', async () => {
        const { store } = await fresh()
        const [id] = (await submitted(store, [sampleSpec()])) as [JobId]
        const vmId = await withVm(store)
        await store.change([claim(id, vmId), { kind: 'kill', jobId: id, by: 'alice', why: 'enough' }], 2000)
        await store.change([{ kind: 'ended', jobId: id, attempt: 1, vmId, result: sampleResult({ end: 'stopped' }) }], 3000)
        const story = await store.history(`job:${id}`, n)
        expect(story.map(({ kind, atMs }) => [kind, atMs])).toEqual([
          ['Matched', 2000],
          ['asked to kill', 2000],
          ['Killed', 3000],
        ])
        expect((await store.history(`job:${id}`, 1)).map(({ kind }) => kind)).toEqual(['Killed'])
      })

      it('orders all facts, and goes on from any of them', async () => {
        const { store } = await fresh()
        await store.emit(
          ['a', 'b', 'c'].map((kind) => ({ subject: 'cloud:here', kind, data: { n: 1 } })),
          1000,
        )
        const all = await store.facts(-1, n)
        expect(all.map(({ kind }) => kind)).toEqual(['a', 'b', 'c'])
        expect((await store.facts(all[0]?.seq ?? 0, 1)).map(({ kind }) => kind)).toEqual(['b'])
        expect((await store.facts(-1, 1)).map(({ kind }) => kind)).toEqual(['c'])
      })
    })

    describe('roles', () => {
      // A store with a clock of its own goes by that one: holdings are short, and their end is waited for.
      const holdMs = 300
      const hold = (store: Store, holder: string) => store.hold('cloud:here', holder, holdMs, clock.nowMs())

      it('gives a role to one holder, and to the next with a higher fence', async () => {
        const { store } = await fresh()
        const first = await hold(store, 'one')
        expect(first).toMatchObject({ role: 'cloud:here', holder: 'one' })
        expect(await hold(store, 'two')).toBeUndefined()
        expect((await hold(store, 'one'))?.fence).toBe(first?.fence)
        expect((await store.roles('cloud:', clock.nowMs())).map(({ holder }) => holder)).toEqual(['one'])
        expect(await store.roles('other:', clock.nowMs())).toEqual([])
        await store.letGo('cloud:here', 'two')
        expect(await hold(store, 'two')).toBeUndefined()
        await store.letGo('cloud:here', 'one')
        expect(await store.roles('cloud:', clock.nowMs())).toEqual([])
        expect((await hold(store, 'two'))?.fence).toBeGreaterThan(first?.fence ?? 0)
      })

      it('passes it on when it was not renewed, and one of many who want it gets it', async () => {
        const { store } = await fresh()
        const first = await hold(store, 'one')
        const next = await until(async () => {
          const got = await Promise.all(['two', 'three', 'four'].map((holder) => hold(store, holder)))
          return got.filter((lease) => lease !== undefined)
        })
        expect(next).toHaveLength(1)
        expect(next[0]?.fence).toBeGreaterThan(first?.fence ?? 0)
      })

      it('passes on in time what was written with a clock that was ahead', async () => {
        const { store } = await fresh()
        const first = await store.hold('cloud:here', 'one', 3_600_000, clock.nowMs())
        expect(await hold(store, 'two')).toBeUndefined()
        const [next] = await until(async () => [await hold(store, 'two')].filter((lease) => lease !== undefined))
        expect(next?.fence).toBeGreaterThan(first?.fence ?? 0)
      })

      it('takes no intent under a role that has passed to another', async () => {
        const { store } = await fresh()
        const first = await hold(store, 'one')
        const under = { role: 'cloud:here', fence: first?.fence ?? 0 }
        expect(await store.intend(sampleVm('one'), 1000, under)).toBe(true)
        await store.letGo('cloud:here', 'one')
        expect(await hold(store, 'two')).toBeDefined()
        expect(await store.intend(sampleVm('two'), 1000, under)).toBe(false)
        expect((await store.liveVms()).map(({ vm }) => vm.id)).toEqual([sampleVm('one').id])
      })
    })

    imageTests(fresh)
    noteTests(fresh)
    accountingTests(fresh)
    queueTests(opened, fresh)
    bulkTests(opened, fresh)
    grantedTests(opened, fresh)
    listingTests(opened, fresh)
    dependencyTests(opened, fresh)
    deletionTests(opened, fresh)

    it('forgets what ended long ago and nothing else, and gives no id twice', async () => {
      const { store } = await fresh()
      const ids = await submitted(store, [sampleSpec(), sampleSpec(), sampleSpec()])
      await store.change([{ kind: 'kill', jobId: ids[0] as JobId, by: 'a', why: '' }], 2000)
      await store.change([{ kind: 'kill', jobId: ids[2] as JobId, by: 'a', why: '' }], 9000)
      expect(await store.forget(5000, n)).toEqual([ids[0]])
      expect((await store.jobs(ids)).map(({ id }) => id)).toEqual([ids[1], ids[2]])
      expect((await store.specs(ids)).size).toBe(2)
      expect((await store.counts()).map(({ state, count }) => [state, count]).sort()).toEqual([
        ['Killed', 1],
        ['Waiting', 1],
      ])
    })

    it('finds everything again after it was closed', async ({ skip }) => {
      const { store, reopen } = await fresh()
      if (!reopen) return skip('nothing outlives a close')
      const ids = await submitted(store, [sampleSpec(), sampleSpec(), sampleSpec()])
      const vmId = await withVm(store)
      await store.change([claim(ids[0] as JobId, vmId), { kind: 'kill', jobId: ids[1] as JobId, by: 'a', why: '' }], 2000)
      await store.changeImage({ kind: 'add', entry: sampleEntry(), signature: 's', by: 'ada' }, 2000)
      const [images, vms, queues] = await Promise.all([store.images(), store.liveVms(), store.queues()])
      const before = { counts: await store.counts(), images, vms, queues }
      opened.splice(0)
      const again = await reopen()
      opened.push(again)
      const sorted = (counts: typeof before.counts) => [...counts].sort((a, b) => a.state.localeCompare(b.state))
      expect(sorted(await again.counts())).toEqual(sorted(before.counts))
      expect(await again.liveVms()).toEqual(before.vms)
      expect(await again.images()).toEqual(before.images)
      expect(await again.queues()).toEqual(before.queues)
      expect(await again.expired(9000, n)).toEqual([{ jobId: ids[0], attempt: 1 }])
      const [more] = await submitted(again, [sampleSpec()])
      expect(more).toBe((ids[2] ?? 0) + 1)
    })
  })
}
