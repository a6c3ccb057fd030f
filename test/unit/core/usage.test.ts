import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { usageAdvanceMs, usageHalfLifeMs } from '../../../core/kernel/limits.ts'
import { openLedger, ownerKey, ownerOfKey, type UsageLedger } from '../../../core/share/ledger.ts'
import { charged, decayedUsage } from '../../../core/share/usage.ts'

const epochMs = 1_700_000_000_000
const epoch = { epochMs, halfLifeMs: usageHalfLifeMs }
const ann = { vo: 'astro', group: 'sky', owner: 'ann' }
const used = (coreMs: number) => ({ attempt: '', cores: 1, ranMs: coreMs })
const ben = { vo: 'astro', group: 'sky', owner: 'ben' }

describe('usage', () => {
  it('loses half of its weight in a half-life, before and after the epoch', () => {
    for (const atMs of [epochMs - usageHalfLifeMs, epochMs, epochMs + 3 * usageHalfLifeMs]) {
      const usage = charged(0, 8000, atMs, epoch)
      expect(decayedUsage(usage, atMs, epoch)).toBeCloseTo(8000)
      expect(decayedUsage(usage, atMs + usageHalfLifeMs, epoch)).toBeCloseTo(4000)
      expect(decayedUsage(usage, atMs + 3 * usageHalfLifeMs, epoch)).toBeCloseTo(1000)
    }
  })

  it('keeps the order of two owners while neither is charged', () => {
    const use = fc.record({ coreMs: fc.integer({ min: 1, max: 10 ** 9 }), afterMs: fc.integer({ min: 0, max: 10 ** 9 }) })
    fc.assert(
      fc.property(use, use, fc.integer({ min: 0, max: 10 ** 9 }), (a, b, laterMs) => {
        const [first, second] = [a, b].map(({ coreMs, afterMs }) => charged(0, coreMs, epochMs + afterMs, epoch))
        const at = (usage = 0): number => decayedUsage(usage, epochMs + laterMs, epoch)
        expect(Math.sign(at(first) - at(second))).toBe(Math.sign((first ?? 0) - (second ?? 0)))
      }),
    )
  })

  it('is given back at most down to nothing', () => {
    const usage = charged(0, 1000, epochMs, epoch)
    expect(charged(usage, -400, epochMs, epoch)).toBeCloseTo(600)
    expect(charged(usage, -5000, epochMs, epoch)).toBe(0)
  })
})

describe('the ledger', () => {
  type Heard = readonly [string, number]
  const listened = (ledger: UsageLedger): Heard[] => {
    const heard: Heard[] = []
    ledger.onChange(({ ownerKey: key, coreMs }) => heard.push([key, Math.round(coreMs)]))
    return heard
  }

  it('charges each owner alone, and says who has used how much more', () => {
    const ledger = openLedger(epochMs)
    const heard = listened(ledger)
    ledger.charge(ann, used(5000), epochMs)
    ledger.charge(ann, used(2000), epochMs)
    ledger.charge(ben, used(1000), epochMs + usageHalfLifeMs)
    expect([ann, ben, { ...ann, group: 'sea' }].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([7000, 2000, 0])
    expect(ledger.usageOf(ann, epochMs + usageHalfLifeMs)).toBeCloseTo(3500)
    expect([...ledger.usages(epochMs + usageHalfLifeMs)]).toEqual([
      [ownerKey(ann), 3500],
      [ownerKey(ben), 1000],
    ])
    expect(heard).toEqual([
      [ownerKey(ann), 5000],
      [ownerKey(ann), 2000],
      [ownerKey(ben), 1000],
    ])
  })

  it('hands on what it charged itself, without what has faded', () => {
    const ledger = openLedger(epochMs)
    ledger.charge(ann, used(5000), epochMs)
    ledger.charge(ben, used(999), epochMs)
    ledger.publish(ledger.hear({ epochMs, owners: [[ownerKey(ben), 60_000]] }, epochMs))
    expect(ledger.own(epochMs).owners).toEqual([[ownerKey(ann), 5000]])
    expect(ledger.own(epochMs + 3 * usageHalfLifeMs).owners).toEqual([])
    ledger.charge(ben, used(1), epochMs)
    expect(ledger.own(epochMs).owners.length).toBe(2)
    expect(ledger.usageOf(ben, epochMs)).toBe(61_000)
  })

  it('hears from the others the sum of today, not one sum more', () => {
    const ledger = openLedger(epochMs)
    ledger.charge(ann, used(1000), epochMs)
    const heard = listened(ledger)
    ledger.publish(ledger.hear({ epochMs, owners: [[ownerKey(ann), 3000]] }, epochMs))
    ledger.publish(ledger.hear({ epochMs, owners: [[ownerKey(ann), 4000]] }, epochMs))
    expect(ledger.usageOf(ann, epochMs)).toBe(5000)
    ledger.publish(ledger.hear({ epochMs, owners: [] }, epochMs))
    expect(ledger.usageOf(ann, epochMs)).toBe(1000)
    expect(heard.map(([, coreMs]) => coreMs)).toEqual([3000, 1000, -4000])
  })

  it('inherits beside what it charged, or instead of it, and takes neither for new use', () => {
    const uses = { epochMs, owners: [[ownerKey(ann), 3000]] as const }
    const others = { epochMs, owners: [] }
    const ledger = openLedger(epochMs)
    for (const owner of [ann, ben]) ledger.charge(owner, used(1000), epochMs)
    const heard = listened(ledger)
    ledger.publish(ledger.hear(others, epochMs, { uses, isInstead: false }))
    expect([ann, ben].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([4000, 1000])
    ledger.publish(ledger.hear(others, epochMs, { uses, isInstead: true }))
    expect([ann, ben].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([3000, 0])
    expect(heard).toEqual([])
    expect(ledger.own(epochMs).owners).toEqual([[ownerKey(ann), 3000]])
  })

  it('counts what runs with what it has used, and at least with what is usual, and its end once', () => {
    const ledger = openLedger(epochMs)
    const heard = listened(ledger)
    const minute = 60_000
    const claim = ledger.claim(ann, 2, epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(2 * usageAdvanceMs)
    ledger.granted(claim, '1.1')
    const attempt = { attempt: '1.1', ownerKey: ownerKey(ann), cores: 2, claimedMs: epochMs }
    for (const minutes of [10, 20]) {
      ledger.publish(ledger.running([attempt], epochMs + minutes * minute))
      expect(ledger.usageOf(ann, epochMs + minutes * minute)).toBeCloseTo(2 * minutes * minute)
    }
    const endMs = epochMs + 25 * minute
    ledger.charge(ann, { attempt: '1.1', cores: 2, ranMs: 25 * minute }, endMs)
    expect(ledger.usageOf(ann, endMs)).toBeCloseTo(50 * minute)
    ledger.publish(ledger.running([], endMs))
    expect(ledger.usageOf(ann, endMs)).toBeCloseTo(50 * minute)
    const sum = heard.reduce((all, [, coreMs]) => all + coreMs, 0)
    expect(Math.abs(sum / (50 * minute) - 1)).toBeLessThan(0.02)
    // The next ones of the same owner count at once for half of what this one ran.
    ledger.claim(ann, 1, endMs)
    expect(ledger.usageOf(ann, endMs)).toBeCloseTo(62.5 * minute)
    expect(ledger.own(endMs).running?.length).toBe(1)
  })

  it('counts a claim that is refused not at all, and one that is not answered until it is', () => {
    const ledger = openLedger(epochMs)
    const [first, second] = [ledger.claim(ann, 1, epochMs), ledger.claim(ann, 3, epochMs)]
    ledger.publish(ledger.running([], epochMs))
    expect(ledger.usageOf(ann, epochMs)).toBe(4 * usageAdvanceMs)
    ledger.refused(second, epochMs)
    ledger.refused(first, epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(0)
  })

  it('counts the end of an attempt that was never counted in between', () => {
    const ledger = openLedger(epochMs)
    const heard = listened(ledger)
    ledger.granted(ledger.claim(ann, 2, epochMs), '1.1')
    ledger.charge(ann, { attempt: '1.1', cores: 2, ranMs: 5000 }, epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(10_000)
    expect(heard.reduce((all, [, coreMs]) => all + coreMs, 0)).toBe(10_000)
    ledger.running([], epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(10_000)
  })

  it('counts all that run of an owner, and no more those that do not', () => {
    const ledger = openLedger(epochMs)
    const heard = listened(ledger)
    const attempt = (name: string) => ({ attempt: name, ownerKey: ownerKey(ann), cores: 1, claimedMs: epochMs })
    const atMs = epochMs + 10 * 60_000
    ledger.publish(ledger.running([attempt('1.1'), attempt('2.1')], atMs))
    expect(ledger.usageOf(ann, atMs)).toBeCloseTo(20 * 60_000)
    ledger.publish(ledger.running([attempt('2.1')], atMs))
    expect(ledger.usageOf(ann, atMs)).toBeCloseTo(10 * 60_000)
    // The first ended somewhere else, and its end is written here twice: nothing of it is taken off the second.
    for (const _ of [1, 2]) ledger.charge(ann, { attempt: '1.1', cores: 1, ranMs: 0 }, atMs)
    expect(ledger.usageOf(ann, atMs)).toBeCloseTo(10 * 60_000)
    ledger.charge(ann, { attempt: '2.1', cores: 1, ranMs: 0 }, atMs)
    ledger.charge(ann, { attempt: '2.1', cores: 1, ranMs: 0 }, atMs)
    expect(ledger.usageOf(ann, atMs)).toBeCloseTo(0)
    expect(ledger.running([], atMs)).toEqual([])
    expect(heard.reduce((all, [, coreMs]) => all + coreMs, 0)).toBe(0)
    // A VM whose stream is closed takes what runs on it along.
    ledger.running([attempt('3.1')], atMs)
    expect(ledger.running([], atMs).map(({ coreMs }) => Math.round(coreMs))).toEqual([-600_000])
    expect(ledger.usageOf(ann, atMs)).toBe(0)
  })

  it('takes a refused claim back in what it publishes as well', () => {
    const ledger = openLedger(epochMs)
    const heard = listened(ledger)
    ledger.refused(ledger.claim(ann, 1, epochMs), epochMs)
    expect(heard.map(([, coreMs]) => coreMs)).toEqual([usageAdvanceMs, -usageAdvanceMs])
    expect(ledger.running([], epochMs)).toEqual([])
    expect(ledger.usageOf(ann, epochMs)).toBe(0)
  })

  it('expects of an owner without a history what others use', () => {
    const ledger = openLedger(epochMs)
    for (let at = 0; at < 100; at += 1) ledger.charge(ann, { attempt: '', cores: 1, ranMs: 3_600_000 }, epochMs)
    ledger.claim(ben, 1, epochMs)
    expect(ledger.usageOf(ben, epochMs)).toBeGreaterThan(0.49 * 3_600_000)
  })

  it('leaves out of all usages what has faded', () => {
    const ledger = openLedger(epochMs)
    ledger.charge(ann, used(999), epochMs)
    ledger.charge(ben, used(1000), epochMs)
    expect([...ledger.usages(epochMs).keys()]).toEqual([ownerKey(ben)])
  })

  it('knows since when there is a history, from its own charges and from what it hears', () => {
    const ledger = openLedger(epochMs)
    expect([ledger.history(epochMs), 'sinceMs' in ledger.own(epochMs)]).toEqual([0, false])
    ledger.hear({ epochMs, owners: [] }, epochMs)
    expect(ledger.history(epochMs + usageHalfLifeMs)).toBe(0)
    ledger.charge(ann, used(5000), epochMs)
    expect(ledger.own(epochMs).sinceMs).toBe(epochMs)
    expect([0, 1, 3].map((lives) => ledger.history(epochMs + lives * usageHalfLifeMs))).toEqual([0, 0.5, 0.875])
    const owners = [[ownerKey(ben), 5000]] as const
    ledger.hear({ epochMs, sinceMs: epochMs + 5, owners }, epochMs)
    expect(ledger.own(epochMs).sinceMs).toBe(epochMs)
    ledger.hear({ epochMs, sinceMs: epochMs - usageHalfLifeMs, owners }, epochMs)
    expect(ledger.history(epochMs)).toBe(0.5)
    // An earlier version does not say: it is old.
    ledger.hear({ epochMs, owners }, epochMs)
    expect(ledger.history(epochMs)).toBeGreaterThan(0.99)
  })

  it('hears what runs at others, and answers no change for what is inherited', () => {
    const ledger = openLedger(epochMs)
    const key = ownerKey(ann)
    const changes = ledger.hear({ epochMs, owners: [[key, 3000]], running: [[key, 4000]] }, epochMs)
    expect(changes).toEqual([{ ownerKey: key, coreMs: 7000 }])
    const uses = { epochMs, owners: [[key, 3000]] as const }
    expect(ledger.hear({ epochMs, owners: [] }, epochMs, { uses, isInstead: false })).toEqual([])
    expect(ledger.usageOf(ann, epochMs)).toBe(3000)
  })

  it('reads the usage of another epoch and another half-life in its own units', () => {
    const other = openLedger(epochMs - 5 * usageHalfLifeMs, usageHalfLifeMs / 3)
    other.charge(ann, used(8000), epochMs)
    const ledger = openLedger(epochMs)
    const laterMs = epochMs + usageHalfLifeMs
    ledger.publish(ledger.hear(other.own(epochMs), epochMs))
    expect(ledger.usageOf(ann, laterMs)).toBeCloseTo(4000)
    ledger.publish(ledger.hear({ epochMs, owners: [] }, epochMs, { uses: other.own(epochMs), isInstead: false }))
    expect(ledger.usageOf(ann, laterMs)).toBeCloseTo(4000)
  })

  it('takes no two owners for one, whatever they are named', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', ' ') })
    const owner = fc.record({ vo: name, group: name, owner: name })
    fc.assert(
      fc.property(owner, owner, (a, b) => {
        const isSame = a.vo === b.vo && a.group === b.group && a.owner === b.owner
        expect(ownerKey(a) === ownerKey(b)).toBe(isSame)
        expect(ownerOfKey(ownerKey(a))).toEqual(a)
      }),
    )
  })
})
