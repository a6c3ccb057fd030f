import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RoleLease, holdRole, type RoleTurn } from '../../../services/coordination/role-lease.ts'
import { processSkewMs, roleHoldMs, roleMarginMs, roleRenewEveryMs, takeOverMs } from '../../../core/kernel/limits.ts'
import type { Fence, RoleStore } from '../../../core/ports/store.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'
import { type Path, troubledPath } from '../../support/troubled-path.ts'

let clock: VirtualClock
let truth: RoleStore
let paths: Path[]

beforeEach(() => {
  clock = virtualClock()
  truth = memoryStore()
  paths = []
})

/** A store on another machine: its times are its own, whatever the process that asks says. */
function onItsOwnClock(store: RoleStore): RoleStore {
  return {
    hold: (role, holder, forMs) => store.hold(role, holder, forMs, clock.nowMs()),
    letGo: (role, holder) => store.letGo(role, holder),
    roles: (prefix) => store.roles(prefix, clock.nowMs()),
  }
}

type Process = { readonly turns: string[]; readonly errors: unknown[]; readonly path: Path; readonly role: RoleLease<Fence> }

function process(holder: string): Process {
  const path = troubledPath(clock)
  paths.push(path)
  const turns: string[] = []
  const errors: unknown[] = []
  const role = holdRole({
    store: path.view(truth),
    clock: path.clock,
    role: 'sweeper',
    holder,
    maxSkewMs: processSkewMs,
    onTurn: (turn: RoleTurn, { fence }) => turns.push(`${turn} ${fence}`),
    onError: (error) => errors.push(error),
  })
  return { turns, errors, path, role }
}

describe('one process', () => {
  it('has the role after its first try, keeps it, and lets it go', async () => {
    const { role, turns } = process('one')
    expect(role.now()).toBeUndefined()
    await clock.advance(0)
    await role.tried
    expect(role.now()).toEqual({ role: 'sweeper', fence: 1 })
    await clock.advance(60_000)
    expect(role.now()).toEqual({ role: 'sweeper', fence: 1 })
    await role.stop()
    expect(role.now()).toBeUndefined()
    expect(await truth.roles('sweeper', clock.nowMs())).toEqual([])
    expect(turns).toEqual(['taken 1', 'lost 1'])
  })

  it('is unsure in time when no answer comes, and goes on with the same fence when one does', async () => {
    const { role, path, turns, errors } = process('one')
    await clock.advance(0)
    path.failsLate = true
    await clock.advance(roleHoldMs - roleMarginMs - 1)
    expect(role.now()).toBeDefined()
    await clock.advance(1)
    expect(role.now()).toBeUndefined()
    path.failsLate = false
    await clock.advance(roleRenewEveryMs)
    expect(role.now()?.fence).toBe(1)
    expect(turns).toEqual(['taken 1', 'unsure 1', 'sure 1'])
    expect(errors.length).toBeGreaterThan(0)
  })

  it('counts from before the request: an answer that took too long is not believed', async () => {
    const { role, path, turns } = process('one')
    path.answerMs = roleHoldMs - roleMarginMs
    await clock.advance(path.answerMs + 1000)
    expect(role.now()).toBeUndefined()
    path.answerMs = 4000
    await clock.advance(40_000)
    expect(role.now()).toBeDefined()
    expect(turns).toEqual([expect.stringMatching(/^taken/)])
  })

  it('does not rely on a lease after the machine slept, whichever clock shows it', async () => {
    for (const sleeps of ['wall', 'monotonic'] as const) {
      const { role, path } = process(`sleeper by the ${sleeps} clock`)
      await clock.advance(100)
      expect(role.now()).toBeDefined()
      path.skew[sleeps] += roleHoldMs
      expect(role.now()).toBeUndefined()
      path.skew[sleeps] = 0
      await role.stop()
    }
  })
})

describe('several processes', () => {
  it('replaces one that crashed within the time that is promised, and not before its time is over', async () => {
    const [one, two] = [process('one'), process('two')]
    await clock.advance(7000)
    expect([one.role.now()?.fence, two.role.now()?.fence]).toEqual([1, undefined])
    one.path.isDead = true
    await clock.advance(roleHoldMs - roleRenewEveryMs)
    expect(two.role.now()).toBeUndefined()
    await clock.advance(takeOverMs - roleHoldMs + roleRenewEveryMs)
    expect(two.role.now()?.fence).toBe(2)
  })

  it('passes on at once what is let go', async () => {
    const [one, two] = [process('one'), process('two')]
    await clock.advance(0)
    await one.role.stop()
    await clock.advance(roleRenewEveryMs)
    expect(two.role.now()?.fence).toBe(2)
  })

  it('informs the one that slept that it has lost', async () => {
    const [one] = [process('one'), process('two')]
    await clock.advance(0)
    one.path.frozenUntilMs = clock.monotonicMs() + 30_000
    await clock.advance(40_000)
    expect(one.role.now()).toBeUndefined()
    expect(one.turns.at(-1)).toBe('lost 1')
  })
})

describe('whatever happens', () => {
  afterEach(() => {
    for (const path of paths) path.isDead = true
  })

  it('never answers two processes at one time, and fences only go up', async () => {
    await fc.assert(
      fc.asyncProperty(troubles, async (events) => {
        clock = virtualClock()
        truth = memoryStore()
        paths = []
        const contenders = ['one', 'two', 'three'].map(process)
        let highest = 0
        const look = (): void => {
          const held = contenders.flatMap(({ role, path }) => (path.isFrozen() ? [] : (role.now() ?? [])))
          expect(held.length).toBeLessThanOrEqual(1)
          for (const { fence } of held) expect(fence).toBeGreaterThanOrEqual(highest)
          highest = Math.max(highest, ...held.map(({ fence }) => fence))
        }
        for (const { at, kind, ms } of events) {
          const path = contenders[at]?.path
          if (path && kind === 'freeze') path.frozenUntilMs = clock.monotonicMs() + ms
          if (path && kind === 'slow') path.answerMs = ms
          if (path && kind === 'fail') path.fails = !path.fails
          if (path && kind === 'late') path.failsLate = !path.failsLate
          for (let spent = 0; spent < ms; spent += 500) {
            await clock.advance(500)
            look()
          }
        }
        for (const path of paths) Object.assign(path, { fails: false, failsLate: false, answerMs: 0 })
        await clock.advance(2 * takeOverMs)
        look()
        expect(contenders.filter(({ role }) => role.now())).toHaveLength(1)
        for (const path of paths) path.isDead = true
      }),
      { numRuns: 60 },
    )
  })
})

const troubles = fc.array(
  fc.record({
    at: fc.nat(2),
    kind: fc.constantFrom('freeze', 'slow', 'fail', 'late', 'nothing'),
    ms: fc.integer({ min: 100, max: 16_000 }),
  }),
  { maxLength: 12 },
)

describe("a process whose clock is off the store's", () => {
  beforeEach(() => {
    truth = onItsOwnClock(truth)
  })

  it.each([
    ['ahead', processSkewMs + 1, "ahead of the store's"],
    ['behind', -processSkewMs - 1, "behind the store's"],
    ['far ahead', 3_600_000, "1 h ahead of the store's"],
  ])('takes no role while it is %s, and another process gets it', async (_, skewMs, words) => {
    const [one, two] = [process('one'), process('two')]
    one.path.skew.wall = skewMs
    await clock.advance(roleHoldMs + takeOverMs)
    expect([one.role.now(), two.role.now()?.role]).toEqual([undefined, 'sweeper'])
    expect(one.turns).toEqual([])
    expect(String(one.errors[0])).toContain(words)
    expect(two.errors).toEqual([])
  })

  it.each([processSkewMs, -processSkewMs])('takes it within the bound: %s ms', async (skewMs) => {
    const one = process('one')
    one.path.skew.wall = skewMs
    await clock.advance(roleHoldMs)
    expect(one.role.now()).toBeDefined()
  })

  it('is not taken for off because an answer is slow', async () => {
    const one = process('one')
    one.path.answerMs = processSkewMs + 2000
    await clock.advance(roleHoldMs)
    expect([one.turns[0], one.errors]).toEqual(['taken 1', []])
  })

  it('gives the role up when its clock is moved, and takes it again under a new fence when it is right', async () => {
    for (const skewMs of [processSkewMs + 1000, -3_600_000]) {
      const one = process(`moved by ${skewMs}`)
      await clock.advance(1000)
      const fence = one.role.now()?.fence ?? 0
      one.path.skew.wall = skewMs
      await clock.advance(roleRenewEveryMs)
      expect([one.role.now(), one.turns.at(-1)]).toEqual([undefined, `lost ${fence}`])
      one.path.skew.wall = 0
      await clock.advance(roleRenewEveryMs)
      expect(one.role.now()?.fence).toBeGreaterThan(fence)
      await one.role.stop()
    }
  })
})
