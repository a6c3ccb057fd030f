/**
 * The clouds of a configuration: the keys that all kinds have in common, and what the program runs on: a cloud with its limits
 * and every offering spelled out. What a kind needs besides lies under the kind's own key and in a file of its own.
 */

import type { CloudLimits, Offering } from '../../core/model/cloud.ts'
import { type IsolationChoice, isolationChoices, type IsolationConfig } from '../../core/model/agent-config.ts'
import * as limits from '../../core/kernel/limits.ts'
import { parseReference, type Reference, referenceForm } from '../../core/model/reference.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { checkEc2, compileEc2, ec2, type Ec2Config, type RawEc2 } from './ec2.ts'
import {
  absent,
  bytes,
  choice,
  duration,
  list,
  mapping,
  name,
  needed,
  optional,
  price,
  type Reader,
  text,
  whole,
} from './fields.ts'
import { checkOpenNebula, compileOpenNebula, opennebula, type OpenNebulaConfig, type RawOpenNebula } from './opennebula.ts'
import { checkOpenStack, compileOpenStack, openstack, type OpenStackConfig, type RawOpenStack } from './openstack.ts'
import { checkSsh, compileSsh, type RawSsh, ssh, type SshConfig } from './ssh.ts'

const seconds = 1000
const mib = 1024 * 1024
const gib = 1024 * mib

type Named = { name: string; ref: string | undefined; tags: readonly string[] }
type Flavor = Named & { cores: number; memory: number; disk: number; pricePerHour: number }
type Image = Named & { platform: string }

/** Each with the keys under its own name; `local` needs none. */
type Drivers = {
  openstack: RawOpenStack | undefined
  opennebula: RawOpenNebula | undefined
  ec2: RawEc2 | undefined
  ssh: RawSsh | undefined
}

export type CloudKind = 'local' | keyof Drivers

/** Those that this version drives; of the others the keys are known and nothing more. */
const driven: readonly CloudKind[] = ['local', 'openstack', 'opennebula', 'ec2', 'ssh']

export type RawCloud = Drivers & {
  name: string
  kind: CloudKind
  site: string
  bootDelay: number
  boot: number | undefined
  vos: readonly string[]
  isolation: IsolationChoice
  binds: readonly string[]
  limits: CloudLimits
  flavors: readonly Flavor[] | undefined
  images: readonly Image[] | undefined
}

/** Folders and files of the operator that payloads see. */
const bindsMost = 100
/** Each payload has its own there, or what is there is not for payloads. */
const unboundFolders = ['/', '/tmp', '/var/tmp', '/proc', '/dev', '/run']

const bindPath: Reader<string> = (value, path, violations) => {
  const isPath = typeof value === 'string' && /^(?:\/[^/\0]+)+$/.test(value) && !/\/\.\.?(?:\/|$)/.test(value)
  const isFree = isPath && !unboundFolders.some((one) => value === one || (one !== '/' && value.startsWith(`${one}/`)))
  if (isFree) return value
  const accepted = `an absolute path that is not in ${unboundFolders.slice(1).join(', ')}`
  violations.add(path, value, 'not a path that payloads can see', accepted)
  return undefined
}

const tags = optional(list(name, limits.jobLimits.names), [])

const flavor = mapping<Flavor>({
  name: needed(name),
  ref: absent(text),
  cores: needed(whole(1, limits.jobLimits.cores)),
  memory: needed(bytes(64 * mib, limits.jobLimits.memoryBytes)),
  disk: optional(bytes(1, limits.jobLimits.diskBytes), 8 * gib),
  pricePerHour: optional(price, 1),
  tags,
})

const image = mapping<Image>({ name: needed(name), ref: absent(text), platform: optional(name, 'linux'), tags })

/** Of the local cloud. Another one has its own, which only its operator knows. */
const localFlavors: readonly Flavor[] = [1, 2, 4].map((cores) => ({
  name: `${cores}-core`,
  ref: undefined,
  cores,
  memory: cores * 2 * gib,
  disk: cores * 4 * gib,
  pricePerHour: cores * 0.01,
  tags: [],
}))
const localImages: readonly Image[] = [{ name: 'plain', ref: undefined, platform: 'linux', tags: [] }]

const defaultLimits: CloudLimits = { maxVms: 4, maxCores: 8, maxCreatesPerStep: 4 }
const cloudLimits = mapping<CloudLimits>({
  maxVms: optional(whole(0, 100_000), defaultLimits.maxVms),
  maxCores: optional(whole(0, 10_000_000), defaultLimits.maxCores),
  maxCreatesPerStep: optional(whole(1, 1000), defaultLimits.maxCreatesPerStep),
})

export const cloud = mapping<RawCloud>({
  name: needed(name),
  kind: needed(choice('local', 'openstack', 'opennebula', 'ec2', 'ssh')),
  site: optional(name, 'here'),
  bootDelay: optional(duration(0, 10 * 60 * seconds), 0),
  boot: absent(duration(1 * seconds, 24 * 3600 * seconds)),
  vos: optional(list(name, limits.jobLimits.names), []),
  isolation: optional(choice(...isolationChoices), 'auto'),
  binds: optional(list(bindPath, bindsMost), []),
  limits: optional(cloudLimits, defaultLimits),
  flavors: absent(list(flavor, 100)),
  images: absent(list(image, 100)),
  openstack: absent(openstack),
  opennebula: absent(opennebula),
  ec2: absent(ec2),
  ssh: absent(ssh),
})

export const defaultClouds: readonly RawCloud[] = [
  {
    name: 'local',
    kind: 'local',
    site: 'here',
    bootDelay: 0,
    boot: undefined,
    vos: [],
    isolation: 'auto',
    binds: [],
    limits: defaultLimits,
    flavors: undefined,
    images: undefined,
    openstack: undefined,
    opennebula: undefined,
    ec2: undefined,
    ssh: undefined,
  },
]

export type DriverConfig =
  | { readonly kind: 'local'; readonly bootDelayMs: number }
  | ({ readonly kind: 'openstack' } & OpenStackConfig)
  | ({ readonly kind: 'opennebula' } & OpenNebulaConfig)
  | ({ readonly kind: 'ec2' } & Ec2Config)
  | ({ readonly kind: 'ssh' } & SshConfig)

export type CloudConfig = {
  readonly name: string
  readonly site: string
  readonly driver: DriverConfig
  /** How the cloud calls its flavors, by our names. What images are there stands in the catalogue. */
  readonly references: { readonly flavors: ReadonlyMap<string, Reference> }
  /** A VM must be active so long after it was wanted; absent: as all. */
  readonly bootMs?: number
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
  for (const [at, one] of clouds.entries()) checkKind(one, `clouds[${at}]`, violations)
}

function checkKind(one: RawCloud, path: string, violations: Violations): void {
  const { kind } = one
  if (!driven.includes(kind)) violations.add(`${path}.kind`, kind, 'not in this version', driven.join(', '))
  for (const other of ['openstack', 'opennebula', 'ec2', 'ssh'] as const) {
    if (other === kind && one[other] === undefined) violations.add(`${path}.${other}`, undefined, 'missing', 'its keys')
    if (other !== kind && one[other] !== undefined) {
      violations.add(`${path}.${other}`, other, 'of another kind', `nothing, or kind: ${other}`)
    }
  }
  if (one.openstack) checkOpenStack(one.openstack, `${path}.openstack`, violations)
  if (kind === 'local') return
  if (one.bootDelay !== 0) violations.add(`${path}.bootDelay`, `${one.bootDelay} ms`, 'of another kind', 'kind: local')
  for (const key of ['flavors', 'images'] as const) {
    // A host has what it has.
    const isNeeded = !(kind === 'ssh' && key === 'images')
    if (!one[key]?.length && isNeeded) violations.add(`${path}.${key}`, one[key], 'missing', 'one or more')
    one[key]?.forEach(({ ref }, index) => {
      if (ref === undefined) return
      const where = `${path}.${key}[${index}].ref`
      if (key === 'images') violations.add(where, ref, 'of no use', imageHint)
      else if (!parseReference(ref)) violations.add(where, ref, 'not a reference', referenceForm)
    })
  }
  if (one.opennebula) {
    const flavors = (one.flavors ?? []).map(({ ref }, at) => ({ path: `${path}.flavors[${at}].ref`, ref }))
    checkOpenNebula(one.opennebula, flavors, `${path}.opennebula`, violations)
  }
  if (kind === 'ssh' && (one.images?.length ?? 0) > 1) {
    violations.add(`${path}.images`, one.images, 'more than a host has', 'one, or none')
  }
  if (one.ssh)
    checkSsh(
      one.ssh,
      (one.flavors ?? []).map((flavor) => flavor.name),
      `${path}.ssh`,
      violations,
    )
  if (one.ec2) checkEc2(one.ec2, flavorProperties(one, path), `${path}.ec2`, violations)
}

function flavorProperties({ flavors = [] }: RawCloud, path: string) {
  return flavors.flatMap(({ ref }, at) => {
    const reference = ref === undefined ? undefined : parseReference(ref)
    return reference?.by === 'properties' ? [{ path: `${path}.flavors[${at}].ref`, properties: reference.properties }] : []
  })
}

/** What a cloud boots is endorsed: nobody else says how it is called there. */
const imageHint = "nothing: it stands in the image's entry in the catalogue, under references (docs/how-to/manage-images.md)"

/** Whoever says nothing calls it as the cloud does. */
function referencesOf(named: readonly Named[]): ReadonlyMap<string, Reference> {
  return new Map(named.map((one) => [one.name, (one.ref && parseReference(one.ref)) || { by: 'name', name: one.name }]))
}

/** `placed`: where a file lies that is named. */
export function compileCloud(raw: RawCloud, placed: (file: string) => string): CloudConfig {
  const flavors = raw.flavors ?? localFlavors
  const images = raw.images ?? localImages
  return {
    name: raw.name,
    site: raw.site,
    driver: driverOf(raw, placed),
    references: { flavors: referencesOf(flavors) },
    bootMs: raw.boot,
    limits: raw.limits,
    isolation: { choice: raw.isolation, binds: raw.binds },
    offerings: offeringsOf(raw, flavors, images),
  }
}

function driverOf(raw: RawCloud, placed: (file: string) => string): DriverConfig {
  if (raw.openstack) return { kind: 'openstack', ...compileOpenStack(raw.openstack, placed) }
  if (raw.opennebula) return { kind: 'opennebula', ...compileOpenNebula(raw.opennebula, placed) }
  if (raw.ec2) return { kind: 'ec2', ...compileEc2(raw.ec2, placed) }
  if (raw.ssh) return { kind: 'ssh', ...compileSsh(raw.ssh, placed) }
  return { kind: 'local', bootDelayMs: raw.bootDelay }
}

/** Every flavor with every image. */
function offeringsOf({ name: cloudName, site, vos }: RawCloud, flavors: readonly Flavor[], images: readonly Image[]) {
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
