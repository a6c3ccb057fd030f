import { describe, expect, it } from 'vitest'
import type { Invariant } from '../../sim/violations.ts'
import { runLifetimes } from '../../sim/lifetimes/lifetimes.ts'
import { type LifetimeRule, lifetimeRules } from '../../sim/lifetimes/switches.ts'

it.each([1, 2, 3])('seed %i leaks nothing, doubles nothing and ends with nothing left to do', async (seed) => {
  const { violation, leaked, doubled, lifetimes, faults, kills } = await runLifetimes({ seed, lifetimes: 60 })
  expect(violation).toBeUndefined()
  expect({ leaked, doubled }).toEqual({ leaked: 0, doubled: 0 })
  expect(lifetimes).toBeGreaterThanOrEqual(60)
  expect(faults).toBeGreaterThan(100)
  expect(kills).toBeGreaterThan(0)
})

it('a seed is the same run again, and another seed is another', async () => {
  const first = await runLifetimes({ seed: 4, lifetimes: 40 })
  expect(await runLifetimes({ seed: 4, lifetimes: 40 })).toEqual(first)
  expect((await runLifetimes({ seed: 5, lifetimes: 40 })).digest).not.toBe(first.digest)
})

/** By what each rule may be missed. */
const noticedBy: Readonly<Record<LifetimeRule, readonly Invariant[]>> = {
  'confirm-delete': ['vmRecord'],
  lookup: ['vmRecord', 'doubled', 'limits'],
  intent: ['vmRecord'],
  order: ['vmRecord', 'doubled'],
  orphans: ['leaked', 'doubled', 'vmRecord', 'limits'],
  gate: ['image'],
}

/** Of ten small seeds: what one seed alone notices, a small change may hide. */
const minNoticing = 2

describe('a rule that is off is noticed', { timeout: 180_000 }, () => {
  it.each(lifetimeRules)('%s, by several seeds', async (without) => {
    let noticing = 0
    for (let seed = 1; seed <= 10 && noticing < minNoticing; seed += 1) {
      const { violation } = await runLifetimes({ seed, lifetimes: 100, without })
      if (!violation) continue
      noticing += 1
      expect(noticedBy[without]).toContain(violation.invariant)
      expect(violation.story.at(-1)).toContain('VIOLATION')
    }
    expect(noticing).toBe(minNoticing)
  })
})
