/** Chance in the words of a simulation. One stream of it serves a whole run, so that its seed is all that a run needs. */

import { type Random, seededRandom } from '../core/kernel/random.ts'

export type Dice = {
  readonly random: Random
  /** True so often. */
  chance(probability: number): boolean
  between(min: number, max: number): number
  whole(min: number, max: number): number
  /** Waiting times: mostly short, sometimes long, `mean` on average. */
  about(mean: number): number
  /** Small and large values alike: each power of ten as often. */
  anyScale(min: number, max: number): number
  pick<Item>(items: readonly Item[]): Item
}

export function dice(seed: number): Dice {
  const random = seededRandom(seed)
  const between = (min: number, max: number): number => min + random.next() * (max - min)
  const whole = (min: number, max: number): number => Math.floor(between(min, max + 1))
  return {
    random,
    chance: (probability) => random.next() < probability,
    between,
    whole,
    about: (mean) => -Math.log(1 - random.next()) * mean,
    anyScale: (min, max) => Math.exp(between(Math.log(min), Math.log(max))),
    pick(items) {
      const item = items[whole(0, items.length - 1)]
      if (item === undefined) throw new Error('assertion failed: nothing to pick from')
      return item
    },
  }
}
