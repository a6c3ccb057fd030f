/** Choices by chance for inputs, all from one seed. */

import { type Random, seededRandom } from '../../core/kernel/random.ts'

export type Chance = {
  /** A whole number from 0 to below `max`. */
  below(max: number): number
  /** With this probability. */
  is(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** From 0 to `max` of what `make` makes, seldom many. */
  some<Item>(max: number, make: () => Item): Item[]
}

/** The chance of one input: it depends on nothing but its seed, its target and its number. */
export function chanceOf(seed: number, target: string, index: number): Chance {
  let mixed = seed | 0
  for (const text of [target, String(index)]) {
    for (const character of text) mixed = Math.imul(mixed ^ (character.codePointAt(0) ?? 0), 0x01000193)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  }
  return chance(seededRandom(mixed))
}

function chance(random: Random): Chance {
  const below = (max: number): number => Math.floor(random.next() * max)
  return {
    below,
    is: (probability) => random.next() < probability,
    pick(items) {
      const item = items[below(items.length)]
      if (item === undefined) throw new Error('there is nothing to pick from')
      return item
    },
    some(max, make) {
      const count = Math.floor(random.next() * random.next() * (max + 1))
      return Array.from({ length: count }, make)
    },
  }
}
