/**
 * Inputs for all targets, spread evenly over them and over worker processes; and what they have shown, in lines for
 * people and one for programs.
 */

import { pathToFileURL } from 'node:url'
import type { Clock } from '../../core/kernel/clock.ts'
import { type Batch, type Crash, inputOf } from './run-inputs.ts'
import type { FuzzTarget } from './target.ts'
import { runWorkers } from './workers.ts'

export type FuzzOptions = {
  readonly inputs: number
  readonly seed: number
  readonly workers: number
  readonly module: string
  /** Absent: all. */
  readonly target?: string
  /** An input that takes longer never ends. */
  readonly endMs: number
  readonly clock: Clock
  readonly say: (line: string) => void
}

/** Of done-when 3 of issue 12. */
export const fuzzLimits = { inputMs: 100, memoryMb: 512 } as const

const batchInputs = 1000
const maxShownCrashes = 20
const maxShownInput = 4000
const mib = 1024 * 1024

type Tally = { inputs: number; accepted: number; slowestMs: number; slowestIndex: number }

/** Whether all of it held. */
export async function fuzz(options: FuzzOptions): Promise<boolean> {
  const { clock, say, seed } = options
  const { targets } = (await import(pathToFileURL(options.module).href)) as { targets: readonly FuzzTarget[] }
  const chosen = targets.filter(({ name }) => options.target === undefined || name === options.target)
  if (chosen.length === 0) throw new Error(`--target: one of ${targets.map(({ name }) => name).join(', ')}`)
  const tallies = new Map(chosen.map(({ name }) => [name, { inputs: 0, accepted: 0, slowestMs: 0, slowestIndex: 0 }]))
  const crashes: Crash[] = []
  let memoryBytes = 0
  const beginMs = clock.monotonicMs()
  const batches = batchesOf(chosen, options)
  await runWorkers({
    ...options,
    count: options.workers,
    inputMs: options.endMs,
    memoryMb: fuzzLimits.memoryMb,
    next: () => batches.shift(),
    measured(batch, result) {
      add(tallies.get(batch.target), result)
      crashes.push(...result.crashes)
      memoryBytes = Math.max(memoryBytes, result.memoryBytes)
    },
    ended({ batch: { target: name, from }, index, why }) {
      add(tallies.get(name), { inputs: index - from + 1, accepted: 0, slowestMs: 0, slowestIndex: 0 })
      const target = chosen.find((one) => one.name === name)
      crashes.push({ target: name, index, why, input: target ? inputOf(target, seed, index) : '' })
    },
  })
  for (const crash of crashes.slice(0, maxShownCrashes)) say(crashText(crash, seed))
  for (const [name, { inputs, accepted, slowestMs, slowestIndex }] of tallies) {
    const slowest = `slowest_ms=${slowestMs.toFixed(1)} slowest_index=${slowestIndex}`
    say(`  ${name.padEnd(14)} inputs=${inputs} accepted=${accepted} ${slowest}`)
  }
  return concluded(tallies, crashes.length, memoryBytes, clock.monotonicMs() - beginMs, options)
}

function add(tally: Tally | undefined, more: Tally): void {
  if (!tally) return
  tally.inputs += more.inputs
  tally.accepted += more.accepted
  if (more.slowestMs > tally.slowestMs) [tally.slowestMs, tally.slowestIndex] = [more.slowestMs, more.slowestIndex]
}

function concluded(
  tallies: ReadonlyMap<string, Tally>,
  crashes: number,
  memoryBytes: number,
  tookMs: number,
  { inputs, seed, say }: FuzzOptions,
): boolean {
  const all = [...tallies.values()]
  const ran = all.reduce((sum, tally) => sum + tally.inputs, 0)
  const slowestMs = Math.max(...all.map((tally) => tally.slowestMs))
  const memoryMb = Math.ceil(memoryBytes / mib)
  // Inputs that are all refused at once prove nothing.
  const idle = [...tallies].filter(([, { accepted }]) => accepted === 0).map(([name]) => name)
  if (idle.length > 0) say(`no input was accepted by: ${idle.join(', ')}`)
  const isFast = slowestMs <= fuzzLimits.inputMs && memoryMb <= fuzzLimits.memoryMb
  const isOk = crashes === 0 && isFast && idle.length === 0 && ran >= inputs
  const measured = `slowest_ms=${slowestMs.toFixed(1)} memory_mb=${memoryMb} seconds=${Math.round(tookMs / 1000)}`
  say(`fuzz: inputs=${ran} crashes=${crashes} ${measured} seed=${seed} result=${isOk ? 'ok' : 'FAILED'}`)
  return isOk
}

/** In turns over the targets, so that a run that is cut short has tried all of them. */
function batchesOf(targets: readonly FuzzTarget[], { inputs, seed }: FuzzOptions): Batch[] {
  const each = Math.ceil(inputs / targets.length)
  const batches: Batch[] = []
  for (let from = 0; from < each; from += batchInputs) {
    const count = Math.min(batchInputs, each - from)
    batches.push(...targets.map(({ name }) => ({ target: name, seed, from, count })))
  }
  return batches
}

export function crashText({ target, index, why, input }: Crash, seed: number): string {
  const shown = input.length > maxShownInput ? `${input.slice(0, maxShownInput)}... (${input.length} characters)` : input
  return [
    `error: ${target} crashed; again: npm run fuzz -- --seed ${seed} --target ${target} --index ${index}`,
    ...why.split('\n').slice(0, 8),
    `input: ${JSON.stringify(shown)}`,
  ].join('\n  ')
}
