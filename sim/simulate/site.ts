/**
 * The site that a simulation plays: its clouds with what they offer, cost and break, and the knobs of the director and of
 * VMs. The knobs have the names, bounds and defaults of the service's configuration (docs/configuration.md), so that what
 * was tried here can be copied there.
 *
 * A file is checked whole: every wrong key is refused with its path. docs/how-to/simulate.md describes each key.
 */

import type { BreakerPolicy } from '../../core/plan/breaker.ts'
import { noAmounts, resourcesOf } from '../../core/model/resources.ts'
import type { CloudLimits, CloudQuota, Offering } from '../../core/model/cloud.ts'
import { jobDefaults, jobLimits } from '../../core/kernel/limits.ts'
import { gatherViolations, type Violations } from '../../core/kernel/violations.ts'
import { cloudLimits } from '../../services/config/clouds.ts'
import { breaker, directing, vms, whollyDefault } from '../../services/config/document.ts'
import {
  absent,
  bytes,
  decimal,
  duration,
  list,
  mapping,
  name,
  needed,
  optional,
  type Read,
  whole,
} from '../../services/config/fields.ts'
import { flavor } from '../../services/config/flavors.ts'
import { checkShares, compileShares, type SharesConfig, shares } from '../../services/config/shares.ts'
import { readYamlFile } from '../../services/config/yaml-file.ts'

const seconds = 1000
const days = 24 * 3600 * seconds
const mib = 1024 * 1024

/** A flavor with this tag is an instance that its cloud may take back. */
export const spotTag = 'spot'

const times = mapping({
  /** Half of all take longer. */
  median: optional(duration(0, days), 90 * seconds),
  /** The standard deviation of the logarithm; 0: each takes the median. */
  spread: optional(decimal(0, 3), 0),
})

const quota = mapping({
  vms: optional(whole(0, 10_000_000), 10_000_000),
  cores: optional(whole(0, 10_000_000), 10_000_000),
  memory: absent(bytes(0, 2 ** 60)),
})

const faults = mapping({
  /** The part of creates that the cloud refuses because it has no room. */
  noRoom: optional(decimal(0, 1), 0),
  /** The part of VMs that never come up. */
  noBoot: optional(decimal(0, 1), 0),
  /** Per VM. */
  crashesPerHour: optional(decimal(0, 1000), 0),
  /** Per VM of a flavor with the tag `spot`. */
  preemptionsPerHour: optional(decimal(0, 1000), 0),
  /** The time between the announcement of a preemption and the end of the VM. */
  preemptionNotice: optional(duration(0, days), 120 * seconds),
})

const cloud = mapping({
  name: needed(name),
  site: absent(name),
  vos: optional(list(name, jobLimits.names), []),
  limits: optional(cloudLimits, { maxVms: 100_000, maxCores: 10_000_000, maxCreatesPerStep: 1000 }),
  bootTimeout: absent(duration(1 * seconds, days)),
  flavors: needed(list(flavor, 100)),
  quota: optional(quota, whollyDefault(quota)),
  boot: optional(times, whollyDefault(times)),
  stop: optional(times, { median: 10 * seconds, spread: 0 }),
  /** What is paid is rounded up to this. */
  billingUnit: optional(duration(1, 30 * days), 1 * seconds),
  faults: optional(faults, whollyDefault(faults)),
})

/** What a trace does not say about its jobs. */
const jobs = mapping({
  /** Per core. */
  memory: optional(bytes(16 * mib, 2 ** 50), jobDefaults.memoryBytes),
  disk: optional(bytes(0, 2 ** 50), jobDefaults.diskBytes),
  wallTime: optional(duration(1 * seconds, 30 * days), jobDefaults.wallMs),
})

const document = mapping({
  seed: optional(whole(0, 2 ** 32 - 1), 1),
  director: optional(directing, whollyDefault(directing)),
  vm: optional(vms, whollyDefault(vms)),
  breaker: optional(breaker, whollyDefault(breaker)),
  jobs: optional(jobs, whollyDefault(jobs)),
  shares: optional(shares, whollyDefault(shares)),
  clouds: needed(list(cloud, 100)),
})

export type Times = Read<typeof times>
export type Faults = Read<typeof faults>

export type SiteCloud = {
  readonly name: string
  readonly offerings: readonly Offering[]
  readonly limits: CloudLimits
  readonly quota: CloudQuota
  readonly bootTimeoutMs: number
  readonly boot: Times
  readonly stop: Times
  readonly billingUnitMs: number
  readonly faults: Faults
}

export type Site = {
  readonly seed: number
  readonly director: { readonly intervalMs: number; readonly listStaleMs: number }
  readonly vm: {
    readonly idleTimeoutMs: number
    readonly minLifetimeMs: number
    readonly maxLifetimeMs: number
    readonly heartbeatTimeoutMs: number
  }
  readonly breaker: BreakerPolicy
  readonly shares: SharesConfig
  readonly jobs: { readonly memoryBytes: number; readonly diskBytes: number; readonly wallMs: number }
  readonly clouds: readonly SiteCloud[]
}

/** Throws `invalid-argument` with every violation. */
export function readSite(path: string): Site {
  return siteOf(readYamlFile(path))
}

export function siteOf(raw: unknown): Site {
  const violations = gatherViolations()
  const read = document(raw, '', violations)
  if (read) checkRelations(read, violations)
  violations.settle('reading the site')
  if (!read) throw new Error('assertion failed: a site without violations has a value')
  const { director, vm, breaker: failing } = read
  return {
    seed: read.seed,
    director: { intervalMs: director.interval, listStaleMs: director.listStale },
    vm: {
      idleTimeoutMs: vm.idleTimeout,
      minLifetimeMs: vm.minLifetime,
      maxLifetimeMs: vm.maxLifetime,
      heartbeatTimeoutMs: vm.heartbeatTimeout,
    },
    breaker: { failures: failing.failures, backoffMs: failing.backoff, maxBackoffMs: failing.maxBackoff },
    shares: compileShares(read.shares),
    jobs: { memoryBytes: read.jobs.memory, diskBytes: read.jobs.disk, wallMs: read.jobs.wallTime },
    clouds: read.clouds.map((one) => cloudOf(one, vm.bootTimeout)),
  }
}

type RawCloud = Read<typeof cloud>

function checkRelations({ clouds, vm, ...rest }: Read<typeof document>, violations: Violations): void {
  checkShares(rest.shares, violations)
  const names = clouds.map((one) => one.name)
  if (clouds.length === 0) violations.add('clouds', clouds, 'missing', 'one or more')
  for (const [at, one] of clouds.entries()) {
    if (names.indexOf(one.name) !== at) violations.add(`clouds[${at}].name`, one.name, 'used twice', 'a name of its own')
    if (one.flavors.length === 0) violations.add(`clouds[${at}].flavors`, one.flavors, 'missing', 'one or more')
  }
  if (vm.minLifetime > vm.maxLifetime)
    violations.add('vm.minLifetime', `${vm.minLifetime} ms`, 'too long', 'at most vm.maxLifetime')
}

function cloudOf(raw: RawCloud, bootTimeoutMs: number): SiteCloud {
  const { vms: maxVms, cores, memory } = raw.quota
  return {
    name: raw.name,
    offerings: raw.flavors.map((one) => offeringOf(raw, one)),
    limits: raw.limits,
    quota: { vms: maxVms, cores, memoryBytes: memory ?? Infinity },
    bootTimeoutMs: raw.bootTimeout ?? bootTimeoutMs,
    boot: raw.boot,
    stop: raw.stop,
    billingUnitMs: raw.billingUnit,
    faults: raw.faults,
  }
}

function offeringOf({ name: cloudName, site, vos }: RawCloud, one: RawCloud['flavors'][number]): Offering {
  return {
    ...noAmounts,
    cloud: cloudName,
    site: site ?? cloudName,
    flavor: one.name,
    image: 'worker',
    platform: 'linux',
    tags: one.tags,
    vos,
    ...resourcesOf(one),
    pricePerHour: one.pricePerHour,
    ...(one.traits ? { traits: one.traits } : {}),
  }
}
