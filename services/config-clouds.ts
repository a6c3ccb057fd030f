/**
 * The clouds of a configuration: their keys and defaults, and what the program runs on: a cloud with its limits and every
 * offering spelled out. Knows no driver; what a kind needs besides is checked here and used there.
 */

import type { CloudLimits, Offering } from '../core/cloud.ts'
import * as limits from '../core/limits.ts'
import type { Violations } from '../core/violations.ts'
import { bytes, choice, duration, list, mapping, name, needed, optional, price, whole } from './config-fields.ts'

const seconds = 1000
const mib = 1024 * 1024
const gib = 1024 * mib

type Flavor = { name: string; cores: number; memory: number; disk: number; pricePerHour: number; tags: readonly string[] }
type Image = { name: string; platform: string; tags: readonly string[] }
export type RawCloud = {
  name: string
  kind: 'local'
  site: string
  bootDelay: number
  vos: readonly string[]
  limits: CloudLimits
  flavors: readonly Flavor[]
  images: readonly Image[]
}

const flavor = mapping<Flavor>({
  name: needed(name),
  cores: needed(whole(1, limits.jobLimits.cores)),
  memory: needed(bytes(64 * mib, limits.jobLimits.memoryBytes)),
  disk: optional(bytes(1, limits.jobLimits.diskBytes), 8 * gib),
  pricePerHour: optional(price, 1),
  tags: optional(list(name, limits.jobLimits.names), []),
})

const defaultFlavors: readonly Flavor[] = [1, 2, 4].map((cores) => ({
  name: `${cores}-core`,
  cores,
  memory: cores * 2 * gib,
  disk: cores * 4 * gib,
  pricePerHour: cores * 0.01,
  tags: [],
}))

const image = mapping<Image>({
  name: needed(name),
  platform: optional(name, 'linux'),
  tags: optional(list(name, limits.jobLimits.names), []),
})
const defaultImages: readonly Image[] = [{ name: 'plain', platform: 'linux', tags: [] }]

const cloudLimits = mapping<CloudLimits>({
  maxVms: optional(whole(0, 100_000), 4),
  maxCores: optional(whole(0, 10_000_000), 8),
  maxCreatesPerStep: optional(whole(1, 1000), 4),
})

export const cloud = mapping<RawCloud>({
  name: needed(name),
  kind: needed(choice('local')),
  site: optional(name, 'here'),
  bootDelay: optional(duration(0, 10 * 60 * seconds), 0),
  vos: optional(list(name, limits.jobLimits.names), []),
  limits: optional(cloudLimits, { maxVms: 4, maxCores: 8, maxCreatesPerStep: 4 }),
  flavors: optional(list(flavor, 100), defaultFlavors),
  images: optional(list(image, 100), defaultImages),
})

export const defaultClouds: readonly RawCloud[] = [
  {
    name: 'local',
    kind: 'local',
    site: 'here',
    bootDelay: 0,
    vos: [],
    limits: { maxVms: 4, maxCores: 8, maxCreatesPerStep: 4 },
    flavors: defaultFlavors,
    images: defaultImages,
  },
]

export type CloudConfig = {
  readonly name: string
  readonly kind: 'local'
  readonly site: string
  readonly bootDelayMs: number
  readonly limits: CloudLimits
  readonly offerings: readonly Offering[]
}

export function checkClouds(clouds: readonly RawCloud[], violations: Violations): void {
  const names = clouds.map((one) => one.name)
  names.forEach((one, at) => {
    if (names.indexOf(one) !== at) violations.add(`clouds[${at}].name`, one, 'used twice', 'a name of its own')
  })
}

export function compileCloud({ name: cloudName, kind, site, bootDelay, limits: cloudLimit, ...one }: RawCloud): CloudConfig {
  return {
    name: cloudName,
    kind,
    site,
    bootDelayMs: bootDelay,
    limits: cloudLimit,
    offerings: offeringsOf({ name: cloudName, site, ...one }),
  }
}

/** Every flavor with every image. */
function offeringsOf({
  name: cloudName,
  site,
  vos,
  flavors,
  images,
}: Pick<RawCloud, 'name' | 'site' | 'vos' | 'flavors' | 'images'>) {
  return flavors.flatMap((f) =>
    images.map(
      (i): Offering => ({
        cloud: cloudName,
        site,
        flavor: f.name,
        image: i.name,
        platform: i.platform,
        tags: [...f.tags, ...i.tags],
        vos,
        cores: f.cores,
        memoryBytes: f.memory,
        diskBytes: f.disk,
        pricePerHour: f.pricePerHour,
      }),
    ),
  )
}
