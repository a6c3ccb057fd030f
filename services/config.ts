/**
 * The configuration, in three stages: what was written, with every default filled in, and what the program runs on (units
 * resolved, offerings spelled out, frozen). There is no other way to a setting.
 *
 * Everything has a default that suits one machine: no file is needed. A file is checked whole; every wrong key is told with
 * its path, and a service with a wrong configuration does not start.
 */

import { readFileSync, statSync } from 'node:fs'
import { parse } from 'yaml'
import type { BreakerPolicy, CloudLimits, Offering } from '../core/cloud.ts'
import { PilotageError } from '../core/errors.ts'
import * as limits from '../core/limits.ts'
import { gatherViolations } from '../core/violations.ts'
import { bytes, choice, duration, list, mapping, name, needed, optional, price, text, whole } from './config-fields.ts'

const seconds = 1000
const days = 24 * 60 * 60 * seconds
const mib = 1024 * 1024
const gib = 1024 * mib

type Flavor = { name: string; cores: number; memory: number; disk: number; pricePerHour: number; tags: readonly string[] }
type Image = { name: string; platform: string; tags: readonly string[] }
type RawCloud = {
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

const cloud = mapping<RawCloud>({
  name: needed(name),
  kind: needed(choice('local')),
  site: optional(name, 'here'),
  bootDelay: optional(duration(0, 10 * 60 * seconds), 0),
  vos: optional(list(name, limits.jobLimits.names), []),
  limits: optional(cloudLimits, { maxVms: 4, maxCores: 8, maxCreatesPerStep: 4 }),
  flavors: optional(list(flavor, 100), defaultFlavors),
  images: optional(list(image, 100), defaultImages),
})

const defaultClouds: readonly RawCloud[] = [
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

const portNumber = whole(0, 65_535)

const edge = (port: number) =>
  mapping<{ host: string; port: number }>({ host: optional(text, '127.0.0.1'), port: optional(portNumber, port) })

const queue = mapping<{ lease: number; renewEvery: number; keepEnded: number }>({
  lease: optional(duration(3 * seconds, days), limits.leaseMs),
  renewEvery: optional(duration(500, days), limits.renewEveryMs),
  keepEnded: optional(duration(60 * seconds, 3650 * days), limits.keepEndedMs),
})

const directing = mapping<{ every: number; settle: number; listStale: number }>({
  every: optional(duration(200, 10 * 60 * seconds), limits.directorEveryMs),
  settle: optional(duration(1 * seconds, 60 * 60 * seconds), 30 * seconds),
  listStale: optional(duration(1 * seconds, 60 * 60 * seconds), limits.listStaleMs),
})

type Vms = {
  idle: number
  leastLife: number
  life: number
  boot: number
  deadMan: number
  beatEvery: number
  beatLost: number
}

const vms = mapping<Vms>({
  idle: optional(duration(0, 7 * days), limits.vmIdleMs),
  leastLife: optional(duration(0, 7 * days), 0),
  life: optional(duration(60 * seconds, 365 * days), limits.vmLifeMs),
  boot: optional(duration(1 * seconds, days), limits.bootMs),
  deadMan: optional(duration(5 * seconds, 7 * days), limits.deadManMs),
  beatEvery: optional(duration(200, 10 * 60 * seconds), limits.beatEveryMs),
  beatLost: optional(duration(1 * seconds, days), limits.beatLostMs),
})

type Defaulted = {
  grpc: { host: string; port: number }
  dashboard: { host: string; port: number }
  log: { level: 'debug' | 'info' | 'warn' | 'error' }
  queue: { lease: number; renewEvery: number; keepEnded: number }
  director: { every: number; settle: number; listStale: number }
  vm: Vms
  breaker: { failures: number; backoff: number; maxBackoff: number }
  clouds: readonly RawCloud[]
}

const whollyDefault = <T extends object>(read: ReturnType<typeof mapping<T>>): T => {
  const value = read({}, '', gatherViolations())
  if (!value) throw new Error('assertion failed: the defaults are not valid')
  return value
}

const breaker = mapping<Defaulted['breaker']>({
  failures: optional(whole(1, 100), 3),
  backoff: optional(duration(1 * seconds, days), 60 * seconds),
  maxBackoff: optional(duration(1 * seconds, days), 30 * 60 * seconds),
})

const logging = mapping<Defaulted['log']>({ level: optional(choice('debug', 'info', 'warn', 'error'), 'info') })

const document = mapping<Defaulted>({
  grpc: optional(edge(7400), whollyDefault(edge(7400))),
  dashboard: optional(edge(7401), whollyDefault(edge(7401))),
  log: optional(logging, whollyDefault(logging)),
  queue: optional(queue, whollyDefault(queue)),
  director: optional(directing, whollyDefault(directing)),
  vm: optional(vms, whollyDefault(vms)),
  breaker: optional(breaker, whollyDefault(breaker)),
  clouds: optional(list(cloud, 100), defaultClouds),
})

export type CloudConfig = {
  readonly name: string
  readonly kind: 'local'
  readonly site: string
  readonly bootDelayMs: number
  readonly limits: CloudLimits
  readonly offerings: readonly Offering[]
}

export type Config = {
  readonly grpc: { readonly host: string; readonly port: number }
  readonly dashboard: { readonly host: string; readonly port: number }
  readonly logLevel: string
  readonly queue: { readonly leaseMs: number; readonly renewEveryMs: number; readonly keepEndedMs: number }
  readonly director: { readonly everyMs: number; readonly settleMs: number; readonly listStaleMs: number }
  readonly vm: {
    readonly idleMs: number
    readonly leastLifeMs: number
    readonly lifeMs: number
    readonly bootMs: number
    readonly deadManMs: number
    readonly beatEveryMs: number
    readonly beatLostMs: number
  }
  readonly breaker: BreakerPolicy
  readonly clouds: readonly CloudConfig[]
}

/** A configuration is some kilobytes; more is a mistake. */
const fileBytesMost = mib

/** Throws `invalid-argument` with every violation. */
export function readConfigFile(path: string): Config {
  const { size } = statSync(path)
  if (size > fileBytesMost) throw new PilotageError('too-large', `${path} has ${size} bytes, at most ${fileBytesMost}`)
  let raw: unknown
  try {
    raw = parse(readFileSync(path, 'utf8'), { maxAliasCount: 100 })
  } catch (cause) {
    throw new PilotageError('invalid-argument', `${path} is not YAML: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    })
  }
  return compileConfig(raw)
}

/** From what was written (undefined: nothing) to what the program runs on. */
export function compileConfig(raw: unknown): Config {
  const violations = gatherViolations()
  const defaulted = document(raw, '', violations)
  if (defaulted) checkRelations(defaulted, violations)
  violations.settle('reading the configuration')
  if (!defaulted) throw new Error('assertion failed: a configuration without violations has a value')
  return deepFreeze(compile(defaulted))
}

function checkRelations(
  { queue: { lease, renewEvery }, vm, clouds, grpc, dashboard }: Defaulted,
  violations: Violations,
): void {
  if (renewEvery * 3 > lease)
    violations.add('queue.renewEvery', `${renewEvery} ms`, 'too long', 'a third of queue.lease at most')
  if (vm.beatEvery * 3 > vm.beatLost)
    violations.add('vm.beatEvery', `${vm.beatEvery} ms`, 'too long', 'a third of vm.beatLost at most')
  const names = clouds.map((one) => one.name)
  names.forEach((one, at) => {
    if (names.indexOf(one) !== at) violations.add(`clouds[${at}].name`, one, 'used twice', 'a name of its own')
  })
  for (const [path, { host }] of Object.entries({ grpc, dashboard })) {
    // Plain connections leave this machine only where TLS stands before them: that is not built in yet, so it is not offered.
    if (!loopback.has(host)) violations.add(`${path}.host`, host, 'not loopback', [...loopback].join(', '))
  }
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost'])
type Violations = ReturnType<typeof gatherViolations>

function compile({ queue: q, director: d, vm: v, breaker: b, ...rest }: Defaulted): Config {
  return {
    grpc: rest.grpc,
    dashboard: rest.dashboard,
    logLevel: rest.log.level,
    queue: { leaseMs: q.lease, renewEveryMs: q.renewEvery, keepEndedMs: q.keepEnded },
    director: { everyMs: d.every, settleMs: d.settle, listStaleMs: d.listStale },
    vm: {
      idleMs: v.idle,
      leastLifeMs: v.leastLife,
      lifeMs: v.life,
      bootMs: v.boot,
      deadManMs: v.deadMan,
      beatEveryMs: v.beatEvery,
      beatLostMs: v.beatLost,
    },
    breaker: { failures: b.failures, backoffMs: b.backoff, maxBackoffMs: b.maxBackoff },
    clouds: rest.clouds.map(({ name: cloudName, kind, site, bootDelay, limits: cloudLimit, ...one }) => ({
      name: cloudName,
      kind,
      site,
      bootDelayMs: bootDelay,
      limits: cloudLimit,
      offerings: offeringsOf({ name: cloudName, site, ...one }),
    })),
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

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
