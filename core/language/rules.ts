/**
 * The requirement language: what a job may ask of the place where it runs.
 *
 * One list of rules is all there is: it decides whether a place fits, and says why it does or does not, so that an
 * explanation can never differ from a decision. A rule about the place (place-rules.ts) holds or not for as long as the VM
 * lives; a rule about room (cores, memory) depends on what is free now.
 */

import { requirementFields } from './fields.ts'
import { bytesText, durationText } from '../kernel/quantities.ts'
import type { Place, Resources, Room } from '../model/resources.ts'
import { grantedIn, isFastEnough, memoryWith, minCoresIn, wallLimitMs } from './grant.ts'
import type { Demand, Requirements } from '../model/requirements.ts'
import { placeOutcomes, placeRuleNames, suitsPlace } from './place-rules.ts'
import { allHold, notKnown, outcomesOf, type Rule, type RuleOutcome } from './rule.ts'

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
    name: 'whole node',
    isAsked: ({ requirements }) => requirements.wholeNode === true,
    holds: (_, room) => room.isWhole === true,
    wanted: () => 'all of it',
    offered: (room) => (room.isWhole ? 'all of it' : 'a part'),
  },
  {
    name: 'cores',
    holds: ({ requirements }, room) => room.cores >= requirements.cores.min,
    wanted: ({ requirements }) => coresText(requirements),
    offered: (room) => amountText(room, 'cores', String),
  },
  {
    name: requirementFields.memoryBytes.name,
    holds: ({ requirements }, room) => room.memoryBytes >= memoryWith(minCoresIn(room, requirements), requirements),
    wanted: ({ requirements }) => memoryText(requirements),
    offered: (room) => amountText(room, 'memoryBytes', bytesText),
  },
  {
    name: requirementFields.diskBytes.name,
    holds: ({ requirements }, room) => room.diskBytes >= requirements.diskBytes,
    wanted: ({ requirements }) => bytesText(requirements.diskBytes),
    offered: (room) => amountText(room, 'diskBytes', bytesText),
  },
  {
    name: 'GPUs',
    isAsked: ({ requirements }) => requirements.gpus !== undefined,
    holds: ({ requirements: { gpus } }, room) => gpus === undefined || (room.gpus ?? 0) >= gpus.min,
    wanted: ({ requirements: { gpus } }) => (gpus ? rangeText(gpus) : 'none'),
    offered: (room) => amountText(room, 'gpus', String),
  },
  {
    name: 'CPU work',
    isAsked: ({ requirements }) => requirements.cpuWorkMs !== undefined,
    holds: ({ requirements }, room) => {
      const limitMs = limitIn(room, requirements)
      return limitMs <= room.remainingMs && isFastEnough(limitMs, requirements)
    },
    wanted: ({ requirements }) => workText(requirements),
    offered: ({ power, cores, remainingMs }) =>
      `${power === undefined ? `power ${notKnown}` : `power ${power}`} with ${cores} cores, ${lifeText(remainingMs)}`,
  },
  {
    name: 'wall time',
    isAsked: ({ requirements }) => requirements.cpuWorkMs === undefined,
    holds: ({ requirements }, room) => room.remainingMs >= requirements.wallMs,
    wanted: ({ requirements }) => durationText(requirements.wallMs),
    offered: ({ remainingMs }) => lifeText(remainingMs),
  },
]

function limitIn(room: Room, requirements: Requirements): number {
  return wallLimitMs(grantedIn(room, requirements).cores, room.power, requirements)
}

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
  const [has, promised] = [room[key] ?? 0, room.promised?.[key] ?? 0]
  return promised > has ? `${show(has)} (measured; promised: ${show(promised)})` : show(has)
}

function lifeText(remainingMs: number): string {
  return remainingMs === Infinity ? 'no limit' : durationText(remainingMs)
}

function coresText({ cores, wholeNode }: Requirements): string {
  return wholeNode ? `all, from ${cores.min}` : rangeText(cores)
}

function rangeText({ min, max }: { readonly min: number; readonly max: number }): string {
  return min === max ? String(min) : `${min} to ${max}`
}

/** Both parts, where there is one per core. */
export function memoryText({ memoryBytes, memoryPerCoreBytes }: Requirements): string {
  if (memoryPerCoreBytes === undefined) return bytesText(memoryBytes)
  const perCore = `${bytesText(memoryPerCoreBytes)} per core`
  return memoryBytes === 0 ? perCore : `${bytesText(memoryBytes)} and ${perCore}`
}

export function workText({ cpuWorkMs = 0, wallMs }: Requirements): string {
  const within = wallMs === 0 ? '' : ` within ${durationText(wallMs)}`
  return `${durationText(cpuWorkMs)} at power 1${within}`
}
