/**
 * The configuration, in three stages: what was written, with every default filled in, and what the program runs on (units
 * resolved, offerings spelled out, frozen). There is no other way to a setting.
 *
 * Everything has a default that suits one machine: no file is needed. A file is checked whole; every wrong key is refused
 * with its path, and a service with a wrong configuration does not start.
 */

import { type LogLevel, logLevels } from '../../core/ports/log.ts'
import { dirname, resolve } from 'node:path'
import { keepUsageRecordsMs } from '../../core/kernel/accounting-limits.ts'
import type { BreakerPolicy } from '../../core/plan/breaker.ts'
import * as limits from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import type { WaitingQuota } from '../../core/model/quota.ts'
import { gatherViolations, type Violations } from '../../core/kernel/violations.ts'
import {
  checkClouds,
  type CloudConfig,
  cloudReader,
  compileCloud,
  type ConfiguredDriver,
  defaultClouds,
  type RawCloud,
} from './clouds.ts'
import { checkContext, compileContext, context, type ContextConfig } from './context.ts'
import { absent, choice, duration, list, mapping, optional, type Read, type Reader, whole } from './fields.ts'
import { checkImages, compileImages, images, type ImagesConfig } from './images.ts'
import { checkNetwork, compileNetwork, network, type NetworkConfig } from './network.ts'
import { checkReached } from './reached.ts'
import { checkSandbox, compileSandbox, type SandboxConfig, sandbox } from './sandbox.ts'
import { readYamlFile } from './yaml-file.ts'
import { checkShares, compileShares, type SharesConfig, shares } from './shares.ts'

const seconds = 1000
const days = 24 * 60 * 60 * seconds

const { owner: perOwner, vo: perVo } = limits.waitingQuota

const queue = mapping({
  lease: optional(duration(3 * seconds, days), limits.leaseMs),
  renewEvery: optional(duration(500, days), limits.renewEveryMs),
  keepEnded: optional(duration(60 * seconds, 3650 * days), limits.keepEndedMs),
  reserveAfter: optional(duration(1 * seconds, 30 * days), limits.reserveAfterMs),
  maxWaitingPerOwner: optional(whole(1, 1e9), perOwner.jobs),
  maxWaitingPerVo: optional(whole(1, 1e9), perVo.jobs),
  maxTaskQueuesPerOwner: optional(whole(1, 1e6), perOwner.taskQueues),
  maxTaskQueuesPerVo: optional(whole(1, 1e6), perVo.taskQueues),
})

export const directing = mapping({
  interval: optional(duration(200, 10 * 60 * seconds), limits.directorEveryMs),
  settle: absent(duration(1 * seconds, 60 * 60 * seconds)),
  listStale: optional(duration(1 * seconds, 60 * 60 * seconds), limits.listStaleMs),
})

export const vms = mapping({
  idleTimeout: optional(duration(0, 7 * days), limits.vmIdleMs),
  minLifetime: optional(duration(0, 7 * days), 0),
  maxLifetime: optional(duration(60 * seconds, 365 * days), limits.vmLifeMs),
  bootTimeout: optional(duration(1 * seconds, days), limits.bootMs),
  contactTimeout: optional(duration(5 * seconds, 7 * days), limits.contactTimeoutMs),
  heartbeatInterval: optional(duration(200, 10 * 60 * seconds), limits.heartbeatIntervalMs),
  heartbeatTimeout: optional(duration(1 * seconds, days), limits.heartbeatTimeoutMs),
})

export const whollyDefault = <T>(read: Reader<T>): T => {
  const value = read({}, '', gatherViolations())
  if (!value) throw new Error('assertion failed: the defaults are not valid')
  return value
}

export const breaker = mapping({
  failures: optional(whole(1, 100), 3),
  backoff: optional(duration(1 * seconds, days), 60 * seconds),
  maxBackoff: optional(duration(1 * seconds, days), 30 * 60 * seconds),
})

const accounting = mapping({ keepRecords: optional(duration(days, 36500 * days), keepUsageRecordsMs) })

const logging = mapping({ level: optional(choice(...logLevels), 'info') })

const sections = {
  grpc: optional(network.grpc, whollyDefault(network.grpc)),
  dashboard: optional(network.dashboard, whollyDefault(network.dashboard)),
  health: optional(network.health, whollyDefault(network.health)),
  store: optional(network.store, whollyDefault(network.store)),
  nats: absent(network.nats),
  log: optional(logging, whollyDefault(logging)),
  sandbox: optional(sandbox, whollyDefault(sandbox)),
  queue: optional(queue, whollyDefault(queue)),
  shares: optional(shares, whollyDefault(shares)),
  director: optional(directing, whollyDefault(directing)),
  vm: optional(vms, whollyDefault(vms)),
  breaker: optional(breaker, whollyDefault(breaker)),
  accounting: optional(accounting, whollyDefault(accounting)),
  context: optional(context, whollyDefault(context)),
  images: optional(images, whollyDefault(images)),
}

type Defaulted = Read<ReturnType<typeof documentReader>>

function documentReader(drivers: readonly ConfiguredDriver[]) {
  const clouds = list(cloudReader(drivers), 100)
  const usual = clouds(defaultClouds(drivers), '', gatherViolations()) ?? []
  return mapping({ ...sections, clouds: optional(clouds, usual) })
}

export type Config = NetworkConfig & {
  readonly logLevel: LogLevel
  readonly queue: {
    readonly leaseMs: number
    readonly renewEveryMs: number
    readonly keepEndedMs: number
    readonly reserveAfterMs: number
    readonly quota: WaitingQuota
  }
  readonly shares: SharesConfig
  readonly sandbox: SandboxConfig
  readonly director: { readonly intervalMs: number; readonly settleMs: number; readonly listStaleMs: number }
  readonly vm: {
    readonly idleTimeoutMs: number
    readonly minLifetimeMs: number
    readonly maxLifetimeMs: number
    readonly bootTimeoutMs: number
    readonly contactTimeoutMs: number
    readonly heartbeatIntervalMs: number
    readonly heartbeatTimeoutMs: number
  }
  readonly breaker: BreakerPolicy
  readonly accounting: { readonly keepRecordsMs: number }
  readonly context: ContextConfig
  readonly images: ImagesConfig
  readonly clouds: readonly CloudConfig[]
}

const schemaDialect = 'https://json-schema.org/draft/2020-12/schema'

export type ConfigReader = {
  /**
   * From what was written (undefined: nothing) to what the program runs on. Files that it names are looked for in
   * `directory`.
   */
  compileConfig(raw: unknown, directory?: string): Config
  /** Throws `invalid-argument` with every violation. Files that it names are looked for beside it. */
  readConfigFile(path: string): Config
  /** The JSON Schema of what may be written, for editors. */
  jsonSchema(): object
}

/** The configuration of an installation that knows these kinds of clouds. */
export function configReader(drivers: readonly ConfiguredDriver[]): ConfigReader {
  const document = documentReader(drivers)
  const compileConfig: ConfigReader['compileConfig'] = (raw, directory = '.') => {
    const violations = gatherViolations()
    const defaulted = document(raw, '', violations)
    if (defaulted) checkRelations(defaulted, violations)
    violations.settle('reading the configuration')
    if (!defaulted) throw new Error('assertion failed: a configuration without violations has a value')
    return deepFreeze(compile(defaulted, directory))
  }
  return {
    compileConfig,
    readConfigFile: (path) => compileConfig(readYamlFile(path), dirname(path)),
    jsonSchema: () => ({ $schema: schemaDialect, title: 'Configuration of Pilotage', ...document.schema }),
  }
}

/** Bounds that belong together: each refusal names both keys. */
function checkRelations({ queue: leasing, vm, breaker: b, clouds, ...rest }: Defaulted, violations: Violations): void {
  const { lease, renewEvery } = leasing
  if (renewEvery * 3 > lease)
    violations.add('queue.renewEvery', `${renewEvery} ms`, 'too long', 'a third of queue.lease at most')
  if (vm.heartbeatInterval * 3 > vm.heartbeatTimeout) {
    const accepted = 'at most a third of vm.heartbeatTimeout'
    violations.add('vm.heartbeatInterval', `${vm.heartbeatInterval} ms`, 'too long', accepted)
  }
  if (vm.minLifetime > vm.maxLifetime)
    violations.add('vm.minLifetime', durationText(vm.minLifetime), 'too long', 'at most vm.maxLifetime')
  if (b.backoff > b.maxBackoff)
    violations.add('breaker.backoff', durationText(b.backoff), 'too long', 'at most breaker.maxBackoff')
  checkImages(rest.images, violations)
  checkClouds(clouds, violations)
  const startable = clouds.map((one) => ({ ...one, traits: one.driver.traits }))
  checkContext(rest.context, startable, violations)
  checkSandbox(rest.sandbox, rest.store, violations)
  checkShares(rest.shares, violations)
  checkNetwork(rest, leasing, violations)
  if (clouds.some(({ driver }) => !driver.traits.isOnThisMachine)) checkReached(rest.grpc, rest.context.agents, violations)
}

/**
 * A call that was given up may end late, and its machine be shown later still; a list of this machine's own VMs does not
 * lag.
 */
function settleMs(clouds: readonly RawCloud[]): number {
  return 1.5 * limits.cloudCallMs + (clouds.some(({ driver }) => !driver.traits.isOnThisMachine) ? limits.listLagMs : 0)
}

function compile({ queue: q, director: d, vm: v, breaker: b, ...rest }: Defaulted, directory: string): Config {
  return {
    ...compileNetwork(rest, q, (file) => resolve(directory, file)),
    logLevel: rest.log.level,
    queue: {
      leaseMs: q.lease,
      renewEveryMs: q.renewEvery,
      keepEndedMs: q.keepEnded,
      reserveAfterMs: q.reserveAfter,
      quota: {
        owner: { jobs: q.maxWaitingPerOwner, taskQueues: q.maxTaskQueuesPerOwner },
        vo: { jobs: q.maxWaitingPerVo, taskQueues: q.maxTaskQueuesPerVo },
      },
    },
    shares: compileShares(rest.shares),
    sandbox: compileSandbox(rest.sandbox, rest.store, (file) => resolve(directory, file)),
    director: { intervalMs: d.interval, settleMs: d.settle ?? settleMs(rest.clouds), listStaleMs: d.listStale },
    vm: {
      idleTimeoutMs: v.idleTimeout,
      minLifetimeMs: v.minLifetime,
      maxLifetimeMs: v.maxLifetime,
      bootTimeoutMs: v.bootTimeout,
      contactTimeoutMs: v.contactTimeout,
      heartbeatIntervalMs: v.heartbeatInterval,
      heartbeatTimeoutMs: v.heartbeatTimeout,
    },
    accounting: { keepRecordsMs: rest.accounting.keepRecords },
    breaker: { failures: b.failures, backoffMs: b.backoff, maxBackoffMs: b.maxBackoff },
    context: compileContext(rest.context, (file) => resolve(directory, file)),
    images: compileImages(rest.images, (file) => resolve(directory, file)),
    clouds: rest.clouds.map((one) => compileCloud(one, (file) => resolve(directory, file))),
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
