/** The accountant: each attempt and each VM becomes one record, whichever process dies when. */

import { expect, it } from 'vitest'
import { account } from '../../../core/accounting/account.ts'
import { accountant, accountBatch } from '../../../services/accounting/account-facts.ts'
import { settleMeters } from '../../../services/accounting/settle-meters.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { recordKey, type UsageRecord } from '../../../core/model/usage-record.ts'
import type { Result } from '../../../core/model/attempt.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import type { JobEvent } from '../../../core/model/job-event.ts'
import type { Store } from '../../../core/ports/store.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { activeVm, alice, sampleResult, sampleSpec, sampleSubmission, sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const vm = sampleVm('one', { vos: ['lhcb'], pricePerHour: 3.6 })
const under = { role: 'accountant', fence: 1 }

async function withVm(store: Store): Promise<void> {
  await store.intend(vm, 1000)
  await store.changeVms([{ kind: 'activated', vmId: vm.id, keyHash: 'key', nonceHash: 'n' }], 1000)
}

async function submitted(store: Store, jobs = 1): Promise<JobId> {
  const answer = await store.submit(sampleSubmission(Array.from({ length: jobs }, () => sampleSpec())), 1000)
  if (!answer.ok) throw new Error(answer.why)
  return answer.firstId
}

async function records(store: Store): Promise<readonly UsageRecord[]> {
  return store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 1000 })
}

async function accounted(store: Store): Promise<readonly UsageRecord[]> {
  while ((await accountBatch({ store })) > 0) {
    // All that there is.
  }
  return records(store)
}

const ended = (jobId: JobId, result: Partial<Result>): JobEvent => {
  return { kind: 'ended', jobId, attempt: 1, vmId: vm.id, result: sampleResult({ wallMs: 50, ...result }) }
}
const asks = { by: 'alice', why: '' }

it.each<[string, (jobId: JobId) => readonly JobEvent[]]>([
  ['done', (jobId) => [ended(jobId, {})]],
  ['failed', (jobId) => [ended(jobId, { exitCode: 3 })]],
  ['failed', (jobId) => [ended(jobId, { end: 'signalled', signal: 'SIGSEGV' })]],
  ['limit-exceeded', (jobId) => [ended(jobId, { end: 'memory-limit' })]],
  ['limit-exceeded', (jobId) => [ended(jobId, { end: 'wall-limit' })]],
  ['not-started', (jobId) => [ended(jobId, { end: 'not-started' })]],
  ['abandoned', (jobId) => [ended(jobId, { end: 'abandoned' })]],
  ['machine-lost', (jobId) => [ended(jobId, { end: 'stopped' })]],
  ['machine-lost', (jobId) => [{ kind: 'lost', jobId, attempt: 1, why: 'gone' }]],
  ['withdrawn', (jobId) => [{ kind: 'withdraw', jobId, attempt: 1, vmId: vm.id, why: 'not received' }]],
  ['killed', (jobId) => [{ kind: 'kill', jobId, ...asks }, ended(jobId, { end: 'stopped' })]],
  [
    'killed',
    (jobId) => [
      { kind: 'kill', jobId, ...asks },
      { kind: 'lost', jobId, attempt: 1, why: 'gone' },
    ],
  ],
  ['rescheduled', (jobId) => [{ kind: 'reschedule', jobId, ...asks }, ended(jobId, { end: 'stopped' })]],
  [
    'rescheduled',
    (jobId) => [
      { kind: 'reschedule', jobId, ...asks },
      { kind: 'lost', jobId, attempt: 1, why: 'gone' },
    ],
  ],
  // It ended by itself before it was stopped.
  ['done', (jobId) => [{ kind: 'kill', jobId, ...asks }, ended(jobId, {})]],
])('an attempt that ends as %s has one record that says so', async (ending, events) => {
  const store = memoryStore()
  await withVm(store)
  const jobId = await submitted(store)
  await store.change([{ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: 9000 }], 2000)
  for (const event of events(jobId)) await store.change([event], 5000)
  const found = await accounted(store)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatchObject({ kind: 'attempt', ...alice, jobId, attempt: 1, ending, cores: 1, coreMs: 3000 })
  expect(found[0]).toMatchObject({ site: 'home', cloud: 'here', flavor: 'small', claimedMs: 2000, endedMs: 5000 })
  // 3.6 per hour for 8 cores: 0.000125 per core and second.
  expect(found[0]?.moneyMicros).toBe(375)
  await store.close()
})

it('records each attempt of a job, also of one that is deleted before it is accounted', async () => {
  const store = memoryStore()
  await withVm(store)
  const jobId = await submitted(store)
  const claim = { kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: 9000 } as const
  await store.change([claim, { kind: 'lost', jobId, attempt: 1, why: 'gone' }], 2000)
  await store.change([claim, { ...ended(jobId, {}), attempt: 2 } as JobEvent], 3000)
  await store.change([{ kind: 'delete', jobId, by: 'alice', why: '' }], 4000)
  expect((await accounted(store)).map(recordKey)).toEqual([`attempt:${jobId}.1`, `attempt:${jobId}.2`])
  await store.close()
})

it('has nothing to say of a job that ends without an attempt', async () => {
  const store = memoryStore()
  const jobId = await submitted(store, 2)
  await store.change([{ kind: 'kill', jobId, ...asks }], 2000)
  await store.change([{ kind: 'hold', jobId: (jobId + 1) as JobId, ...asks }], 2000)
  await store.change([{ kind: 'release', jobId: (jobId + 1) as JobId, ...asks }], 2000)
  expect(await accounted(store)).toEqual([])
  expect(await store.accountedSeq()).toBeGreaterThan(0)
  await store.close()
})

it('records an attempt on a VM whose intent it never saw, from the times of the attempt', async () => {
  const store = memoryStore()
  const old = activeVm('one', { pricePerHour: 3.6 })
  await store.intend(old, 1000)
  const jobId = await submitted(store)
  await store.change([{ kind: 'claim', jobId, vmId: old.id, cores: 2, untilMs: 9000 }], 2000)
  await store.change([ended(jobId, {})], 5000)
  await store.changeVms([{ kind: 'stop', vmId: old.id, why: '' }], 6000)
  await store.changeVms([{ kind: 'absent', vmId: old.id, why: '' }], 6000)
  const found = await accounted(store)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatchObject({ kind: 'attempt', coreMs: 6000, moneyMicros: 750, site: 'home' })
  await store.close()
})

it('counts once what a process that died had handed in, and what two hand in', async () => {
  const store = memoryStore()
  await withVm(store)
  const first = await submitted(store, 40)
  const claims = Array.from({ length: 8 }, (_, at) => {
    return { kind: 'claim', jobId: (first + at) as JobId, vmId: vm.id, cores: 1, untilMs: 9000 } as const
  })
  await store.change(claims, 2000)
  await store.change(
    claims.map(({ jobId }) => ended(jobId, {})),
    3000,
  )
  let deaths = 0
  const deadly: Store = {
    ...store,
    async account(batch) {
      const isTaken = await store.account(batch)
      deaths += 1
      if (deaths % 2 === 1) throw new PilotageError('unavailable', 'the process died behind the commit')
      return isTaken
    },
  }
  for (let tries = 0; tries < 60; tries += 1) {
    await Promise.all([accountBatch({ store: deadly }, 3).catch(() => 0), accountBatch({ store }, 4)])
  }
  const found = await records(store)
  expect(found.map(recordKey).sort()).toEqual(claims.map(({ jobId }) => `attempt:${jobId}.1`).sort())
  const [total] = await store.usage({ by: [], fromDay: '1970-01-01', toDay: '1970-01-02', filter: {}, limit: 1 })
  expect(total?.measures).toMatchObject({ records: 8, coreMs: 8000 })
  expect(deaths).toBeGreaterThan(2)
  await store.close()
})

it('works under its role alone, and forgets records of their age', async () => {
  const store = memoryStore()
  const clock = virtualClock()
  await withVm(store)
  const jobId = await submitted(store)
  await store.change([{ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: 9000 }, ended(jobId, {})], 2000)
  const { step } = accountant({ store, clock, keepRecordsMs: 3_600_000 })
  await step(undefined)
  expect(await records(store)).toEqual([])
  await step(under)
  expect(await records(store)).toHaveLength(1)
  await clock.advance(24 * 3_600_000)
  await step(under)
  expect(await records(store)).toEqual([])
  await store.close()
})

it('divides the core time of a VM whose attempts ended before facts said how, without records of them', () => {
  const vmFact = (seq: number, atMs: number, kind: string, ref = 'r'): Fact => {
    return { seq, atMs, subject: `vm:${vm.id}`, kind, data: { cloud: 'here', flavor: 'small', why: '', ref } }
  }
  const jobFact = (seq: number, atMs: number, kind: string): Fact => {
    return { seq, atMs, subject: 'job:7', kind, data: { attempt: 1, vm: vm.id, cores: 2 } }
  }
  const facts = [
    vmFact(1, 1000, 'Intended'),
    vmFact(2, 2000, 'Active'),
    jobFact(3, 3000, 'Matched'),
    jobFact(4, 3500, 'Running'),
    jobFact(5, 5000, 'Done'),
    vmFact(6, 6000, 'Stopping'),
    vmFact(7, 7000, 'Gone'),
  ]
  const { records, ended, meters } = account(facts, { meters: new Map(), vms: new Map([[vm.id, vm]]) })
  expect(records).toMatchObject([{ kind: 'vm', usedCoreMs: 4000, attempts: 1, overheadCoreMs: { unfilled: 12_000 } }])
  expect([ended, meters]).toEqual([[vm.id], []])
})

it('says what it did not see of a VM by no record of it', () => {
  const late = { cloud: 'here', flavor: 'small', why: '', ref: 'r' }
  const facts: Fact[] = [{ seq: 9, atMs: 7000, subject: `vm:${vm.id}`, kind: 'Gone', data: late }]
  expect(account(facts, { meters: new Map(), vms: new Map([[vm.id, vm]]) })).toEqual({ records: [], meters: [], ended: [] })
})

it('gives a VM its record a day after its end if facts of it were lost, once', async () => {
  const store = memoryStore()
  const clock = virtualClock(10_000)
  await withVm(store)
  const jobId = await submitted(store)
  await store.change([{ kind: 'claim', jobId, vmId: vm.id, cores: 2, untilMs: 9000 }], 2000)
  await accounted(store)
  await store.changeVms([{ kind: 'stop', vmId: vm.id, why: '' }], 5000)
  await store.changeVms([{ kind: 'absent', vmId: vm.id, why: '' }], 6000)
  await store.change([{ kind: 'lost', jobId, attempt: 1, why: 'gone' }], 7000)
  // The log forgot what happened.
  const last = (await store.facts(0, 100)).at(-1)?.seq ?? 0
  const lose = { records: [], meters: [], ended: [] }
  await store.account({ ...lose, afterSeq: await store.accountedSeq(), nextSeq: last - 1 })
  await clock.advance(24 * 3_600_000)
  // A fact that is not accounted yet may be its end.
  expect(await settleMeters({ store, clock })).toBe(0)
  await store.account({ ...lose, afterSeq: last - 1, nextSeq: last })
  expect(await settleMeters({ store, clock })).toBe(1)
  expect(await settleMeters({ store, clock })).toBe(0)
  expect(await records(store)).toMatchObject([
    // Boot took no time; the attempt held 2 of 8 cores from 2000 to the end.
    { kind: 'vm', state: 'Gone', endedMs: 6000, usedCoreMs: 8000, overheadCoreMs: { idle: 8000, unfilled: 24_000 } },
  ])
  await store.close()
})

it('lets the meter of a VM alone that lives, however long nothing happens', async () => {
  const store = memoryStore()
  const clock = virtualClock(10_000)
  await withVm(store)
  await accounted(store)
  await clock.advance(40 * 24 * 3_600_000)
  expect(await settleMeters({ store, clock })).toBe(0)
  expect(await store.meters([vm.id])).toHaveLength(1)
  await store.close()
})
