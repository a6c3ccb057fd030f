/**
 * The clouds of a configuration: the keys that all kinds have in common, and what the program runs on: a cloud with its
 * limits and every offering spelled out. What one kind needs besides lies under the name of the kind, and its driver reads
 * it.
 */

import Type from 'typebox'
import type { CloudLimits, CloudTraits, Offering } from '../../core/model/cloud.ts'
import { type IsolationChoice, isolationChoices, type IsolationConfig } from '../../core/model/agent-config.ts'
import * as limits from '../../core/kernel/limits.ts'
import { parseReference, type Reference, referenceForm } from '../../core/model/reference.ts'
import { gatherViolations, type Violations } from '../../core/kernel/violations.ts'
import { resourcesOf } from '../../core/model/resources.ts'
import {
  absent,
  choice,
  duration,
  list,
  mapping,
  name,
  needed,
  optional,
  type Shape,
  type Reader,
  reading,
  whole,
} from './fields.ts'
import type { DriverSchema } from './driver-schema.ts'
import { combinedTraits } from './traits.ts'
import { flavor, image, type RawFlavor, type RawImage } from './flavors.ts'

const seconds = 1000

/**
 * What the configuration asks of a driver. The first of a list is the kind of the one cloud of a configuration without
 * clouds.
 */
export type ConfiguredDriver = {
  readonly kind: string
  readonly schema: DriverSchema
  readonly traits: CloudTraits
}

/** Folders and files of the operator that payloads see. */
const maxBinds = 100
/** Each payload has its own there, or what is there is not for payloads. */
const unboundFolders = ['/', '/tmp', '/var/tmp', '/proc', '/dev', '/run']

const bindPath = reading<string>(Type.String(), (value, path, violations) => {
  const isPath = typeof value === 'string' && /^(?:\/[^/\0]+)+$/.test(value) && !/\/\.\.?(?:\/|$)/.test(value)
  const isFree = isPath && !unboundFolders.some((one) => value === one || (one !== '/' && value.startsWith(`${one}/`)))
  if (isFree) return value
  const accepted = `an absolute path that is not in ${unboundFolders.slice(1).join(', ')}`
  violations.add(path, value, 'not a path that payloads can see', accepted)
  return undefined
})

export const defaultLimits: CloudLimits = { maxVms: 4, maxCores: 8, maxCreatesPerStep: 4 }
export const cloudLimits = mapping({
  maxVms: optional(whole(0, 100_000), defaultLimits.maxVms),
  maxCores: optional(whole(0, 10_000_000), defaultLimits.maxCores),
  maxCreatesPerStep: optional(whole(1, 1000), defaultLimits.maxCreatesPerStep),
})

const common = {
  name: needed(name),
  site: optional(name, 'here'),
  bootTimeout: absent(duration(1 * seconds, 24 * 3600 * seconds)),
  vos: optional(list(name, limits.jobLimits.names), []),
  isolation: optional(choice(...isolationChoices), 'auto' as IsolationChoice),
  binds: optional(list(bindPath, maxBinds), []),
  limits: optional(cloudLimits, defaultLimits),
  flavors: absent(list(flavor, 100)),
  images: absent(list(image, 100)),
}

type Common = Shape<typeof common> & { kind: string }

/** `keys`: what stands under the names of kinds, those of its own kind filled in. */
export type RawCloud = Common & { readonly driver: ConfiguredDriver; readonly keys: Readonly<Record<string, object>> }

/** The reader of one cloud, whose kind is one of these drivers'. */
export function cloudReader(drivers: readonly ConfiguredDriver[]): Reader<RawCloud> {
  const kinds = drivers.map(({ kind }) => kind)
  const sections = Object.fromEntries(drivers.map(({ kind, schema }) => [kind, absent(schema.keys)]))
  const read = mapping({ ...common, kind: needed(choice(...kinds)), ...sections })
  return reading<RawCloud>(read.schema, (value, path, violations) => {
    const cloud = read(value, path, violations)
    const driver = drivers.find(({ kind }) => kind === cloud?.kind)
    if (!cloud || !driver) return undefined
    const given = cloud as typeof cloud & Readonly<Record<string, object | undefined>>
    const keys = kinds.flatMap((kind) => (given[kind] === undefined ? [] : [[kind, given[kind]] as const]))
    return { ...cloud, driver, keys: { ...defaultKeys(driver), ...Object.fromEntries(keys) } }
  })
}

/** A kind whose keys all have defaults needs none written. */
function defaultKeys({ kind, schema }: ConfiguredDriver): Readonly<Record<string, object>> {
  const keys = schema.keys({}, kind, gatherViolations())
  return keys ? { [kind]: keys } : {}
}

export function defaultClouds([first]: readonly ConfiguredDriver[]): readonly object[] {
  return first ? [{ name: first.kind, kind: first.kind }] : []
}

export type CloudConfig = {
  readonly name: string
  readonly site: string
  readonly traits: CloudTraits
  /** Of its kind; the rest is known to its driver alone. */
  readonly driver: { readonly kind: string; readonly options: object }
  /** How the cloud calls its flavors, by our names. What images are there stands in the catalogue. */
  readonly references: { readonly flavors: ReadonlyMap<string, Reference> }
  /** A VM that is not active within this time has failed; absent: as for all clouds. */
  readonly bootTimeoutMs?: number
  readonly limits: CloudLimits
  /** How its VMs isolate payloads, and what of the operator's those see. */
  readonly isolation: Pick<IsolationConfig, 'choice' | 'binds'>
  readonly offerings: readonly Offering[]
}

export function checkClouds(clouds: readonly RawCloud[], violations: Violations): void {
  const names = clouds.map((one) => one.name)
  names.forEach((one, at) => {
    if (names.indexOf(one) !== at) violations.add(`clouds[${at}].name`, one, 'used twice', 'a name of its own')
  })
  for (const [at, one] of clouds.entries()) checkCloud(one, `clouds[${at}]`, violations)
}

function checkCloud(one: RawCloud, path: string, violations: Violations): void {
  const { driver, keys } = one
  const { kind, schema, traits } = driver
  for (const other of Object.keys(keys)) {
    if (other !== kind) violations.add(`${path}.${other}`, other, 'of another kind', `nothing, or kind: ${other}`)
  }
  for (const key of ['flavors', 'images'] as const) {
    if (!one[key]?.length && !schema[key]) violations.add(`${path}.${key}`, one[key], 'missing', 'one or more')
    one[key]?.forEach(({ ref }, index) => {
      if (ref === undefined || traits.isOnThisMachine) return
      const where = `${path}.${key}[${index}].ref`
      if (key === 'images') violations.add(where, ref, 'has no effect', imageHint)
      else if (!parseReference(ref)) violations.add(where, ref, 'not a reference', referenceForm)
    })
  }
  const own = keys[kind]
  if (!own) violations.add(`${path}.${kind}`, undefined, 'missing', 'its keys')
  else schema.check(own, { flavors: one.flavors ?? [], images: one.images ?? [] }, path, violations)
}

/** What a cloud boots is endorsed: only its entry says how it is called there. */
const imageHint = "nothing: it stands in the image's entry in the catalogue, under references (docs/how-to/manage-images.md)"

/** Without a reference it has the name that the cloud gives it. */
function referencesOf(named: readonly RawFlavor[]): ReadonlyMap<string, Reference> {
  return new Map(named.map((one) => [one.name, (one.ref && parseReference(one.ref)) || { by: 'name', name: one.name }]))
}

/** `placed`: where a file lies that is named. */
export function compileCloud(raw: RawCloud, placed: (file: string) => string): CloudConfig {
  const { kind, schema, traits } = raw.driver
  const flavors = raw.flavors ?? schema.flavors ?? []
  const images = raw.images ?? schema.images ?? []
  return {
    name: raw.name,
    site: raw.site,
    traits,
    driver: { kind, options: schema.compile(raw.keys[kind] ?? {}, placed) },
    references: { flavors: referencesOf(flavors) },
    bootTimeoutMs: raw.bootTimeout,
    limits: raw.limits,
    isolation: { choice: raw.isolation, binds: raw.binds },
    offerings: offeringsOf(raw, flavors, images),
  }
}

/** Every flavor with every image. */
function offeringsOf(
  { name: cloudName, site, vos }: Common,
  flavors: readonly RawFlavor[],
  images: readonly RawImage[],
): readonly Offering[] {
  return flavors.flatMap((f) =>
    images.map((i) => ({
      cloud: cloudName,
      site,
      flavor: f.name,
      image: i.name,
      platform: i.platform,
      tags: [...f.tags, ...i.tags],
      traits: combinedTraits(f.traits, i.traits),
      vos,
      ...resourcesOf(f),
      pricePerHour: f.pricePerHour,
    })),
  )
}
