import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { usageHalfLifeMs } from '../../../core/kernel/limits.ts'
import { openLedger, ownerKey } from '../../../core/share/ledger.ts'
import { charged, decayedUsage } from '../../../core/share/usage.ts'

const epochMs = 1_700_000_000_000
const ann = { vo: 'astro', group: 'sky', owner: 'ann' }
const ben = { vo: 'astro', group: 'sky', owner: 'ben' }

describe('usage', () => {
  it('loses half of its weight in a half-life, before and after the epoch', () => {
    for (const atMs of [epochMs - usageHalfLifeMs, epochMs, epochMs + 3 * usageHalfLifeMs]) {
      const usage = charged(0, 8000, atMs, epochMs)
      expect(decayedUsage(usage, atMs, epochMs)).toBeCloseTo(8000)
      expect(decayedUsage(usage, atMs + usageHalfLifeMs, epochMs)).toBeCloseTo(4000)
      expect(decayedUsage(usage, atMs + 3 * usageHalfLifeMs, epochMs)).toBeCloseTo(1000)
    }
  })

  it('keeps the order of two owners while neither is charged', () => {
    const use = fc.record({ coreMs: fc.integer({ min: 1, max: 10 ** 9 }), afterMs: fc.integer({ min: 0, max: 10 ** 9 }) })
    fc.assert(
      fc.property(use, use, fc.integer({ min: 0, max: 10 ** 9 }), (a, b, laterMs) => {
        const [first, second] = [a, b].map(({ coreMs, afterMs }) => charged(0, coreMs, epochMs + afterMs, epochMs))
        const at = (usage = 0): number => decayedUsage(usage, epochMs + laterMs, epochMs)
        expect(Math.sign(at(first) - at(second))).toBe(Math.sign((first ?? 0) - (second ?? 0)))
      }),
    )
  })

  it('is given back at most down to nothing', () => {
    const usage = charged(0, 1000, epochMs, epochMs)
    expect(charged(usage, -400, epochMs, epochMs)).toBeCloseTo(600)
    expect(charged(usage, -5000, epochMs, epochMs)).toBe(0)
  })
})

describe('the ledger', () => {
  it('charges each owner alone, and says which one changed', () => {
    const ledger = openLedger(epochMs)
    const heard: (string | undefined)[] = []
    ledger.onChange((key) => heard.push(key))
    ledger.charge(ann, 5000, epochMs)
    ledger.charge(ann, 2000, epochMs)
    ledger.charge(ben, 1000, epochMs)
    expect([ann, ben, { ...ann, group: 'sea' }].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([7000, 1000, 0])
    expect(ledger.usageOf(ann, epochMs + usageHalfLifeMs)).toBeCloseTo(3500)
    expect(ledger.epochUsageOf(ownerKey(ann))).toBe(7000)
    expect(heard).toEqual([ownerKey(ann), ownerKey(ann), ownerKey(ben)])
  })

  it('hands on what it charged itself, without what has faded', () => {
    const ledger = openLedger(epochMs)
    ledger.charge(ann, 5000, epochMs)
    ledger.charge(ben, 999, epochMs)
    ledger.hear({ epochMs, owners: [[ownerKey(ben), 60_000]] }, epochMs)
    expect(ledger.own(epochMs)).toEqual({ epochMs, owners: [[ownerKey(ann), 5000]] })
    expect(ledger.own(epochMs + 3 * usageHalfLifeMs)).toEqual({ epochMs, owners: [] })
    ledger.charge(ben, 1, epochMs)
    expect(ledger.own(epochMs).owners.length).toBe(2)
    ledger.charge(ben, -1, epochMs)
    expect(ledger.usageOf(ben, epochMs)).toBe(60_999)
  })

  it('hears from the others the sum of today, not one sum more', () => {
    const ledger = openLedger(epochMs)
    const heard: (string | undefined)[] = []
    ledger.charge(ann, 1000, epochMs)
    ledger.onChange((key) => heard.push(key))
    ledger.hear({ epochMs, owners: [[ownerKey(ann), 3000]] }, epochMs)
    ledger.hear({ epochMs, owners: [[ownerKey(ann), 4000]] }, epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(5000)
    ledger.hear({ epochMs, owners: [] }, epochMs)
    expect(ledger.usageOf(ann, epochMs)).toBe(1000)
    expect(heard).toEqual([undefined, undefined, undefined])
  })

  it('inherits beside what it charged, or instead of it', () => {
    const uses = { epochMs, owners: [[ownerKey(ann), 3000]] as const }
    const heard: (string | undefined)[] = []
    const ledger = openLedger(epochMs)
    for (const owner of [ann, ben]) ledger.charge(owner, 1000, epochMs)
    ledger.onChange((key) => heard.push(key))
    ledger.inherit(uses, epochMs, false)
    expect([ann, ben].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([4000, 1000])
    ledger.inherit(uses, epochMs, true)
    expect([ann, ben].map((owner) => ledger.usageOf(owner, epochMs))).toEqual([3000, 0])
    expect(heard).toEqual([undefined, undefined])
    expect(ledger.own(epochMs).owners).toEqual([[ownerKey(ann), 3000]])
  })

  it('reads the usage of another epoch in its own units', () => {
    const other = openLedger(epochMs - 5 * usageHalfLifeMs)
    other.charge(ann, 8000, epochMs)
    const ledger = openLedger(epochMs)
    const laterMs = epochMs + usageHalfLifeMs
    ledger.inherit(other.own(epochMs), laterMs, false)
    expect(ledger.usageOf(ann, laterMs)).toBeCloseTo(4000)
    ledger.hear(other.own(epochMs), laterMs)
    expect(ledger.usageOf(ann, laterMs)).toBeCloseTo(8000)
  })

  it('takes no two owners for one, whatever they are named', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '/', ' ') })
    const owner = fc.record({ vo: name, group: name, owner: name })
    fc.assert(
      fc.property(owner, owner, (a, b) => {
        const isSame = a.vo === b.vo && a.group === b.group && a.owner === b.owner
        expect(ownerKey(a) === ownerKey(b)).toBe(isSame)
      }),
    )
  })
})
