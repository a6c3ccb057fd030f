import { describe, expect, it } from 'vitest'
import { runSeed } from '../../sim/run-seed.ts'
import { type Rule, rules } from '../../sim/switches.ts'
import type { Invariant } from '../../sim/violations.ts'

const jobs = 120

/** A seed computes for some seconds, and longer where other tests want the same cores. */
const seedMs = 60_000

it.each([1, 2, 3])('seed %i breaks nothing and ends with nothing left to do', { timeout: seedMs }, async (seed) => {
  const { violation, jobs: seen, toll } = await runSeed({ seed, jobs })
  expect(violation).toBeUndefined()
  expect(seen).toBeGreaterThanOrEqual(jobs)
  expect(toll.stalls + toll.cuts + toll.crashes + toll.serviceKills + toll.pilotKills).toBeGreaterThan(0)
})

it.each(['never-starts', 'smaller', 'disk-full', 'keeps-payloads'] as const)(
  'machines that are all of no use (%s) are made as often as the breakers allow, and all work ends when they are mended',
  { timeout: 2 * seedMs },
  async (kind) => {
    const { violation, toll } = await runSeed({ seed: 1, jobs, useless: { kind } })
    expect(violation).toBeUndefined()
    if (kind === 'never-starts' || kind === 'disk-full') expect(toll.useless).toBeGreaterThan(10)
  },
)

it('a seed is the same run again, and another seed is another', async () => {
  const first = await runSeed({ seed: 4, jobs: 60 })
  expect(await runSeed({ seed: 4, jobs: 60 })).toEqual(first)
  expect((await runSeed({ seed: 5, jobs: 60 })).digest).not.toBe(first.digest)
})

/** By what each rule may be missed. */
const noticedBy: Readonly<Record<Rule, readonly Invariant[]>> = {
  fence: ['oldReport'],
  'lease-check': ['oneLease'],
  idempotency: ['sameKey'],
  'confirm-delete': ['vmRecord'],
  'drain-race': ['busyVm'],
  charge: ['charged'],
  account: ['accounted'],
  proof: ['useless'],
  health: ['unfit', 'useless'],
  measure: ['useless'],
  leave: ['held'],
  release: ['held'],
  dependency: ['early'],
  dependants: ['moves'],
}

/** Thirty seeds are some seconds of one idle core. */
const mutantMs = 120_000

describe('a rule that is off is noticed', { timeout: mutantMs }, () => {
  it.each(rules)('%s', async (without) => {
    // Small seeds, so more of them than the ten that `npm run sim` allows itself: one in three notices the rarest at this
    // size.
    for (let seed = 1; seed <= 30; seed += 1) {
      const { violation } = await runSeed({ seed, jobs: 400, without })
      if (!violation) continue
      expect(noticedBy[without]).toContain(violation.invariant)
      expect(violation.story.at(-1)).toContain('VIOLATION')
      return
    }
    expect.fail(`no check missed ${without}`)
  })
})
