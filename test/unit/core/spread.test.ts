import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { roleRenewEveryMs, takeOverMs } from '../../../core/kernel/limits.ts'
import type { RoleStore } from '../../../core/ports/store.ts'
import { holdSeat } from '../../../services/coordination/seat.ts'
import { type Spread, spreadRoles } from '../../../services/coordination/spread.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'
import { type Path, troubledPath } from '../../support/troubled-path.ts'

let clock: VirtualClock
let truth: RoleStore

beforeEach(() => {
  clock = virtualClock()
  truth = memoryStore()
})

const onError = (): void => {}

describe('seats', () => {
  function sit(holder: string, max = 64) {
    const path = troubledPath(clock)
    const seat = holdSeat({ store: path.view(truth), clock: path.clock, holder, prefix: 'api:', max, onError })
    return { path, seat, now: () => seat.now() }
  }

  it('are the first that are free, and know their rank and their number', async () => {
    const [one, two, three] = [sit('one'), sit('two'), sit('three')]
    await clock.advance(2 * roleRenewEveryMs)
    const ranks = [one, two, three].map(({ now }) => `${now()?.role} ${now()?.rank} of ${now()?.of}`)
    expect(ranks.toSorted()).toEqual(['api:00 0 of 3', 'api:01 1 of 3', 'api:02 2 of 3'])
    await one.seat.stop()
    await clock.advance(roleRenewEveryMs)
    expect([two, three].map(({ now }) => now()?.of)).toEqual([2, 2])
    expect([two, three].map(({ now }) => now()?.rank).toSorted()).toEqual([0, 1])
    const four = sit('four')
    await clock.advance(roleRenewEveryMs)
    expect(four.now()).toMatchObject({ role: 'api:00', of: 3 })
  })

  it('are no more than there may be', async () => {
    const all = [sit('one', 2), sit('two', 2), sit('three', 2)]
    await clock.advance(2 * roleRenewEveryMs)
    expect(all.filter(({ now }) => now())).toHaveLength(2)
  })

  it('come back to a process that starts again under its old name', async () => {
    const one = sit('one')
    await clock.advance(0)
    one.path.isDead = true
    const again = sit('one')
    await clock.advance(0)
    expect(again.now()).toMatchObject({ role: 'api:00', rank: 0, of: 1 })
  })
})

const roles = ['cloud:a', 'cloud:b', 'cloud:c', 'cloud:d']

type Wanting = { readonly path: Path; readonly spread: Spread; holds(): readonly string[] }

function want(holder: string, wanted: readonly string[] = roles): Wanting {
  const path = troubledPath(clock)
  const options = { prefix: 'cloud:', seats: 'director:', max: 64, onTurn: () => {}, onError }
  const spread = spreadRoles({ ...options, store: path.view(truth), clock: path.clock, holder, roles: wanted })
  return { path, spread, holds: () => (path.isFrozen() ? [] : wanted.filter((role) => spread.now(role))) }
}

const shares = (all: readonly Wanting[]): number[] => all.map(({ holds }) => holds().length).sort((a, b) => a - b)

describe('spreading', () => {
  it('gives one that is alone everything at its first try', async () => {
    const one = want('one')
    await clock.advance(0)
    await one.spread.tried
    expect(one.holds()).toEqual(roles)
  })

  it('gives those who come their part, and the part of those who go to the others', async () => {
    const one = want('one')
    await clock.advance(roleRenewEveryMs)
    const two = want('two')
    await clock.advance(3 * roleRenewEveryMs)
    expect(shares([one, two])).toEqual([2, 2])
    await two.spread.stop()
    await clock.advance(2 * roleRenewEveryMs)
    expect(one.holds()).toEqual(roles)
  })

  it('takes over from one that crashed within the time that is promised', async () => {
    const [one, two] = [want('one'), want('two')]
    await clock.advance(5 * roleRenewEveryMs + 1234)
    expect(shares([one, two])).toEqual([2, 2])
    two.path.isDead = true
    await clock.advance(takeOverMs)
    expect(one.holds()).toEqual(roles)
  })

  it('leaves nothing unheld that a process with another configuration does not want, and then keeps still', async () => {
    const one = want('one')
    await clock.advance(roleRenewEveryMs)
    const two = want('two', ['cloud:a'])
    await clock.advance(20 * roleRenewEveryMs)
    const before = await truth.roles('cloud:', clock.nowMs())
    expect(before.map(({ role }) => role)).toEqual(roles)
    await clock.advance(20 * roleRenewEveryMs)
    const after = await truth.roles('cloud:', clock.nowMs())
    expect(after.map(({ role, fence }) => `${role} ${fence}`)).toEqual(before.map(({ role, fence }) => `${role} ${fence}`))
    expect([...one.holds(), ...two.holds()].toSorted()).toEqual(roles)
  })

  it('never has a role twice, and settles with everything held and fair parts', async () => {
    await fc.assert(
      fc.asyncProperty(troubles, async (events) => {
        clock = virtualClock()
        truth = memoryStore()
        const all = ['one', 'two', 'three'].map((holder) => want(holder))
        const look = (): void => {
          const held = all.flatMap(({ holds }) => holds())
          expect(new Set(held).size).toBe(held.length)
        }
        for (const { at, kind, ms } of events) {
          const path = all[at]?.path
          if (path && kind === 'freeze') path.frozenUntilMs = clock.monotonicMs() + ms
          if (path && kind === 'slow') path.answerMs = ms / 4
          if (path && kind === 'fail') path.fails = !path.fails
          if (path && kind === 'late') path.failsLate = !path.failsLate
          for (let spent = 0; spent < ms; spent += 500) {
            await clock.advance(500)
            look()
          }
        }
        for (const { path } of all) Object.assign(path, { fails: false, failsLate: false, answerMs: 0 })
        await clock.advance(4 * takeOverMs)
        look()
        expect(shares(all).reduce((sum, share) => sum + share, 0)).toBe(roles.length)
        expect(shares(all).at(-1)).toBe(2)
        for (const { path } of all) path.isDead = true
      }),
      { numRuns: 100 },
    )
  })
})

const troubles = fc.array(
  fc.record({
    at: fc.nat(2),
    kind: fc.constantFrom('freeze', 'slow', 'fail', 'late', 'nothing'),
    ms: fc.integer({ min: 100, max: 16_000 }),
  }),
  { maxLength: 10 },
)
