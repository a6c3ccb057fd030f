/**
 * The normal form of requirements, and the key of the task queue that is made of it. Equal wishes have equal normal forms
 * and so one key; different normal forms have different keys.
 *
 * The normal form asks for exactly what the requirements ask for, and is its own normal form. What is not asked for is
 * absent. Requirements that ask for nothing of what came later (the optional ones) have the key that they always had: task
 * queues that are stored keep theirs.
 */

import type { Alternative, Requirements } from '../model/requirements.ts'
import { requirementFields } from './fields.ts'

type Key = keyof Requirements
type Wish = Requirements[Key]

const keys = Object.keys(requirementFields) as readonly Key[]

/** In the order of the key, for ever. */
const firstKeys = ['cores', 'memoryBytes', 'diskBytes', 'wallMs', 'platforms', 'sites', 'clouds', 'tags'] as const

const laterKeys = keys.filter((key) => !(firstKeys as readonly string[]).includes(key))

/** Lists sorted, without repeats: two spellings of one wish become one task queue. */
export function normalised(requirements: Requirements): Requirements {
  return normalKeys(requirements, keys) as Requirements
}

/** The normal form as text: equal for equal wishes, different for different ones. */
export function requirementsKey(requirements: Requirements): string {
  const first = firstKeys.map((key) => listed(normalOf(requirements[key])))
  const later = normalKeys(requirements, laterKeys)
  return JSON.stringify(Object.keys(later).length === 0 ? first : [...first, later])
}

/** Fields in the order of the table, without those that are not asked for. */
function normalKeys(wishes: Partial<Requirements>, of: readonly Key[]): Partial<Requirements> {
  const normal = of.flatMap((key) => {
    const wish = normalOf(wishes[key])
    return wish === undefined ? [] : [[key, wish] as const]
  })
  return Object.fromEntries(normal)
}

function normalOf(wish: Wish): Wish {
  if (typeof wish !== 'object') return wish
  if (isList(wish)) return isNames(wish) ? sortedSet(wish) : normalAlternatives(wish)
  if ('allowed' in wish) return { allowed: sortedSet(wish.allowed), banned: sortedSet(wish.banned) }
  // In the order of the names of its keys.
  return Object.fromEntries(Object.entries(wish).sort(([a], [b]) => (a < b ? -1 : 1))) as Wish
}

type ListWish = Extract<Wish, readonly unknown[]>

function isList(wish: NonNullable<Wish>): wish is ListWish {
  return Array.isArray(wish)
}

function isNames(wish: ListWish): wish is readonly string[] & ListWish {
  return typeof wish[0] !== 'object'
}

function normalAlternatives(alternatives: ListWish): readonly Alternative[] {
  const normal = (alternatives as readonly Alternative[]).map((one) => normalKeys(one, keys) as Alternative)
  const byText = new Map(normal.map((one) => [JSON.stringify(one), one]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** Mappings as lists of their values: shorter, and in one order. */
function listed(wish: Wish): unknown {
  if (typeof wish !== 'object' || Array.isArray(wish)) return wish
  if ('allowed' in wish) return [wish.allowed, wish.banned]
  return 'minLevel' in wish || !('min' in wish) ? wish : [wish.min, wish.max]
}

function sortedSet<Value extends string>(values: readonly Value[]): readonly Value[] {
  return values.length < 2 ? values : [...new Set(values)].sort()
}
