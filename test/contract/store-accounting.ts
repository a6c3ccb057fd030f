/**
 * The part of the store's contract that is about usage: a batch is taken once and whole, and the daily sums are those of the
 * records.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accountBatch } from '../../services/accounting/account-facts.ts'
import type { JobId, VmId } from '../../core/kernel/ids.ts'
import {
  type AttemptUsage,
  attemptEndings,
  dayOf,
  overheads,
  type Overhead,
  overheadMoney,
  recordKey,
  summedUsage,
  type UsageAttribute,
  usageAttributes,
  type UsageMeasures,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
  type UsageSum,
  plusMeasures,
  type VmUsage,
} from '../../core/model/usage-record.ts'
import type { Store } from '../../core/ports/store.ts'
import { activeVm, alice, sampleResult, sampleSpec, sampleSubmission, sampleVm } from '../../sim/samples.ts'
import type { StoreHarness } from './store-harness.ts'

const november = Date.UTC(2026, 10, 1)
const hourMs = 3_600_000
const everything: UsageQuery = { by: [], fromDay: '0000-01-01', toDay: '9999-12-31', filter: {}, limit: 1000 }

function attemptUsage(jobId: number, changes: Partial<AttemptUsage> = {}): AttemptUsage {
  return {
    kind: 'attempt',
    ...alice,
    jobId: jobId as JobId,
    attempt: 1,
    vmId: 'vm-aaaaaaaaaa' as VmId,
    site: 'home',
    cloud: 'here',
    flavor: 'small',
    cores: 2,
    claimedMs: november,
    startedMs: november + 1,
    endedMs: november + hourMs,
    wallMs: hourMs,
    cpuMs: hourMs,
    peakMemoryBytes: 1024 * 1024,
    coreMs: 2 * hourMs,
    moneyMicros: 5,
    ending: 'done',
    ...changes,
  }
}

function vmUsage(vmId: string, overheadCoreMs: VmUsage['overheadCoreMs'], changes: Partial<VmUsage> = {}): VmUsage {
  const [cores, pricePerHour] = [8, 0.5]
  return {
    kind: 'vm',
    vmId: vmId as VmId,
    vo: '',
    site: 'home',
    cloud: 'here',
    flavor: 'small',
    cores,
    memoryBytes: 1024,
    pricePerHour,
    intendedMs: november,
    activeMs: november + 10,
    endedMs: november + hourMs,
    state: 'Gone',
    attempts: 0,
    usedCoreMs: 0,
    overheadCoreMs,
    moneyMicros: overheadMoney({ overheadCoreMs, pricePerHour, cores }),
    ...changes,
  }
}

const places = fc.record({
  site: fc.constantFrom('home', 'away', 'a"\\ \u00e9'),
  cloud: fc.constantFrom('here', 'there'),
  flavor: fc.constantFrom('small', 'large'),
  endedMs: fc.integer({ min: november, max: november + 40 * 24 * hourMs }),
})
const amounts = fc.record({
  coreMs: fc.nat(1e9),
  wallMs: fc.nat(1e9),
  cpuMs: fc.nat(1e9),
  peakMemoryBytes: fc.nat(1e9),
  moneyMicros: fc.nat(1e9),
})
const someAttempt = fc
  .record({
    place: places,
    amount: amounts,
    cores: fc.integer({ min: 1, max: 16 }),
    owner: fc.record({
      vo: fc.constantFrom('lhcb', 'belle'),
      group: fc.constantFrom('user', 'prod'),
      owner: fc.constantFrom('a', 'b', '\u{1f600}'),
    }),
    ending: fc.constantFrom(...attemptEndings),
    jobId: fc.integer({ min: 1, max: 500 }),
    attempt: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ place, amount, owner, jobId, ...rest }) => attemptUsage(jobId, { ...place, ...amount, ...owner, ...rest }))
const someVm = fc
  .record({
    place: places,
    id: fc.nat(50),
    vo: fc.constantFrom('', 'lhcb'),
    overhead: fc.dictionary(fc.constantFrom(...overheads), fc.nat(1e9), { noNullPrototype: true }),
  })
  .map(({ place, id, vo, overhead }) =>
    vmUsage(`vm-${String(id).padStart(10, '0')}`, overhead as Partial<Record<Overhead, number>>, { ...place, vo }),
  )
const someBatches = fc.array(fc.array(fc.oneof(someAttempt, someVm), { maxLength: 20 }), { maxLength: 4 })

function valueIn({ key }: UsageSum, attribute: UsageAttribute): string {
  if (attribute === 'month') return key.day.slice(0, 7)
  if (attribute === 'year') return key.day.slice(0, 4)
  return String(key[attribute])
}

/** What the store should answer, from the records. */
function grouped(records: readonly UsageRecord[], by: readonly UsageAttribute[]): readonly UsageRow[] {
  const rows = new Map<string, { values: readonly string[]; measures: UsageMeasures }>()
  for (const sum of summedUsage(records)) {
    const values = by.map((attribute) => valueIn(sum, attribute))
    const known = rows.get(values.join('\u0000'))
    rows.set(values.join('\u0000'), {
      values,
      measures: known ? plusMeasures(known.measures, sum.measures) : sum.measures,
    })
  }
  return [...rows.values()].sort((a, b) => compareTexts(a.values, b.values))
}

/** As stores compare: by code points. */
function compareTexts(a: readonly string[], b: readonly string[]): number {
  for (const [at, text] of a.entries()) {
    const order = Buffer.compare(Buffer.from(text), Buffer.from(b[at] ?? ''))
    if (order !== 0) return order
  }
  return 0
}

const usualKey = ({ endedMs, ...record }: UsageRecord) =>
  [endedMs, recordKey({ endedMs, ...record } as UsageRecord)] as const

export function accountingTests(fresh: () => Promise<StoreHarness>): void {
  const put = async (store: Store, records: readonly UsageRecord[]): Promise<boolean> => {
    const afterSeq = await store.accountedSeq()
    return store.account({ afterSeq, nextSeq: afterSeq + 7, records, meters: [], ended: [] })
  }

  describe('usage', () => {
    it('is taken once and whole: the same batch again is refused and adds nothing', async () => {
      const { store } = await fresh()
      expect(await store.accountedSeq()).toBe(0)
      const batch = {
        afterSeq: 0,
        nextSeq: 12,
        records: [attemptUsage(1), attemptUsage(2), vmUsage('vm-bbbbbbbbbb', { boot: 100, idle: 200 })],
        meters: [{ vmId: 'vm-cccccccccc' as VmId, text: '{"a":1}' }],
        ended: [],
      }
      const answers = await Promise.all([store.account(batch), store.account(batch), store.account(batch)])
      expect(answers.filter((isTaken) => isTaken)).toHaveLength(1)
      expect(await store.account(batch)).toBe(false)
      expect(await store.accountedSeq()).toBe(12)
      expect(await store.usage(everything)).toEqual(grouped(batch.records, []))
      expect(await store.meters(['vm-cccccccccc', 'vm-dddddddddd'] as VmId[])).toEqual(batch.meters)
      expect(await store.metersAfter(undefined, 10)).toEqual(batch.meters)
      expect(await store.metersAfter('vm-cccccccccc' as VmId, 10)).toEqual([])
      const next = { afterSeq: 12, nextSeq: 13, records: [], meters: [], ended: ['vm-cccccccccc' as VmId] }
      expect(await store.account({ ...next, afterSeq: 11 })).toBe(false)
      expect(await store.account(next)).toBe(true)
      expect(await store.meters(['vm-cccccccccc' as VmId])).toEqual([])
    })

    it('counts a record whose key is known no second time', async () => {
      const { store } = await fresh()
      expect(await put(store, [attemptUsage(1), attemptUsage(2)])).toBe(true)
      expect(await put(store, [attemptUsage(2), attemptUsage(3)])).toBe(true)
      expect(await store.usage(everything)).toEqual(
        grouped(
          [1, 2, 3].map((id) => attemptUsage(id)),
          [],
        ),
      )
    })

    it('sums up what its records say, by any attributes, page by page', async () => {
      const { store } = await fresh()
      const kept: UsageRecord[] = []
      const offsets = new Map<string, number>()
      await fc.assert(
        fc.asyncProperty(
          someBatches,
          fc.uniqueArray(fc.constantFrom(...usageAttributes), { maxLength: 4 }),
          fc.integer({ min: 1, max: 7 }),
          async (batches, by, limit) => {
            for (const batch of batches) {
              // Keys are used again by other runs: each run adds what is new.
              const known = new Set(kept.map(recordKey))
              const fresher = batch.filter((one) => !known.has(recordKey(one)) && known.add(recordKey(one)))
              await put(
                store,
                batch.filter((one, at) => batch.findIndex((other) => recordKey(other) === recordKey(one)) === at),
              )
              kept.push(...fresher)
            }
            const found: UsageRow[] = []
            for (let after: readonly string[] | undefined; ; ) {
              const rows = await store.usage({ ...everything, by, limit, ...(after ? { after } : {}) })
              found.push(...rows)
              after = rows.at(-1)?.values
              if (rows.length < limit || by.length === 0) break
            }
            expect(found).toEqual(grouped(kept, by))
            offsets.set(by.join(), found.length)
          },
        ),
        { numRuns: 25 },
      )
      expect(offsets.size).toBeGreaterThan(5)
      const filter = { vo: 'lhcb', kind: 'attempt' } as const
      const wanted = kept.filter(({ kind, vo }) => kind === 'attempt' && vo === 'lhcb')
      const days = { fromDay: '2026-11-03', toDay: '2026-11-20' }
      const inDays = wanted.filter(({ endedMs }) => dayOf(endedMs) >= days.fromDay && dayOf(endedMs) < days.toDay)
      expect(await store.usage({ ...everything, ...days, by: ['owner', 'day'], filter })).toEqual(
        grouped(inDays, ['owner', 'day']),
      )
      const listed: UsageRecord[] = []
      for (;;) {
        const last = listed.at(-1)
        const after = last && { endedMs: last.endedMs, key: recordKey(last) }
        const some = await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 7, ...(after ? { after } : {}) })
        listed.push(...some)
        if (some.length < 7) break
      }
      const inOrder = [...kept].sort((a, b) => a.endedMs - b.endedMs || compareTexts([recordKey(a)], [recordKey(b)]))
      expect(listed.map(usualKey)).toEqual(inOrder.map(usualKey))
      expect(listed).toEqual(inOrder)
    })

    it('keeps its sums when records are forgotten, the earliest first', async () => {
      const { store } = await fresh()
      const records = [3, 1, 2].map((id) => attemptUsage(id, { endedMs: november + id * hourMs }))
      await put(store, records)
      expect(await store.forgetUsageRecords(november + 3 * hourMs, 1)).toBe(1)
      const ids = async () =>
        (await store.usageRecords({ fromMs: 0, toMs: november * 2, kind: 'attempt', vo: 'lhcb', limit: 9 })).map(recordKey)
      expect(await ids()).toEqual(['attempt:2.1', 'attempt:3.1'])
      expect(await store.forgetUsageRecords(november + 3 * hourMs, 9)).toBe(1)
      expect(await store.forgetUsageRecords(november + 3 * hourMs, 9)).toBe(0)
      expect(await ids()).toEqual(['attempt:3.1'])
      expect(await store.usage(everything)).toEqual(grouped(records, []))
    })

    it('outlives a close', async () => {
      const harness = await fresh()
      if (!harness.reopen) return
      await put(harness.store, [attemptUsage(1)])
      const again = await harness.reopen()
      expect(await again.accountedSeq()).toBe(7)
      expect(await again.usage(everything)).toEqual(grouped([attemptUsage(1)], []))
      await again.close()
    })

    it('is made of the facts of attempts and VMs, each once, however often and by whom they are read', async () => {
      const { store } = await fresh()
      const vm = sampleVm('one', { intendedMs: 1000, vos: ['lhcb'], pricePerHour: 3.6 })
      await store.intend(vm, 1000)
      await store.changeVms([{ kind: 'accepted', vmId: vm.id, ref: 'r' }], 1100)
      await store.changeVms([{ kind: 'activated', vmId: vm.id, keyHash: 'key', nonceHash: 'n' }], 2000)
      const answer = await store.submit(sampleSubmission([sampleSpec(), sampleSpec()]), 2000)
      if (!answer.ok) throw new Error(answer.why)
      const [first, second] = [answer.firstId, (answer.firstId + 1) as JobId]
      const claim = { kind: 'claim', vmId: vm.id, cores: 1, untilMs: 90_000 } as const
      await store.change([{ ...claim, jobId: first }], 3000)
      await store.change([{ ...claim, jobId: second }], 4000)
      const from = { vmId: vm.id, attempt: 1 }
      await store.change([{ ...from, kind: 'ended', jobId: first, result: sampleResult({ cpuMs: 11, wallMs: 20 }) }], 5000)
      // A crash of the accountant after its batch, and two accountants at once.
      await Promise.all([accountBatch({ store }, 4), accountBatch({ store }, 4)])
      await store.changeVms([{ kind: 'absent', vmId: vm.id, why: 'gone' }], 9000)
      await store.change([{ kind: 'lost', jobId: second, attempt: 1, why: 'the VM is gone' }], 10_000)
      await store.changeVms([{ kind: 'absent', vmId: vm.id, why: 'gone' }], 11_000)
      while ((await accountBatch({ store }, 3)) > 0) {
        // Small batches: a VM's meter is kept between them.
      }
      const records = await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: 9 })
      const known = (record: UsageRecord | undefined) => record
      const held = { ...alice, vmId: vm.id, site: 'home', cloud: 'here', flavor: 'small', cores: 1 }
      expect(records.map(recordKey)).toEqual([`attempt:${first}.1`, `vm:${vm.id}`, `attempt:${second}.1`])
      expect(known(records[0])).toMatchObject({
        ...held,
        ending: 'done',
        coreMs: 2000,
        cpuMs: 11,
        wallMs: 20,
        claimedMs: 3000,
      })
      expect(known(records[2])).toMatchObject({ ...held, ending: 'machine-lost', coreMs: 5000, endedMs: 10_000 })
      expect(known(records[1])).toMatchObject({
        vo: 'lhcb',
        cores: 8,
        state: 'Lost',
        attempts: 2,
        usedCoreMs: 7000,
        // Lost: since its last contact, which was its activation.
        overheadCoreMs: { boot: 8000, idle: 8000, unfilled: 8 * 6000 - 7000 - 4 * 7000, lost: 4 * 7000 },
      })
      expect(await store.usage(everything)).toEqual(grouped(records, []))
      expect(await store.meters([vm.id])).toEqual([])
      expect(activeVm('one').id).toBe(vm.id)
    })
  })
}
