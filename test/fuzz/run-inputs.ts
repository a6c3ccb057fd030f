/**
 * Runs inputs of one target, one after the other, and measures them: what crashed, which took longest, how many were
 * accepted.
 *
 * An input that seems slow is run again: the shortest of its times counts, because the others contain the compilation of the
 * code, or a collection of garbage.
 */

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

/**
 * `spentMs`: what the thread has used of a processor so far. On a busy machine an input waits for one, and is not slow.
 * `started` is called before each input, so that one which never ends can be named.
 */
export function runInputs(
  target: FuzzTarget,
  { seed, from, count }: Batch,
  spentMs: () => number,
  started: (index: number) => void = () => {},
): BatchResult {
  const crashes: Crash[] = []
  let [accepted, slowestMs, slowestIndex] = [0, 0, from]
  for (let index = from; index < from + count; index += 1) {
    started(index)
    const input = inputOf(target, seed, index)
    const beginMs = spentMs()
    const tried = tryInput(target, input)
    const firstMs = spentMs() - beginMs
    if (typeof tried === 'object' && crashes.length < maxCrashes)
      crashes.push({ target: target.name, index, why: tried.why, input })
    const things = typeof tried === 'number' ? tried : 0
    if (things > 0) accepted += 1
    const shortest = firstMs < Math.max(suspectMs, slowestMs) ? firstMs : shortestMs(target, input, firstMs, spentMs)
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

function shortestMs(target: FuzzTarget, input: string, firstMs: number, spentMs: () => number): number {
  let shortest = firstMs
  for (let left = repeats; left > 0; left -= 1) {
    const beginMs = spentMs()
    tryInput(target, input)
    shortest = Math.min(shortest, spentMs() - beginMs)
  }
  return shortest
}
