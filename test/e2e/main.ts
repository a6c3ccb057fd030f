/**
 * `npm run e2e -- NAME [--seed N] [--only PART]`: one scenario against a real service, ended by one line `NAME: key=value
 * ...`.
 *
 * Gives the scenario a directory and afterwards proves that no process belongs to it; ends those that do. The directory goes
 * when all was as promised and stays, named, when it was not. Exit codes: 0 as promised, 1 not, 2 wrong usage.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../core/kernel/clock.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { cacheDirectory, findPeers } from '../peers/find-peers.ts'
import { commandOf, endAllUnder, leftUnder } from '../support/processes.ts'
import type { Outcome, Scenario, Stage } from './scenario.ts'
import { scenarios } from './scenarios.ts'

/** A local VM's processes end by themselves when it is switched off: some rounds of its own search. */
const leftoversMs = 10_000

const leaving = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => leaving.abort())

/** What a scenario forgot to wait for must not end this process before it has cleaned up. */
const broken = Promise.withResolvers<Outcome>()
process.on('unhandledRejection', (thrown) => broken.resolve(failure(thrown)))

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, only: { type: 'string' } },
  allowPositionals: true,
})
const [name] = positionals
const scenario = scenarios.find((one) => one.name === name)
// What a scenario that broke off still waits for would keep this process for ever.
process.exit(scenario && positionals.length === 1 ? await play(scenario, Number(values.seed)) : usage())

async function play(chosen: Scenario, seed: number): Promise<number> {
  const clock = systemClock()
  const beginMs = clock.monotonicMs()
  const dir = mkdtempSync(join(tmpdir(), `pilotage-e2e-${chosen.name}-`))
  const say = (line: string): void => console.error(`${((clock.monotonicMs() - beginMs) / 1000).toFixed(1)} s: ${line}`)
  const peers = findPeers(process.env)
  const cache = cacheDirectory(process.env)
  const { only } = values
  const stage: Stage = { clock, random: seededRandom(seed), dir, peers, cache, say, only, signal: leaving.signal }
  const outcome = await Promise.race([chosen.run(stage), interrupted(leaving.signal), broken.promise]).catch(failure)
  const left = await leftUnder(clock, dir, outcome.shortfalls.length === 0 ? leftoversMs : 0)
  await endAllUnder(clock, dir)
  const shortfalls = [...outcome.shortfalls, ...left.map((seen) => `a process is left: ${commandOf(seen)}`)]
  for (const text of shortfalls) console.error(`not as promised: ${text}`)
  if (shortfalls.length === 0) rmSync(dir, { recursive: true, force: true })
  else console.error(`everything of it is in ${dir} (seed ${seed})`)
  const seconds = Math.round((clock.monotonicMs() - beginMs) / 1000)
  const figures = { ...outcome.figures, seconds, result: shortfalls.length === 0 ? 'ok' : 'NOT-OK' }
  const line = Object.entries(figures).map(([key, value]) => `${key}=${value}`)
  console.log(`${chosen.name}: ${line.join(' ')}`)
  return shortfalls.length === 0 ? 0 : 1
}

function interrupted(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ figures: {}, shortfalls: ['it was interrupted'] }), { once: true })
  })
}

function failure(thrown: unknown): Outcome {
  const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return { figures: {}, shortfalls: [`it ended early: ${why}`] }
}

function usage(): number {
  console.error('npm run e2e -- NAME [--seed N] [--only PART]')
  for (const one of scenarios) console.error(`  ${one.name.padEnd(12)} ${one.about}`)
  return name === undefined ? 0 : 2
}
