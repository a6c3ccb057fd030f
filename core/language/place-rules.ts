/**
 * The rules about the place: what a VM or an offering is for as long as it lives.
 *
 * What a place does not say of itself is not known, and satisfies no job that asks for it. A rule about a trait is a line of
 * an explanation only where the job asks for it. Alternatives are sets of the same rules, of which one set has to hold.
 */

import { byVersion, isUpTo } from '../kernel/versions.ts'
import { bytesText, rateText } from '../kernel/quantities.ts'
import type { Alternative, Demand, GpuWish, Names, ProcessorWish, Requirements, SystemWish } from '../model/requirements.ts'
import type { Place } from '../model/resources.ts'
import type { Between, Traits } from '../model/traits.ts'
import { allHold, notKnown, outcomesOf, type Rule, type RuleOutcome, ruleText } from './rule.ts'
import { holdsFor, readExpression, type TagExpression } from './tag-expression.ts'
import { capabilityText } from './gpu-type.ts'
import { processorName } from './trait-types.ts'

const voRule: Rule<Demand, Place> = {
  name: 'vo',
  holds: ({ vo }, place) => place.vos.length === 0 || place.vos.includes(vo),
  wanted: ({ vo }) => vo,
  offered: (place) => joinedNames(place.vos, 'every VO'),
}

const gpuRule: Rule<Demand, Place> = {
  name: 'GPU',
  isAsked: ({ requirements: { gpus } }) => gpus !== undefined && gpuText(gpus) !== '',
  holds: ({ requirements: { gpus } }, { traits = {} }) => gpus === undefined || isGpu(gpus, traits),
  wanted: ({ requirements: { gpus } }) => (gpus ? gpuText(gpus) : 'any'),
  offered: ({ traits = {} }) => offeredGpuText(traits) || notKnown,
}

const demandRules = [voRule, gpuRule] as const

const noNames: Names = { allowed: [], banned: [] }

/** Every job asks for these, if only for any. */
const usualRules: readonly Rule<Alternative, Place>[] = [
  {
    name: 'site',
    holds: ({ sites = noNames }, place) => allows(sites, place.site),
    wanted: ({ sites = noNames }) => names(sites),
    offered: (place) => place.site,
  },
  {
    name: 'cloud',
    holds: ({ clouds = noNames }, place) => allows(clouds, place.cloud),
    wanted: ({ clouds = noNames }) => names(clouds),
    offered: (place) => place.cloud,
  },
  {
    name: 'platform',
    holds: ({ platforms = [] }, place) => platforms.length === 0 || platforms.includes(place.platform),
    wanted: ({ platforms = [] }) => joinedNames(platforms, 'any'),
    offered: (place) => place.platform,
  },
  {
    name: 'tags',
    holds: ({ tags = [] }, place) => tags.every((tag) => place.tags.includes(tag)),
    wanted: ({ tags = [] }) => joinedNames(tags, 'none'),
    offered: (place) => joinedNames(place.tags, 'none'),
  },
]

const rareRules: readonly Rule<Alternative, Place>[] = [
  {
    name: 'tag expression',
    isAsked: ({ tagExpression }) => tagExpression !== undefined,
    holds: (wish, { tags }) => {
      const expression = expressionOf(wish)
      return expression !== undefined && holdsFor(expression, tags)
    },
    wanted: ({ tagExpression = '' }) => tagExpression,
    offered: (place) => joinedNames(place.tags, 'none'),
  },
  traitRule('system', ({ os }) => os, {
    holds: isSystem,
    wanted: ({ name, min, max }) => [name, min && `from ${min}`, max && `to ${max}`].filter(Boolean).join(' '),
    offered: ({ os, osVersion = '' }) => os && `${os} ${osVersion}`.trim(),
  }),
  traitRule('architecture', ({ architecture }) => architecture, {
    holds: isProcessor,
    wanted: processorText,
    offered: ({ architecture, level }) => architecture && `${architecture}${level ? levelText(level) : ''}`,
  }),
  traitRule('glibc', ({ glibc }) => glibc, {
    holds: (wanted, { glibc }) => glibc !== undefined && byVersion(glibc, wanted) >= 0,
    wanted: (version) => `from ${version}`,
    offered: ({ glibc }) => glibc,
  }),
  traitRule('containers', ({ containers }) => containers, {
    holds: (wanted, { containers = [] }) => wanted.some((one) => containers.includes(one)),
    wanted: (wanted) => wanted.join(' or '),
    offered: ({ containers }) => containers?.join(', '),
  }),
  traitRule('disk rate', ({ diskRate }) => diskRate, {
    holds: (wanted, { diskRate = 0 }) => diskRate >= wanted,
    wanted: rateText,
    offered: ({ diskRate }) => diskRate && rateText(diskRate),
  }),
]

const wishRules = [...usualRules, ...rareRules]

type TraitRule<Wish> = {
  holds(wish: Wish, traits: Traits): boolean
  wanted(wish: Wish): string
  /** Undefined: not known. */
  offered(traits: Traits): string | number | undefined
}

/** Asked for where there is a wish. */
function traitRule<Wish>(
  name: string,
  wishOf: (wish: Alternative) => Wish | undefined,
  rule: TraitRule<Wish>,
): Rule<Alternative, Place> {
  return {
    name,
    isAsked: (asked) => wishOf(asked) !== undefined,
    holds(asked, { traits = {} }) {
      const wish = wishOf(asked)
      return wish === undefined || rule.holds(wish, traits)
    },
    wanted(asked) {
      const wish = wishOf(asked)
      return wish === undefined ? 'any' : rule.wanted(wish)
    },
    offered: ({ traits = {} }) => String(rule.offered(traits) || notKnown),
  }
}

/** At least what the job asks for, and one of its alternatives. */
export function suitsPlace(demand: Demand, place: Place): boolean {
  const { requirements } = demand
  const { alternatives } = requirements
  if (!voRule.holds(demand, place) || !allHold(usualRules, requirements, place)) return false
  if (asksForNothingRare(requirements)) return true
  if (!gpuRule.holds(demand, place) || !allHold(rareRules, requirements, place)) return false
  return alternatives === undefined || alternatives.some((one) => allHold(wishRules, one, place))
}

/** Most jobs do not: a plan asks for each task queue and each kind of place. A property test compares it with all rules. */
function asksForNothingRare(requirements: Requirements): boolean {
  const { tagExpression, os, architecture, glibc, containers, diskRate, gpus, alternatives } = requirements
  const first = tagExpression === undefined && os === undefined && architecture === undefined && glibc === undefined
  return first && containers === undefined && diskRate === undefined && gpus === undefined && alternatives === undefined
}

/** Every rule with its outcome. All of them hold exactly where `suitsPlace` does. */
export function placeOutcomes(demand: Demand, place: Place): readonly RuleOutcome[] {
  const { requirements } = demand
  const { alternatives } = requirements
  const [vo, ...others] = outcomesOf(demandRules, demand, place)
  const rules = [...(vo ? [vo] : []), ...outcomesOf(wishRules, requirements, place), ...others]
  return alternatives === undefined ? rules : [...rules, alternativesOutcome(alternatives, place)]
}

/** What all of the rules look at: two places with one key suit the same jobs. */
export function placeKey({ cloud, site, platform, tags, vos, traits }: Omit<Place, 'vmId'>): string {
  return JSON.stringify([cloud, site, platform, tags, vos, traits ?? {}])
}

export const placeRuleNames: readonly string[] = [...wishRules.map(({ name }) => name), 'GPU', 'alternatives']

function alternativesOutcome(alternatives: readonly Alternative[], place: Place): RuleOutcome {
  const tried = alternatives.map((one) => outcomesOf(wishRules, one, place).filter(({ holds }) => !holds))
  const fitting = tried.findIndex((broken) => broken.length === 0)
  const failing = tried.map((broken, at) => `${at + 1} fails at ${broken.map(ruleText).join(' and ')}`)
  return {
    rule: 'alternatives',
    holds: fitting >= 0,
    wanted: alternatives.map((one, at) => `${at + 1}: ${alternativeText(one)}`).join('; '),
    offered: fitting >= 0 ? `${fitting + 1} fits` : failing.join('; '),
  }
}

/** What it asks for, rule by rule. */
export function alternativeText(alternative: Alternative): string {
  const asked = wishRules.filter(({ name, isAsked }) => isAsked?.(alternative) ?? namesSome(alternative, name))
  return asked.map((rule) => `${rule.name} ${rule.wanted(alternative)}`).join(' and ')
}

/** What it asks for of traits, a text for each. */
export function traitTexts(requirements: Requirements): readonly string[] {
  const { gpus } = requirements
  const asked = wishRules.filter(({ isAsked }) => isAsked?.(requirements))
  const texts = asked.map((rule) => `${rule.name} ${rule.wanted(requirements)}`)
  return gpus && gpuText(gpus) !== '' ? [...texts, `GPU ${gpuText(gpus)}`] : texts
}

function namesSome({ sites, clouds, platforms, tags }: Alternative, rule: string): boolean {
  const lists = { site: sites, cloud: clouds, platform: platforms, tags }
  return (lists as Readonly<Record<string, unknown>>)[rule] !== undefined
}

/** Read once per task queue, and not once per place. */
const expressions = new WeakMap<Alternative, TagExpression>()

function expressionOf(wish: Alternative): TagExpression | undefined {
  const known = expressions.get(wish)
  if (known || wish.tagExpression === undefined) return known
  const read = readExpression(wish.tagExpression)
  if (!read.ok) return undefined
  expressions.set(wish, read.expression)
  return read.expression
}

function isSystem({ name, min, max }: SystemWish, { os, osVersion }: Traits): boolean {
  if (os !== name) return false
  if (min === '' && max === '') return true
  if (osVersion === undefined || (min !== '' && byVersion(osVersion, min) < 0)) return false
  return max === '' || isUpTo(osVersion, max)
}

function isProcessor({ name, minLevel, maxLevel }: ProcessorWish, { architecture, level }: Traits): boolean {
  if (architecture !== name) return false
  if (minLevel === 0 && maxLevel === 0) return true
  return level !== undefined && level.min >= minLevel && (maxLevel === 0 || level.max <= maxLevel)
}

function isGpu({ vendor, memoryBytes, minCapability, maxCapability, minDriver }: GpuWish, traits: Traits): boolean {
  const { gpuVendor, gpuMemoryBytes = 0, gpuCapability, gpuDriver } = traits
  if (vendor !== '' && gpuVendor !== vendor) return false
  if (gpuMemoryBytes < memoryBytes) return false
  if (minCapability > 0 && !(gpuCapability && gpuCapability.min >= minCapability)) return false
  if (maxCapability > 0 && !(gpuCapability && gpuCapability.max <= maxCapability)) return false
  return minDriver === '' || (gpuDriver !== undefined && byVersion(gpuDriver, minDriver) >= 0)
}

/** Empty where any GPU will do. */
function gpuText({ vendor, memoryBytes, minCapability, maxCapability, minDriver }: GpuWish): string {
  return [
    vendor,
    memoryBytes > 0 && `with ${bytesText(memoryBytes)}`,
    minCapability > 0 && `capability from ${capabilityText(minCapability)}`,
    maxCapability > 0 && `capability to ${capabilityText(maxCapability)}`,
    minDriver && `driver from ${minDriver}`,
  ]
    .filter(Boolean)
    .join(', ')
}

function offeredGpuText({ gpuVendor, gpuMemoryBytes, gpuCapability, gpuDriver }: Traits): string {
  return [
    gpuVendor,
    gpuMemoryBytes && `with ${bytesText(gpuMemoryBytes)}`,
    gpuCapability && `capability ${[...new Set([gpuCapability.min, gpuCapability.max])].map(capabilityText).join(' to ')}`,
    gpuDriver && `driver ${gpuDriver}`,
  ]
    .filter(Boolean)
    .join(', ')
}

export function processorText({ name, minLevel, maxLevel }: ProcessorWish): string {
  const least = processorName(name, minLevel)
  if (maxLevel === 0) return minLevel === 0 ? name : `from ${least}`
  return `${minLevel === 0 ? '' : `from ${least} `}to ${processorName(name, maxLevel)}`
}

function levelText({ min, max }: Between): string {
  return min === max ? `-v${min}` : `-v${min} (promised or found: v${max})`
}

function allows({ allowed, banned }: Names, name: string): boolean {
  return (allowed.length === 0 || allowed.includes(name)) && !banned.includes(name)
}

function joinedNames(values: readonly string[], empty: string): string {
  return values.length === 0 ? empty : values.join(', ')
}

function names({ allowed, banned }: Names): string {
  const not = banned.length === 0 ? '' : ` but not ${banned.join(', ')}`
  return `${joinedNames(allowed, 'any')}${not}`
}
