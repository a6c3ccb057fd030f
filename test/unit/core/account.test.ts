/** From facts to usage records: every field, every state, and what is left out. */

import { describe, expect, it } from 'vitest'
import { account, type Known, vmsOf } from '../../../core/accounting/account.ts'
import { newMeter, type VmMeter } from '../../../core/accounting/vm-meter.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Fact, FactData, Subject } from '../../../core/model/fact-shapes.ts'
import type { Vm } from '../../../core/model/vm.ts'
import { alice, sampleVm } from '../../../sim/samples.ts'

const vm = sampleVm('one', { vos: ['lhcb'], cores: 4, memoryBytes: 9000, gpus: 2, pricePerHour: 3.6, flavor: 'gpu' })
const known: Known = { meters: new Map(), vms: new Map([[vm.id, vm]]) }
const what = { cloud: 'here', flavor: 'gpu', why: '' }

let seq = 0
function fact(subject: Subject, atMs: number, kind: string, data: FactData): Fact {
  seq += 1
  return { seq, atMs, subject, kind, data }
}
const vmFact = (atMs: number, kind: string, more: FactData = {}): Fact =>
  fact(`vm:${vm.id}`, atMs, kind, { ...what, ref: 'r', ...more })
const jobFact = (atMs: number, kind: string, more: FactData = {}, job = 7): Fact =>
  fact(`job:${job}`, atMs, kind, { attempt: 1, vm: vm.id, cores: 2, ...more })
const ended = { ...alice, ending: 'done', claimedMs: 3000, startedMs: 3100, wallMs: 900.4, cpuMs: 800.6 } as const

describe('accounting', () => {
  it('writes each field of the records of an attempt and its VM', () => {
    const facts = [
      vmFact(1000.4, 'Intended', { ref: '' }),
      vmFact(1500, 'Requested'),
      vmFact(1600, 'Booting'),
      vmFact(2000, 'Active'),
      // The same state again: its isolation is new.
      vmFact(2500, 'Active', { isolation: 'plain' }),
      jobFact(3000, 'Matched'),
      jobFact(3100, 'Running'),
      jobFact(3200, 'Completing'),
      jobFact(4000.2, 'Done', { ...ended, peakMemoryBytes: 77, gpus: 1 }),
      jobFact(4100, 'Deleted'),
      vmFact(5000, 'Draining'),
      vmFact(6000, 'Stopping'),
      vmFact(7000, 'Gone'),
    ]
    const place = { site: 'home', cloud: 'here', flavor: 'gpu' }
    expect(account(facts, known)).toEqual({
      records: [
        {
          kind: 'attempt',
          ...alice,
          ...place,
          jobId: 7,
          attempt: 1,
          vmId: vm.id,
          cores: 2,
          gpus: 1,
          claimedMs: 3000,
          startedMs: 3100,
          endedMs: 4000,
          wallMs: 900,
          cpuMs: 801,
          peakMemoryBytes: 77,
          coreMs: 2000,
          // A thousandth of an hour's price per core and second.
          moneyMicros: 500,
          ending: 'done',
        },
        {
          kind: 'vm',
          ...place,
          vmId: vm.id,
          vo: 'lhcb',
          cores: 4,
          memoryBytes: 9000,
          gpus: 2,
          pricePerHour: 3.6,
          intendedMs: 1000,
          activeMs: 2000,
          endedMs: 7000,
          state: 'Gone',
          attempts: 1,
          usedCoreMs: 2000,
          overheadCoreMs: { boot: 4000, idle: 8000, unfilled: 2000, draining: 4000, stopping: 4000 },
          moneyMicros: 5500,
        },
      ],
      meters: [],
      ended: [vm.id],
    })
  })

  it('leaves out what neither has', () => {
    const plain: Vm = sampleVm('one')
    const facts = [
      vmFact(1000, 'Intended'),
      vmFact(2000, 'Active'),
      jobFact(3000, 'Matched'),
      jobFact(4000, 'Waiting', { ...alice, ending: 'machine-lost', claimedMs: 3000 }),
      vmFact(5000, 'Lost', { contactMs: 4500.4 }),
    ]
    const { records } = account(facts, { ...known, vms: new Map([[plain.id, plain]]) })
    expect(records).toMatchObject([
      { startedMs: 0, wallMs: 0, cpuMs: 0, peakMemoryBytes: 0, ending: 'machine-lost' },
      { state: 'Lost', vo: '', overheadCoreMs: { idle: 8000 + 8 * 500, unfilled: 6000, lost: 8 * 500 } },
    ])
    for (const record of records) expect(record).not.toHaveProperty('gpus')
  })

  it('goes on with the meters of an earlier batch, and hands back those that changed alone', () => {
    const other = newMeter(sampleVm('two'), 500)
    const first = account([vmFact(1000, 'Intended'), vmFact(2000, 'Active'), jobFact(3000, 'Matched')], known)
    expect(first).toMatchObject({ records: [], meters: [{ vmId: vm.id, phase: 'up' }], ended: [] })
    const meters = new Map<VmId, VmMeter>([...first.meters, other].map((meter) => [meter.vmId, meter]))
    // The VM is in no record that is read again: the meter knows what it was.
    const next = account([jobFact(4000, 'Failed', { ...ended, ending: 'failed' })], { meters, vms: new Map() })
    expect(next.meters.map(({ vmId }) => vmId)).toEqual([vm.id])
    expect(next.records).toMatchObject([{ coreMs: 2000, moneyMicros: 500, site: 'home', ending: 'failed' }])
  })

  it('takes the time that the meter measured, not that of a clock that was put back', () => {
    const facts = [
      vmFact(1000, 'Intended'),
      vmFact(2000, 'Active'),
      jobFact(3000, 'Matched'),
      jobFact(9000, 'Matched', {}, 8),
      jobFact(4000, 'Done', ended),
    ]
    expect(account(facts, known).records).toMatchObject([{ coreMs: 12_000, endedMs: 4000 }])
  })

  it('keeps the attempts of a job apart, and takes each end once', () => {
    const second = { ...ended, attempt: 2, claimedMs: 5000 }
    const facts = [
      vmFact(1000, 'Intended'),
      vmFact(2000, 'Active'),
      jobFact(3000, 'Matched'),
      jobFact(4000, 'Waiting', { ...ended, ending: 'withdrawn' }),
      jobFact(5000, 'Matched', { attempt: 2 }),
      jobFact(7000, 'Killed', { ...second, ending: 'killed' }),
      vmFact(8000, 'Stopping'),
      vmFact(8000, 'Gone'),
    ]
    const [one, two, whole] = account(facts, known).records
    expect([one, two]).toMatchObject([
      { attempt: 1, coreMs: 2000, ending: 'withdrawn' },
      { attempt: 2, coreMs: 4000, ending: 'killed' },
    ])
    expect(whole).toMatchObject({ attempts: 2, usedCoreMs: 6000 })
  })

  it('records an attempt on an unknown VM, without a place and without a price', () => {
    const unseen = { meters: new Map(), vms: new Map() }
    const { records, meters } = account([jobFact(3000, 'Matched'), jobFact(4000, 'Done', ended)], unseen)
    expect(records).toMatchObject([{ vmId: vm.id, site: '', cloud: '', flavor: '', coreMs: 2000, moneyMicros: 0 }])
    expect(meters).toEqual([])
    // A VM without its record gets no meter, and one that was put back no time below zero.
    expect(account([vmFact(1000, 'Intended')], unseen)).toEqual({ records: [], meters: [], ended: [] })
    const early = account([jobFact(2000, 'Done', ended)], unseen)
    expect(early.records).toMatchObject([{ coreMs: 0 }])
  })

  it('has no record of an end that says not whose it was, or when it began', () => {
    const { ending: _, ...old } = ended
    const { claimedMs: __, ...unclaimed } = ended
    expect(account([jobFact(4000, 'Done', old), jobFact(4000, 'Done', unclaimed)], known).records).toEqual([])
  })

  it('reads past facts of everything else', () => {
    const facts = [
      fact('cloud:here', 1000, 'plan', { create: 2 }),
      fact('submission:7', 1000, 'Submitted', { ...alice, firstId: 7, count: 1 }),
      fact('job:7', 1000, 'Killed', { by: 'alice', why: 'killed by alice' }),
      fact('job:7', 1000, 'asked to kill', { attempt: 1, vm: vm.id, cores: 1, by: 'alice' }),
      fact(`vm:${vm.id}`, 1000, 'console', { text: 'no init' }),
      fact(`vm:${vm.id}`, 1000, 'of a later version', { text: 'no init' }),
    ]
    expect(account(facts, known)).toEqual({ records: [], meters: [], ended: [] })
    expect(vmsOf(facts)).toEqual([vm.id])
    expect(vmsOf([...facts, jobFact(1, 'Matched'), vmFact(1, 'Active')])).toEqual([vm.id])
    expect(vmsOf(facts.slice(0, 3))).toEqual([])
  })

  it('begins the meter of a VM anew for no fact after its record', () => {
    const facts = [vmFact(1000, 'Intended'), vmFact(2000, 'Active'), vmFact(3000, 'Lost'), vmFact(4000, 'Lost')]
    const { records, meters } = account([...facts, jobFact(5000, 'Matched')], known)
    expect([records.length, meters]).toEqual([1, []])
  })
})
