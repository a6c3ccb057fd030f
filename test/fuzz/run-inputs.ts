/**
 * Runs inputs of one target, one after the other, and measures them: what crashed, which took longest, how many were
 * accepted.
 *
 * An input that seems slow is run again: the shortest of its times counts, because the others contain the compilation of the
 * code, a collection of garbage, or another process.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { chanceOf } from './chance.ts'
import { nextInput } from './mutate.ts'
import type { FuzzTarget } from './target.ts'

export type Batch = { readonly target: string; readonly seed: number; readonly from: number; readonly count: number }
export type Crash = { readonly target: string; readonly index: number; readonly why: string; readonly input: string }
export type BatchResult = {
  readonly inputs: number
  readonly accepted: number
  readonly crashes: readonly Crash[]
  readonly slowestMs: number
  readonly slowestIndex: number
}

/** From here on a time is worth a second look. */
const suspectMs = 10
const repeats = 4
const maxCrashes = 5
const thingsPerTime = 100

/** `started` is called before each input, so that one which never ends can be named. */
export function runInputs(
  target: FuzzTarget,
  { seed, from, count }: Batch,
  clock: Clock,
  started: (index: number) => void = () => {},
): BatchResult {
  const crashes: Crash[] = []
  let [accepted, slowestMs, slowestIndex] = [0, 0, from]
  for (let index = from; index < from + count; index += 1) {
    started(index)
    const input = inputOf(target, seed, index)
    const beginMs = clock.monotonicMs()
    const tried = tryInput(target, input)
    const firstMs = clock.monotonicMs() - beginMs
    if (typeof tried === 'object' && crashes.length < maxCrashes)
      crashes.push({ target: target.name, index, why: tried.why, input })
    const things = typeof tried === 'number' ? tried : 0
    if (things > 0) accepted += 1
    const shortest = firstMs < Math.max(suspectMs, slowestMs) ? firstMs : shortestMs(target, input, firstMs, clock)
    const takenMs = shortest / Math.max(1, things / thingsPerTime)
    if (takenMs > slowestMs) [slowestMs, slowestIndex] = [takenMs, index]
  }
  return { inputs: count, accepted, crashes, slowestMs, slowestIndex }
}

export function inputOf(target: FuzzTarget, seed: number, index: number): string {
  return nextInput(target, chanceOf(seed, target.name, index))
}

/** What it became, as `FuzzTarget.run` says; or why it crashed. */
export function tryInput(target: FuzzTarget, input: string): number | { readonly why: string } {
  try {
    return target.run(input)
  } catch (thrown) {
    if (thrown instanceof PilotageError && thrown.code !== 'internal') return 0
    return { why: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) }
  }
}

function shortestMs(target: FuzzTarget, input: string, firstMs: number, clock: Clock): number {
  let shortest = firstMs
  for (let left = repeats; left > 0; left -= 1) {
    const beginMs = clock.monotonicMs()
    tryInput(target, input)
    shortest = Math.min(shortest, clock.monotonicMs() - beginMs)
  }
  return shortest
}
