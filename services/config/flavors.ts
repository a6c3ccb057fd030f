/**
 * The flavors and images of a cloud, as its configuration names them. What a flavor has of each resource is written under
 * the name of the job's field that asks for it, so a new resource needs no line here.
 */

import type { Unit } from '../../core/language/field-types.ts'
import { requirementFields } from '../../core/language/fields.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { type Amount, amounts, type Resources, resourcesOf } from '../../core/model/resources.ts'
import type { Traits } from '../../core/model/traits.ts'
import {
  absent,
  bytes,
  duration,
  type Field,
  list,
  mapping,
  name,
  needed,
  optional,
  price,
  type Read,
  type Reader,
  reading,
  text,
  whole,
} from './fields.ts'
import { traits } from './traits.ts'

const tags = optional(list(name, jobLimits.names), [])

/** How much a flavor may have of each resource but cores, by the names of the job's fields (core/language/fields.ts). */
const amountFields: Readonly<Record<string, Field<number>>> = Object.fromEntries(
  amounts.map((key) => {
    const { name: named, type, offered } = requirementFields[key]
    const read = readerOf(type.unit)(offered.min, offered.max)
    return [named, offered.fallback === undefined ? needed(read) : optional(read, offered.fallback)]
  }),
)

function readerOf(unit: Unit): (min: number, max: number) => Reader<number> {
  switch (unit) {
    case 'pieces':
      return whole
    case 'bytes':
      return bytes
    case 'duration':
      return duration
  }
}

const flavorKeys = mapping({
  name: needed(name),
  ref: absent(text),
  cores: needed(whole(1, jobLimits.cores)),
  gpus: optional(whole(0, jobLimits.gpus), 0),
  ...amountFields,
  pricePerHour: optional(price, 1),
  tags,
  traits: absent(traits),
})

type FlavorKeys = Pick<RawFlavor, 'name' | 'ref' | 'cores' | 'gpus' | 'pricePerHour' | 'tags' | 'traits'>

/** A flavor as a cloud's configuration names it, with its resources. */
export const flavor = reading<RawFlavor>(flavorKeys.schema, (value, path, violations) => {
  const read = flavorKeys(value, path, violations)
  if (!read) return undefined
  const { name: named, ref, cores, gpus, pricePerHour, tags: own, traits: promised } = read as FlavorKeys
  const amountsOf = amounts.map((key) => [key, read[requirementFields[key].name as keyof typeof read]])
  const size = resourcesOf({ cores, gpus, ...(Object.fromEntries(amountsOf) as Pick<Resources, Amount>) })
  return { name: named, ref, pricePerHour, tags: own, ...(promised ? { traits: promised } : {}), ...size }
})

export const image = mapping({
  name: needed(name),
  ref: absent(text),
  platform: optional(name, 'linux'),
  tags,
  traits: absent(traits),
})

export type RawFlavor = Resources & {
  readonly name: string
  readonly ref: string | undefined
  readonly pricePerHour: number
  readonly tags: readonly string[]
  readonly traits?: Traits
}
export type RawImage = Readonly<Omit<Read<typeof image>, 'traits'>> & { readonly traits?: Traits }

/** The flavors and images that the configuration of a cloud names. */
export type NamedByCloud = { readonly flavors: readonly RawFlavor[]; readonly images: readonly RawImage[] }
