/** Owners stand in one order, least usage first, however they came and whatever is charged to them. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { JobId } from '../../../core/kernel/ids.ts'
import { leastRoom } from '../../../core/language/least-room.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { openLedger, ownerKey } from '../../../core/share/ledger.ts'
import { equalWeights, weightsOf } from '../../../core/share/weights.ts'
import { type OrderedOwner, type OwnerOrder, ownerOrder } from '../../../services/matcher/owner-order.ts'
import type { Ordered } from '../../../services/matcher/owner-queues.ts'
import { everyKind } from '../../../services/matcher/place-kinds.ts'
import { sampleRequirements } from '../../../sim/samples.ts'

const names = ['ann', 'ben', 'cid', 'dot', 'eve'] as const
const owned = (owner: string): Owner => ({ vo: 'v', group: 'g', owner })
const shown = (owners: OwnerOrder<Ordered>): readonly string[] =>
  owners.list().map(({ key }) => key.split('\u0000')[2] ?? '')

const alone = { rank: 0, of: 1 }
let ids = 0

/** With a task queue that has something to give. */
function enter(owners: OwnerOrder<Ordered>, owner: Owner): OrderedOwner<Ordered> {
  const one = owners.of(owner, alone)
  const requirements = sampleRequirements()
  ids += 1
  const jobs = [{ id: ids as JobId, priority: 0, submittedMs: 0 }]
  const asked = { least: leastRoom(requirements), kinds: everyKind }
  one.entries.place({ window: { jobs }, minDemand: { vo: owner.vo, requirements }, asked }, true)
  owners.changed(one)
  return one
}

it('puts owners with the same usage in the order of their names, however they came', () => {
  for (const coming of [names, names.toReversed(), ['cid', 'ann', 'eve', 'ben', 'dot']]) {
    const ledger = openLedger(0)
    const owners = ownerOrder(ledger)
    for (const name of coming) enter(owners, owned(name))
    expect(shown(owners)).toEqual(names)
    // All have been charged the same by others.
    ledger.publish(ledger.hear({ epochMs: 0, owners: coming.map((name) => [ownerKey(owned(name)), 5000] as const) }, 0))
    expect(shown(owners)).toEqual(names)
  }
})

it('knows each owner once, by the whole name', () => {
  const owners = ownerOrder(openLedger(0))
  const first = enter(owners, owned('ann'))
  expect(owners.of({ ...owned('ann') }, alone)).toBe(first)
  enter(owners, { vo: 'v', group: 'other', owner: 'ann' })
  enter(owners, { vo: 'other', group: 'g', owner: 'ann' })
  expect(owners.list()).toHaveLength(3)
  expect([...owners.all()]).toHaveLength(3)
})

it('has no place for an owner who has nothing to give', () => {
  const owners = ownerOrder<Ordered>(openLedger(0))
  owners.of(owned('ben'), alone)
  const ann = enter(owners, owned('ann'))
  expect(shown(owners)).toEqual(['ann'])
  const [entry] = ann.entries.list()
  if (entry) Object.assign(entry.window, { jobs: [] })
  if (entry) ann.entries.place(entry, false)
  owners.changed(ann)
  expect(shown(owners)).toEqual([])
  const wanted = { room: [99, 1e15, 1e15, 99, 1e15], kind: 0 }
  expect(owners.first(wanted, ({ key }) => key)).toBeUndefined()
  enter(owners, owned('ann'))
  expect(owners.first(wanted, (one) => one)).toBe(ann)
})

it('has everyone at the place of their turn, after every change', () => {
  const who = fc.constantFrom(...names)
  const act = fc.oneof(
    fc.record({ kind: fc.constant('comes' as const), who }),
    fc.record({ kind: fc.constant('charged' as const), who, use: fc.nat(3) }),
    fc.record({ kind: fc.constant('heard' as const), uses: fc.array(fc.tuple(who, fc.nat(3)), { maxLength: 5 }) }),
    fc.record({ kind: fc.constant('served' as const), who }),
    fc.record({ kind: fc.constant('ticks' as const), minutes: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const ledger = openLedger(0)
      const owners = ownerOrder<Ordered>(ledger)
      const known = new Map<string, OrderedOwner<Ordered>>()
      let nowMs = 0
      for (const one of acts) {
        if (one.kind === 'comes') known.set(one.who, enter(owners, owned(one.who)))
        else if (one.kind === 'charged')
          ledger.charge(owned(one.who), { attempt: '', cores: 1, ranMs: one.use * 1000 }, nowMs)
        else if (one.kind === 'ticks') {
          nowMs += one.minutes * 60_000
          owners.tick(equalWeights, nowMs)
        } else if (one.kind === 'served') {
          const served = known.get(one.who)
          if (served) owners.served(served)
        } else {
          const uses = one.uses.map(([name, of]) => [ownerKey(owned(name)), of * 1000] as const)
          ledger.publish(ledger.hear({ epochMs: 0, owners: uses }, nowMs))
        }
        const turn = (name: string): number => known.get(name)?.turn.at ?? 0
        const right = [...known.keys()].toSorted((a, b) => turn(a) - turn(b) || (a < b ? -1 : 1))
        expect(shown(owners)).toEqual(right)
      }
    }),
  )
})

it('moves the turn of an owner, of the group and of the VO by what is used, divided by the weight of each', () => {
  const ledger = openLedger(0)
  const owners = ownerOrder<Ordered>(ledger)
  owners.tick(
    weightsOf([
      { path: ['v'], weight: 4 },
      { path: ['v', 'g', 'ann'], weight: 2 },
    ]),
    0,
  )
  const ann = enter(owners, owned('ann'))
  ledger.charge(owned('ann'), { attempt: '', cores: 2, ranMs: 4000 }, 0)
  const group = ann.parent.node
  expect([ann.turn.at, group?.turn.at, group?.parent.node?.turn.at]).toEqual([4000, 8000, 2000])
})

it('lets an owner come back with ten minutes of credit, and not with all that it did not ask for', () => {
  const ledger = openLedger(0)
  const owners = ownerOrder<Ordered>(ledger)
  const busy = enter(owners, owned('ann'))
  for (let at = 0; at < 60; at += 1) {
    owners.served(busy)
    ledger.charge(owned('ann'), { attempt: '', cores: 1, ranMs: 60_000 }, at * 60_000)
    owners.tick(equalWeights, at * 60_000)
  }
  const back = enter(owners, owned('ben'))
  expect(back.turn.at).toBeGreaterThan(busy.turn.at / 2)
  expect(back.turn.at).toBeLessThan(busy.turn.at)
})

it('corrects weights among those who have something to give only', () => {
  const ledger = openLedger(0)
  const owners = ownerOrder<Ordered>(ledger)
  const ann = enter(owners, owned('ann'))
  owners.of(owned('ben'), alone)
  const day = 24 * 60 * 60 * 1000
  ledger.charge(owned('ann'), { attempt: '', cores: 1, ranMs: 1000 * 60_000 }, 0)
  owners.tick(equalWeights, 10 * day)
  // Alone she has used all of what is asked for, which is her target.
  expect(ann.turn.rate).toBeCloseTo(1)
  enter(owners, owned('ben'))
  owners.tick(equalWeights, 10 * day)
  expect(ann.turn.rate).toBeLessThan(0.8)
})
