/**
 * `npm run sim -- --clouds`: seeds of VM lifetimes until there were enough of them, then the same with each rule switched
 * off, which must be noticed.
 *
 * Ends with one line, and answers whether all is well: no violation, nothing leaked or doubled, every rule missed.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { openThreads, type Threads as AnyThreads } from '../threads.ts'
import { isNoticed } from '../noticing.ts'
import { invariants } from '../violations.ts'
import type { LifetimesOptions, LifetimesResult } from './lifetimes.ts'
import { type LifetimeRule, lifetimeRules } from './switches.ts'

export type CloudsOptions = {
  readonly lifetimes: number
  /** This one only, as it was. */
  readonly seed?: number
  readonly without?: LifetimeRule
  readonly threads: number
  readonly seeds: boolean
  readonly mutants: boolean
  readonly clock: Clock
  readonly say: (line: string) => void
}

type Threads = AnyThreads<LifetimesOptions, LifetimesResult>

/** Long enough for clouds to fill and for directors to die many times, short enough for a reader to follow. */
const seedLifetimes = 250
const reportEveryMs = 15_000

export async function runClouds(options: CloudsOptions): Promise<boolean> {
  const { clock, say, seed, without } = options
  const fromMs = clock.monotonicMs()
  const threads: Threads = openThreads(options.threads, new URL('./worker.ts', import.meta.url))
  const isOne = seed !== undefined
  const results = options.seeds || isOne ? await runSeeds(threads, options) : []
  const withMutants = options.mutants && !isOne && without === undefined
  const missed = withMutants ? await Promise.all(lifetimeRules.map((rule) => isMissed(threads, rule, say))) : []
  await threads.close()

  const sum = (of: (result: LifetimesResult) => number): number => results.reduce((total, one) => total + of(one), 0)
  const broke = (invariant: string): number => sum(({ violation }) => (violation?.invariant === invariant ? 1 : 0))
  const violations = sum(({ violation }) => (violation ? 1 : 0))
  const figures = [
    `lifetimes=${sum((one) => one.lifetimes)}`,
    `faults=${sum((one) => one.faults)}`,
    `kills=${sum((one) => one.kills)}`,
    `leaked=${sum((one) => one.leaked)}`,
    `doubled=${Math.max(
      broke('doubled'),
      sum((one) => one.doubled),
    )}`,
    `over_quota=${broke('quota')}`,
    `violations=${violations}`,
    ...(withMutants ? [`mutants=${missed.filter(Boolean).length}/${missed.length}`] : []),
    ...(isOne ? results.map(({ digest }) => `digest=${digest}`) : []),
    `seconds=${((clock.monotonicMs() - fromMs) / 1000).toFixed(1)}`,
  ]
  say(`sim-clouds: ${figures.join(' ')}`)
  return violations === 0 && !missed.includes(false)
}

async function runSeeds(threads: Threads, options: CloudsOptions): Promise<readonly LifetimesResult[]> {
  const { clock, say, lifetimes, without } = options
  const each = Math.min(seedLifetimes, lifetimes)
  const count = options.seed === undefined ? Math.ceil(lifetimes / each) : 1
  const results: LifetimesResult[] = []
  let reportedMs = clock.monotonicMs()
  const first = options.seed ?? 1
  await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const result = await threads.run({ seed: first + at, lifetimes: each, without })
      results.push(result)
      reportViolation(result, each, without, say)
      if (clock.monotonicMs() - reportedMs < reportEveryMs) return
      reportedMs = clock.monotonicMs()
      say(
        `sim-clouds: ${results.length} of ${count} seeds, ${results.filter(({ violation }) => violation).length} violations`,
      )
    }),
  )
  return results
}

function reportViolation(
  { seed, violation }: LifetimesResult,
  lifetimes: number,
  without: LifetimeRule | undefined,
  say: CloudsOptions['say'],
): void {
  if (!violation) return
  const rest = without === undefined ? '' : ` --without ${without}`
  say(`\nseed ${seed} broke "${invariants[violation.invariant]}"`)
  say(violation.what)
  for (const line of violation.story) say(line)
  say(`again: npm run sim -- --clouds --seed ${seed} --lifetimes ${lifetimes}${rest}\n`)
}

/** Whether enough seeds notice that the rule is off. */
function isMissed(threads: Threads, rule: LifetimeRule, say: CloudsOptions['say']): Promise<boolean> {
  const run = async (seed: number) => (await threads.run({ seed, lifetimes: seedLifetimes, without: rule })).violation
  return isNoticed({ sim: 'sim-clouds', rule, run, say })
}
