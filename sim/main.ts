/**
 * `npm run sim`: seeds of the simulated world, then the same world with each safety rule switched off, which must be
 * noticed.
 *
 *   --seeds N --jobs N    seeds 1 to N, with this number of jobs each (50 and 2000)
 *   --seed S              this one only, as it was
 *   --without RULE        with a rule switched off
 *   --mutants             only the proof that every rule is missed when it is off; --no-mutants: all but that
 *   --threads N           as many at once (2)
 *   --clouds              VM lifetimes at clouds with faults, a director that is killed, no jobs (lifetimes/run-clouds.ts)
 *   --lifetimes N         the number of VM lifetimes (10000)
 *
 * Ends with one line, and exits non-zero on a violation or on a rule whose absence is not noticed by one of the first five
 * seeds and by three of twenty.
 */

import { parseArgs } from 'node:util'
import { systemClock } from '../core/kernel/clock.ts'
import { runClouds } from './lifetimes/run-clouds.ts'
import { lifetimeRules } from './lifetimes/switches.ts'
import { isNoticed } from './noticing.ts'
import type { SeedOptions, SeedResult } from './run-seed.ts'
import { type Rule, rules } from './switches.ts'
import { openThreads, type Threads as AnyThreads } from './threads.ts'
import { invariants } from './violations.ts'

type Threads = AnyThreads<SeedOptions, SeedResult>

const reportEveryMs = 15_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '50' },
    jobs: { type: 'string', default: '2000' },
    seed: { type: 'string' },
    without: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    'no-mutants': { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    clouds: { type: 'boolean', default: false },
    lifetimes: { type: 'string', default: '10000' },
  },
})

const clock = systemClock()
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new Error(`--${name} ${text}: a whole number above 0 is wanted`)
}

function ruleOf<Name extends string>(known: readonly Name[], text: string | undefined): Name | undefined {
  const rule = known.find((one) => one === text)
  if (text !== undefined && !rule) throw new Error(`--without ${text}: one of ${known.join(', ')} is wanted`)
  return rule
}

function reportViolation({ seed, violation }: SeedResult, jobs: number, without: Rule | undefined): void {
  if (!violation) return
  const rest = without === undefined ? '' : ` --without ${without}`
  say(`\nseed ${seed} broke "${invariants[violation.invariant]}"`)
  say(violation.what)
  for (const line of violation.story) say(line)
  say(`again: npm run sim -- --seed ${seed} --jobs ${jobs}${rest}\n`)
}

async function runSeeds(threads: Threads, seeds: readonly number[], jobs: number, without: Rule | undefined) {
  const results: SeedResult[] = []
  let reportedMs = clock.monotonicMs()
  await Promise.all(
    seeds.map(async (seed) => {
      const result = await threads.run({ seed, jobs, without })
      results.push(result)
      reportViolation(result, jobs, without)
      if (clock.monotonicMs() - reportedMs < reportEveryMs) return
      reportedMs = clock.monotonicMs()
      say(
        `sim: ${results.length} of ${seeds.length} seeds, ${results.filter(({ violation }) => violation).length} violations`,
      )
    }),
  )
  return results
}

/** Whether enough seeds notice that the rule is off. */
function isMissed(threads: Threads, rule: Rule, jobs: number): Promise<boolean> {
  const run = async (seed: number) => (await threads.run({ seed, jobs, without: rule })).violation
  return isNoticed({ sim: 'sim', rule, run, say })
}

async function main(): Promise<void> {
  const jobs = wholeNumber('jobs', values.jobs)
  const without = ruleOf(rules, values.without)
  const fromMs = clock.monotonicMs()
  const threads: Threads = openThreads(wholeNumber('threads', values.threads), new URL('./worker.ts', import.meta.url))
  const isOne = values.seed !== undefined
  const withSeeds = !values.mutants || isOne
  const withMutants = !isOne && !values['no-mutants']
  const first = values.seed === undefined ? 1 : wholeNumber('seed', values.seed)
  const count = isOne ? 1 : wholeNumber('seeds', values.seeds)
  const seeds = withSeeds ? Array.from({ length: count }, (_, at) => first + at) : []
  const results = await runSeeds(threads, seeds, jobs, without)
  const missed = withMutants ? await Promise.all(rules.map((rule) => isMissed(threads, rule, jobs))) : []
  await threads.close()

  const sum = (of: (result: SeedResult) => number): number => results.reduce((total, result) => total + of(result), 0)
  const violations = results.filter(({ violation }) => violation).length
  const noticed = missed.filter(Boolean).length
  const figures = [
    `seeds=${results.length}`,
    `jobs=${sum((one) => one.jobs)}`,
    `kills=${sum(({ toll }) => toll.serviceKills + toll.pilotKills)}`,
    `crashes=${sum(({ toll }) => toll.crashes)}`,
    `stalls=${sum(({ toll }) => toll.stalls)}`,
    `cuts=${sum(({ toll }) => toll.cuts)}`,
    `hours=${Math.round(sum((one) => one.virtualMs) / 3_600_000)}`,
    `steps=${sum((one) => one.steps)}`,
    `violations=${violations}`,
    ...(withMutants ? [`mutants=${noticed}/${rules.length}`] : []),
    ...(isOne ? results.map(({ digest }) => `digest=${digest}`) : []),
    `seconds=${((clock.monotonicMs() - fromMs) / 1000).toFixed(1)}`,
  ]
  say(`sim: ${figures.join(' ')}`)
  if (violations > 0 || missed.includes(false)) process.exitCode = 1
}

async function mainOfClouds(): Promise<void> {
  const isWell = await runClouds({
    lifetimes: wholeNumber('lifetimes', values.lifetimes),
    seed: values.seed === undefined ? undefined : wholeNumber('seed', values.seed),
    without: ruleOf(lifetimeRules, values.without),
    threads: wholeNumber('threads', values.threads),
    seeds: !values.mutants,
    mutants: !values['no-mutants'],
    clock,
    say,
  })
  if (!isWell) process.exitCode = 1
}

const run = values.clouds ? mainOfClouds : main
run().catch((error: unknown) => {
  say(`sim: ended by a bug of its own: ${error instanceof Error ? error.stack : String(error)}`)
  process.exit(1)
})
