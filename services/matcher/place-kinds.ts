/**
 * The kinds of places by number, so that a task queue remembers in one bit whether it suits one. Two places of one kind
 * answer alike for as long as they live.
 */

import { placeKey } from '../../core/language/place-rules.ts'
import type { Place } from '../../core/model/resources.ts'

/** Offerings, and what pilots found less of them. */
export const maxKinds = 256

/** Nothing is known of any kind: it may suit each. */
export const everyKind: readonly number[] = Array.from({ length: maxKinds / 32 }, () => -1)

export const noKind: readonly number[] = everyKind.map(() => 0)

export type PlaceKinds = {
  /** Of this place. Beyond `maxKinds` all are numbered anew, `onForgotten` before. */
  of(place: Place): number
}

export function placeKinds(onForgotten: () => void): PlaceKinds {
  let numbers = new Map<string, number>()
  let known = new WeakMap<Place, number>()
  return {
    of(place) {
      const before = known.get(place)
      if (before !== undefined) return before
      const key = placeKey(place)
      if (!numbers.has(key) && numbers.size >= maxKinds) {
        numbers = new Map()
        known = new WeakMap()
        onForgotten()
      }
      const number = numbers.get(key) ?? numbers.size
      numbers.set(key, number)
      known.set(place, number)
      return number
    },
  }
}

export function hasKind(kinds: readonly number[], kind: number): boolean {
  return ((kinds[kind >> 5] ?? 0) & (1 << (kind & 31))) !== 0
}

export function withoutKind(kinds: readonly number[], kind: number): readonly number[] {
  return kinds.map((word, at) => (at === kind >> 5 ? word & ~(1 << (kind & 31)) : word))
}

export function withKind(kinds: readonly number[], kind: number): readonly number[] {
  return kinds.map((word, at) => (at === kind >> 5 ? word | (1 << (kind & 31)) : word))
}
