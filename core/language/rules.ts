/**
 * The requirement language: what a job may ask of the place where it runs.
 *
 * One list of rules is all there is: it decides whether a place fits, and says why it does or does not, so that an
 * explanation can never differ from a decision. A rule about the place (site, tags) holds or not for as long as the VM
 * lives; a rule about room (cores, memory) depends on what is free now. Equal requirements have equal normal forms, and the
 * normal form is the task queue's key.
 */

import { requirementFields } from './fields.ts'
import { durationText } from '../kernel/quantities.ts'
import { type Place, type Resources, type Room, amounts } from '../model/resources.ts'
import type { Demand, Requirements, Names } from '../model/requirements.ts'

export type RuleOutcome = {
  readonly rule: string
  readonly holds: boolean
  readonly wanted: string
  readonly offered: string
}

export function ruleText({ rule, wanted, offered }: RuleOutcome): string {
  return `${rule}: wanted ${wanted}, offered ${offered}`
}

/** Rules by which a job names where it wants to run. */
const naming: ReadonlySet<string> = new Set(['site', 'cloud', 'platform', 'tags'])

/**
 * Which of two places is closer to a job, by the rules that each breaks: below 0 for the first. The one that breaks fewer;
 * of as many, the one that the job names: an offer of another site helps no job that wants this one.
 */
export function byCloseness(a: readonly RuleOutcome[], b: readonly RuleOutcome[]): number {
  const misnamed = (broken: readonly RuleOutcome[]): number => broken.filter(({ rule }) => naming.has(rule)).length
  return a.length - b.length || misnamed(a) - misnamed(b)
}

type Rule<Offered> = {
  readonly name: string
  holds(demand: Demand, offered: Offered): boolean
  wanted(demand: Demand): string
  offered(offered: Offered): string
}

const placeRules: readonly Rule<Place>[] = [
  {
    name: 'vo',
    holds: ({ vo }, place) => place.vos.length === 0 || place.vos.includes(vo),
    wanted: ({ vo }) => vo,
    offered: (place) => joinedNames(place.vos, 'every VO'),
  },
  {
    name: 'site',
    holds: ({ requirements }, place) => allows(requirements.sites, place.site),
    wanted: ({ requirements }) => names(requirements.sites),
    offered: (place) => place.site,
  },
  {
    name: 'cloud',
    holds: ({ requirements }, place) => allows(requirements.clouds, place.cloud),
    wanted: ({ requirements }) => names(requirements.clouds),
    offered: (place) => place.cloud,
  },
  {
    name: 'platform',
    holds: ({ requirements }, place) =>
      requirements.platforms.length === 0 || requirements.platforms.includes(place.platform),
    wanted: ({ requirements }) => joinedNames(requirements.platforms, 'any'),
    offered: (place) => place.platform,
  },
  {
    name: 'tags',
    holds: ({ requirements }, place) => requirements.tags.every((tag) => place.tags.includes(tag)),
    wanted: ({ requirements }) => joinedNames(requirements.tags, 'none'),
    offered: (place) => joinedNames(place.tags, 'none'),
  },
]

const roomRules: readonly Rule<Room>[] = [
  {
    name: 'cores',
    holds: ({ requirements }, room) => room.cores >= requirements.cores.min,
    wanted: ({ requirements }) => coresText(requirements.cores),
    offered: (room) => amountText(room, 'cores', String),
  },
  ...amounts.map(
    (key): Rule<Room> => ({
      name: requirementFields[key].name,
      holds: ({ requirements }, room) => room[key] >= requirements[key],
      wanted: ({ requirements }) => requirementFields[key].type.show(requirements[key]),
      offered: (room) => amountText(room, key, requirementFields[key].type.show),
    }),
  ),
  {
    name: 'wall time',
    holds: ({ requirements }, room) => room.remainingMs >= requirements.wallMs,
    wanted: ({ requirements }) => durationText(requirements.wallMs),
    offered: (room) => (room.remainingMs === Infinity ? 'no limit' : durationText(room.remainingMs)),
  },
]

/** Whether the VM's nature suits the job, however busy it is. Never changes while the VM lives. */
export function suits(demand: Demand, place: Place): boolean {
  return placeRules.every((rule) => rule.holds(demand, place))
}

/** Whether what is free now is enough. */
export function hasRoom(demand: Demand, room: Room): boolean {
  return roomRules.every((rule) => rule.holds(demand, room))
}

/** The same rules, each with its outcome. All of them hold exactly where `suits` and `hasRoom` do. */
export function ruleOutcomes(demand: Demand, place: Place, room: Room): readonly RuleOutcome[] {
  const outcomeOf = <Offered>(rule: Rule<Offered>, offered: Offered): RuleOutcome => ({
    rule: rule.name,
    holds: rule.holds(demand, offered),
    wanted: rule.wanted(demand),
    offered: rule.offered(offered),
  })
  return [...placeRules.map((rule) => outcomeOf(rule, place)), ...roomRules.map((rule) => outcomeOf(rule, room))]
}

/** Lists sorted, without repeats: two spellings of one wish become one task queue. */
export function normalised(requirements: Requirements): Requirements {
  return Object.fromEntries(requirementKeys.map((key) => [key, normalOf(requirements[key])])) as unknown as Requirements
}

/** The normal form as text: equal for equal wishes, different for different ones. Fields in the order of the table. */
export function requirementsKey(requirements: Requirements): string {
  return JSON.stringify(requirementKeys.map((key) => listed(normalOf(requirements[key]))))
}

type Wish = Requirements[keyof Requirements]

const requirementKeys = Object.keys(requirementFields) as readonly (keyof Requirements)[]

function normalOf(wish: Wish): Wish {
  if (typeof wish === 'number') return wish
  if ('allowed' in wish) return { allowed: sortedSet(wish.allowed), banned: sortedSet(wish.banned) }
  return 'min' in wish ? wish : sortedSet(wish)
}

/** Mappings as lists of their values: shorter, and in one order. */
function listed(wish: Wish): unknown {
  if (typeof wish === 'number' || !('allowed' in wish || 'min' in wish)) return wish
  return 'min' in wish ? [wish.min, wish.max] : [wish.allowed, wish.banned]
}

function allows({ allowed, banned }: Names, name: string): boolean {
  return (allowed.length === 0 || allowed.includes(name)) && !banned.includes(name)
}

function sortedSet(values: readonly string[]): readonly string[] {
  return values.length < 2 ? values : [...new Set(values)].sort()
}

function joinedNames(values: readonly string[], empty: string): string {
  return values.length === 0 ? empty : values.join(', ')
}

function names({ allowed, banned }: Names): string {
  const not = banned.length === 0 ? '' : ` but not ${banned.join(', ')}`
  return `${joinedNames(allowed, 'any')}${not}`
}

/** With the promise, where a whole VM has less. */
function amountText(room: Room, key: keyof Resources, show: (amount: number) => string): string {
  const promised = room.promised?.[key] ?? 0
  return promised > room[key] ? `${show(room[key])} (measured; promised: ${show(promised)})` : show(room[key])
}

function coresText({ min, max }: Requirements['cores']): string {
  return min === max ? String(min) : `${min} to ${max}`
}
