/**
 * Requirements and traits on the wire, and as core has them. On the wire what is not asked for, or not known, is empty or 0;
 * in core it is absent.
 */

import type { Alternative, PlaceRequirements, Requirements } from '../../core/model/requirements.ts'
import { type Amount, amounts, type Resources, resourcesOf } from '../../core/model/resources.ts'
import { architectures, containerRuntimes, type FoundTraits, gpuVendors } from '../../core/model/traits.ts'
import { agentTextLimits } from '../../core/kernel/limits.ts'
import { isName } from '../../core/kernel/text.ts'
import { isVersion } from '../../core/kernel/versions.ts'
import type * as job from '../gen/pilotage/v1/job.ts'

/** As a caller sent them: nothing is checked, and what is absent was not given. */
export function rawRequirementsOf(wire: job.Requirements): Partial<Requirements> {
  const { cores, sites, clouds, wallMs, platforms, tags } = wire
  const alternatives = wire.alternatives.map(alternativeOf)
  return {
    cores,
    ...amountsOf(wire),
    wallMs,
    platforms,
    sites,
    clouds,
    tags,
    ...given({
      ...laterWishesOf(wire),
      ...roomWishesOf(wire),
      alternatives: alternatives.length > 0 ? alternatives : undefined,
    }),
  }
}

/** As a pilot reads them: checked by the service that sent them. */
export function requirementsOf(wire: job.Requirements | undefined): Requirements {
  const { cores, sites, clouds, ...others } = wire ? rawRequirementsOf(wire) : {}
  const { wallMs = 0, platforms = [], tags = [], ...rest } = others
  return {
    ...rest,
    cores: { min: cores?.min ?? 1, max: cores?.max ?? 1 },
    ...amountsOf(wire),
    wallMs,
    platforms,
    sites: namesOf(sites),
    clouds: namesOf(clouds),
    tags,
  }
}

/** What is absent was not given, and stays so. */
export function requirementsToWire(wished: Partial<Requirements>): job.Requirements {
  const { cores, wallMs = 0, alternatives = [] } = wished
  return {
    cores,
    ...amountsOf(wished),
    wallMs,
    ...placeToWire(wished),
    memoryPerCoreBytes: wished.memoryPerCoreBytes ?? 0,
    memoryLimitBytes: wished.memoryLimitBytes ?? 0,
    memoryLimitPerCoreBytes: wished.memoryLimitPerCoreBytes ?? 0,
    cpuWorkMs: wished.cpuWorkMs ?? 0,
    wholeNode: wished.wholeNode ?? false,
    gpus: wished.gpus,
    alternatives: alternatives.map(placeToWire),
  }
}

type RoomWishes = Pick<
  Requirements,
  'memoryPerCoreBytes' | 'memoryLimitBytes' | 'memoryLimitPerCoreBytes' | 'cpuWorkMs' | 'wholeNode' | 'gpus'
>

function roomWishesOf(wire: job.Requirements): RoomWishes {
  return given({
    memoryPerCoreBytes: wire.memoryPerCoreBytes || undefined,
    memoryLimitBytes: wire.memoryLimitBytes || undefined,
    memoryLimitPerCoreBytes: wire.memoryLimitPerCoreBytes || undefined,
    cpuWorkMs: wire.cpuWorkMs || undefined,
    wholeNode: wire.wholeNode ? (true as const) : undefined,
    gpus: wire.gpus,
  })
}

function placeToWire(wished: Partial<PlaceRequirements>): job.Alternative {
  const { platforms = [], sites, clouds, tags = [], tagExpression = '', os, architecture } = wished
  const { glibc = '', containers = [], diskRate = 0 } = wished
  const names = (one: PlaceRequirements['sites'] | undefined) =>
    one && { allowed: [...one.allowed], banned: [...one.banned] }
  return {
    platforms: [...platforms],
    sites: names(sites),
    clouds: names(clouds),
    tags: [...tags],
    tagExpression,
    os,
    architecture,
    glibc,
    containers: [...containers],
    diskRate,
  }
}

function alternativeOf(wire: job.Alternative): Alternative {
  const { platforms, sites, clouds, tags } = wire
  return given({
    platforms: platforms.length > 0 ? platforms : undefined,
    sites: sites && namesOf(sites),
    clouds: clouds && namesOf(clouds),
    tags: tags.length > 0 ? tags : undefined,
    ...laterWishesOf(wire),
  })
}

type LaterWishes = Pick<PlaceRequirements, 'tagExpression' | 'os' | 'architecture' | 'glibc' | 'containers' | 'diskRate'>

/** Words that this version does not know stay: the check refuses them by name. */
function laterWishesOf(wire: Omit<job.Alternative, 'platforms' | 'sites' | 'clouds' | 'tags'>): LaterWishes {
  const { tagExpression, os, architecture, glibc, containers, diskRate } = wire
  return given({
    tagExpression: tagExpression || undefined,
    os: os && { name: os.name, min: os.min, max: os.max },
    architecture: architecture as LaterWishes['architecture'],
    glibc: glibc || undefined,
    containers: containers.length > 0 ? (containers as LaterWishes['containers']) : undefined,
    diskRate: diskRate || undefined,
  })
}

/** The same names on the wire and in core: a new resource needs no line here. */
function amountsOf(from: Partial<Pick<Resources, Amount>> | undefined): Pick<Resources, Amount> {
  return Object.fromEntries(amounts.map((name) => [name, from?.[name] ?? 0])) as Pick<Resources, Amount>
}

function namesOf(from: { readonly allowed: readonly string[]; readonly banned: readonly string[] } | undefined) {
  return { allowed: from?.allowed ?? [], banned: from?.banned ?? [] }
}

/** What a pilot says that it found; what cannot be, it did not find. */
export function foundTraitsOf(wire: job.Traits): FoundTraits {
  const { os, osVersion, glibc, gpuDriver, level, power, diskRate, gpuMemoryBytes, gpuCapability } = wire
  const version = (text: string): string | undefined => (isVersion(text) ? text : undefined)
  const known = containerRuntimes.filter((one) => wire.containers.includes(one))
  return given({
    os: os.length <= agentTextLimits.version && isName(os) ? os : undefined,
    osVersion: version(osVersion),
    architecture: architectures.find((one) => one === wire.architecture),
    level: level >= 1 && level <= 4 ? level : undefined,
    glibc: version(glibc),
    containers: known.length > 0 ? known : undefined,
    power: Number.isFinite(power) && power > 0 ? power : undefined,
    diskRate: diskRate || undefined,
    gpuVendor: gpuVendors.find((one) => one === wire.gpuVendor),
    gpuMemoryBytes: gpuMemoryBytes || undefined,
    gpuCapability: gpuCapability || undefined,
    gpuDriver: version(gpuDriver),
  })
}

export function foundTraitsToWire(found: FoundTraits): job.Traits {
  const none = { os: '', osVersion: '', architecture: '', level: 0, glibc: '', power: 0, diskRate: 0 }
  const noGpu = { gpuVendor: '', gpuMemoryBytes: 0, gpuCapability: 0, gpuDriver: '' }
  return { ...none, ...noGpu, ...found, containers: [...(found.containers ?? [])] }
}

export function sizeToWire(size: Resources): job.Size
export function sizeToWire(size: Resources | undefined): job.Size | undefined
export function sizeToWire(size: Resources | undefined): job.Size | undefined {
  return size && { ...resourcesOf(size), gpus: size.gpus ?? 0 }
}

function given<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Value
}
