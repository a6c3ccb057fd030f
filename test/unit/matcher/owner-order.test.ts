/** Owners stand in one order, least usage first, however they came and whatever is charged to them. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Owner } from '../../../core/model/owner.ts'
import { openLedger, ownerKey } from '../../../core/share/ledger.ts'
import { type OwnerOrder, ownerOrder } from '../../../services/matcher/owner-order.ts'
import type { Ordered } from '../../../services/matcher/owner-queues.ts'

const names = ['ann', 'ben', 'cid', 'dot', 'eve'] as const
const owned = (owner: string): Owner => ({ vo: 'v', group: 'g', owner })
const shown = ({ order }: OwnerOrder<Ordered>): readonly string[] => order.map(({ key }) => key.split('\u0000')[2] ?? '')

it('puts owners with the same usage in the order of their names, however they came', () => {
  for (const coming of [names, names.toReversed(), ['cid', 'ann', 'eve', 'ben', 'dot']]) {
    const ledger = openLedger(0)
    const owners = ownerOrder(ledger)
    for (const name of coming) owners.of(owned(name))
    expect(shown(owners)).toEqual(names)
    // All have been charged the same by others.
    ledger.hear({ epochMs: 0, owners: coming.map((name) => [ownerKey(owned(name)), 5000] as const) }, 0)
    expect(shown(owners)).toEqual(names)
  }
})

it('knows each owner once, by the whole name', () => {
  const owners = ownerOrder(openLedger(0))
  const first = owners.of(owned('ann'))
  expect(owners.of({ ...owned('ann') })).toBe(first)
  owners.of({ vo: 'v', group: 'other', owner: 'ann' })
  owners.of({ vo: 'other', group: 'g', owner: 'ann' })
  expect(owners.order).toHaveLength(3)
})

it('has everyone at the place that the ledger says, after every change', () => {
  const who = fc.constantFrom(...names)
  const use = fc.integer({ min: -2, max: 3 })
  const act = fc.oneof(
    fc.record({ kind: fc.constant('comes' as const), who }),
    fc.record({ kind: fc.constant('charged' as const), who, use }),
    fc.record({ kind: fc.constant('heard' as const), uses: fc.array(fc.tuple(who, fc.nat(3)), { maxLength: 5 }) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const ledger = openLedger(0)
      const owners = ownerOrder(ledger)
      const known = new Set<string>()
      for (const one of acts) {
        if (one.kind === 'comes') {
          owners.of(owned(one.who))
          known.add(one.who)
        } else if (one.kind === 'charged') ledger.charge(owned(one.who), one.use * 1000, 0)
        else ledger.hear({ epochMs: 0, owners: one.uses.map(([name, of]) => [ownerKey(owned(name)), of] as const) }, 0)
        const usage = (name: string): number => ledger.epochUsageOf(ownerKey(owned(name)))
        const right = [...known].toSorted((a, b) => usage(a) - usage(b) || (a < b ? -1 : 1))
        expect(shown(owners)).toEqual(right)
        expect(owners.order.map((each) => each.use)).toEqual(right.map(usage))
      }
    }),
  )
})
