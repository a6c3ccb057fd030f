/**
 * The flavors and images of a cloud, as its configuration names them. What a flavor has of each resource is written under
 * the name of the job's field that asks for it, so a new resource needs no line here.
 */

import type { Unit } from '../../core/language/field-types.ts'
import { requirementFields } from '../../core/language/fields.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { type Amount, amounts, type Resources } from '../../core/model/resources.ts'
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
  ...amountFields,
  pricePerHour: optional(price, 1),
  tags,
})

type FlavorKeys = { name: string; ref: string | undefined; cores: number; pricePerHour: number; tags: readonly string[] }

/** A flavor as a cloud's configuration names it, with its resources. */
export const flavor = reading<RawFlavor>(flavorKeys.schema, (value, path, violations) => {
  const read = flavorKeys(value, path, violations)
  if (!read) return undefined
  const { name: named, ref, cores, pricePerHour, tags: own } = read as FlavorKeys
  const amountsOf = amounts.map((key) => [key, read[requirementFields[key].name as keyof typeof read]])
  return { name: named, ref, pricePerHour, tags: own, cores, ...(Object.fromEntries(amountsOf) as Pick<Resources, Amount>) }
})

export const image = mapping({ name: needed(name), ref: absent(text), platform: optional(name, 'linux'), tags })

export type RawFlavor = Resources & {
  readonly name: string
  readonly ref: string | undefined
  readonly pricePerHour: number
  readonly tags: readonly string[]
}
export type RawImage = Readonly<Read<typeof image>>

/** The flavors and images that the configuration of a cloud names. */
export type NamedByCloud = { readonly flavors: readonly RawFlavor[]; readonly images: readonly RawImage[] }
