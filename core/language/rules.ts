/**
 * The requirement language: what a job may ask of the place where it runs.
 *
 * One list of rules is all there is: it decides whether a place fits, and says why it does or does not, so that an
 * explanation can never differ from a decision. A rule about the place (place-rules.ts) holds or not for as long as the VM
 * lives; a rule about room (cores, memory) depends on what is free now.
 */

import { requirementFields } from './fields.ts'
import { durationText } from '../kernel/quantities.ts'
import { type Place, type Resources, type Room, amounts } from '../model/resources.ts'
import type { Demand, Requirements } from '../model/requirements.ts'
import { placeOutcomes, placeRuleNames, suitsPlace } from './place-rules.ts'
import { allHold, outcomesOf, type Rule, type RuleOutcome } from './rule.ts'

/** Rules by which a job names where it wants to run: all about the place but whom it serves. */
const naming: ReadonlySet<string> = new Set(placeRuleNames.filter((name) => name !== 'vo'))

/**
 * Which of two places is closer to a job, by the rules that each breaks: below 0 for the first. The one that breaks fewer;
 * of as many, the one that the job names: an offer of another site helps no job that wants this one.
 */
export function byCloseness(a: readonly RuleOutcome[], b: readonly RuleOutcome[]): number {
  const misnamed = (broken: readonly RuleOutcome[]): number => broken.filter(({ rule }) => naming.has(rule)).length
  return a.length - b.length || misnamed(a) - misnamed(b)
}

const roomRules: readonly Rule<Demand, Room>[] = [
  {
    name: 'cores',
    holds: ({ requirements }, room) => room.cores >= requirements.cores.min,
    wanted: ({ requirements }) => coresText(requirements.cores),
    offered: (room) => amountText(room, 'cores', String),
  },
  ...amounts.map(
    (key): Rule<Demand, Room> => ({
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
  return suitsPlace(demand, place)
}

/** Whether what is free now is enough. */
export function hasRoom(demand: Demand, room: Room): boolean {
  return allHold(roomRules, demand, room)
}

/** The same rules, each with its outcome. All of them hold exactly where `suits` and `hasRoom` do. */
export function ruleOutcomes(demand: Demand, place: Place, room: Room): readonly RuleOutcome[] {
  return [...placeOutcomes(demand, place), ...outcomesOf(roomRules, demand, room)]
}

/** With the promise, where a whole VM has less. */
function amountText(room: Room, key: keyof Resources, show: (amount: number) => string): string {
  const promised = room.promised?.[key] ?? 0
  return promised > room[key] ? `${show(room[key])} (measured; promised: ${show(promised)})` : show(room[key])
}

function coresText({ min, max }: Requirements['cores']): string {
  return min === max ? String(min) : `${min} to ${max}`
}
