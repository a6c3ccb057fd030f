/** Chance in the words of a simulation. One stream of it serves a whole run, so that its seed is all that a run needs. */

import { type Random, seededRandom } from '../core/kernel/random.ts'

export type Dice = {
  readonly random: Random
  /** True so often. */
  chance(probability: number): boolean
  between(least: number, most: number): number
  whole(least: number, most: number): number
  /** Waiting times: mostly short, sometimes long, `mean` on average. */
  about(mean: number): number
  /** Small and large values alike: each power of ten as often. */
  anyScale(least: number, most: number): number
  pick<Item>(items: readonly Item[]): Item
}

export function dice(seed: number): Dice {
  const random = seededRandom(seed)
  const between = (least: number, most: number): number => least + random.next() * (most - least)
  const whole = (least: number, most: number): number => Math.floor(between(least, most + 1))
  return {
    random,
    chance: (probability) => random.next() < probability,
    between,
    whole,
    about: (mean) => -Math.log(1 - random.next()) * mean,
    anyScale: (least, most) => Math.exp(between(Math.log(least), Math.log(most))),
    pick(items) {
      const item = items[whole(0, items.length - 1)]
      if (item === undefined) throw new Error('assertion failed: nothing to pick from')
      return item
    },
  }
}
