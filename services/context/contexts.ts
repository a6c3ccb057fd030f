/**
 * Contexts: what a VM is told, put together from the configuration, its offering and the agents' programs. A VM of the local
 * cloud gets the agents from this machine's disk; a real machine is told where to fetch them, and everything else it needs.
 */

import { pathToFileURL } from 'node:url'
import { accountsFor } from '../../contextualization/bootstrap.ts'
import { cloudConfig, machineContext, plainScript } from '../../contextualization/machine.ts'
import type { Extras, Fetched, MachineContext, MachineOrder, SquidOrder } from '../../contextualization/order.ts'
import { renderContext } from '../../contextualization/render.ts'
import { type CloudKind, sizeAt } from '../../contextualization/size.ts'
import { squidContext } from '../../contextualization/squid.ts'
import type { Offering } from '../../core/model/cloud.ts'
import { systemClock } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import { hostPort } from '../../core/kernel/endpoints.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import { squidPort } from '../../core/kernel/limits.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import type { ServedFile, ServedNode } from '../api/http/agent-files.ts'
import type { Config } from '../config/document.ts'
import type { CloudConfig } from '../config/clouds.ts'
import type { ContextConfig, ExtrasConfig } from '../config/context.ts'
import type { DirectedCloud } from '../director/options.ts'

export type AgentFiles = {
  readonly pilot: ServedFile
  readonly monitor: ServedFile
  readonly nodes?: readonly ServedNode[]
}

export type ContextSources = {
  readonly context: ContextConfig
  readonly agents: AgentFiles
  /** Of files that the configuration names, by their paths. */
  readonly texts: ReadonlyMap<string, string>
  /** Where the agents are served, as http://host:port. */
  readonly bases: readonly string[]
  /** Those that are kept at the site and serve now, as http://host:port. */
  readonly squids: readonly string[]
  /** Clouds whose machines are somebody else's. */
  readonly lent?: ReadonlySet<string>
}

const gib = 1024 ** 3

export function localContext(config: AgentConfig, { pilot, monitor }: AgentFiles): string {
  return renderContext({ config, pilot: sourced(pilot), monitor: sourced(monitor) })
}

function sourced({ path, sha256 }: ServedFile) {
  return { source: pathToFileURL(path).href, sha256 }
}

/** What a real machine is told: a cloud-init document, or a script where it is told by SSH. Throws `invalid-argument`. */
export function machineDocument(config: AgentConfig, offering: Offering, sources: ContextSources): string {
  const told = contextOf(config, offering, sources)
  const isDelivered = sources.context.images.get(offering.image)?.isDelivered ?? false
  if (isDelivered || sources.lent?.has(offering.cloud)) return plainScript(told)
  const file = sources.context.images.get(offering.image)?.cloudConfigFile
  const own = file === undefined ? '' : (sources.texts.get(file) ?? '')
  return cloudConfig(told, own)
}

/** Whose limits hold for what a machine is told: its cloud's, or SSH's where it is told so. */
export function carrierOf(kind: CloudKind, { image }: Offering, { images }: ContextConfig): CloudKind {
  return images.get(image)?.isDelivered ? 'ssh' : kind
}

export function lentClouds({ clouds }: Pick<Config, 'clouds'>): ReadonlySet<string> {
  return new Set(clouds.flatMap(({ name, driver }) => (driver.kind === 'ssh' ? [name] : [])))
}

/** Of a worker, or of whatever else the offering is for. Throws `invalid-argument`. */
export function contextOf(config: AgentConfig, offering: Offering, sources: ContextSources): MachineContext {
  return offering.service === undefined
    ? machineContext(machineOrder(config, offering, sources))
    : squidContext(squidOrder(config, offering, sources))
}

function machineOrder(config: AgentConfig, offering: Offering, sources: ContextSources): MachineOrder {
  const { context, agents, texts, bases, squids } = sources
  const site = context.sites.get(offering.site)
  const image = context.images.get(offering.image)
  // A cloud for every VO may get anyone's jobs.
  const vos = [...context.vos]
    .filter(([name]) => offering.vos.length === 0 || offering.vos.includes(name))
    .map(([, vo]) => vo)
  const repositories = [...new Set(vos.flatMap((vo) => vo.repositories))]
  return {
    config: { ...config, payloadAccounts: accountsFor(config.size.cores) },
    ...programs(sources),
    pilot: fetched(agents.pilot, bases),
    proxies: [...(site?.proxies ?? []), ...squids],
    fallbackProxies: site?.fallbackProxies ?? [],
    discoverFrom: site?.discoverFrom,
    proxiesUrls: bases.map((base) => `${base}/sites/${encodeURIComponent(offering.site)}/proxies`),
    isDirectAllowed: site?.isDirectAllowed ?? true,
    isLent: sources.lent?.has(offering.cloud),
    cvmfs: { repositories, cacheBytes: image?.cacheBytes ?? 4 * gib, parameters: image?.parameters ?? {} },
    extras: joined([...vos, ...(image ? [image] : [])], texts),
  }
}

/** What belongs to jobs and their VOs has no place on it. */
function squidOrder(config: AgentConfig, offering: Offering, sources: ContextSources): SquidOrder {
  const { context, texts } = sources
  const image = context.images.get(offering.image)
  return {
    config: { ...config, service: { kind: 'squid', port: squidPort } },
    ...programs(sources),
    clients: context.sites.get(offering.site)?.squidClients,
    extras: joined(image ? [image] : [], texts),
  }
}

function programs({ agents, bases }: ContextSources): Pick<MachineOrder, 'monitor' | 'nodes'> {
  const nodes = agents.nodes?.map((node) => ({ ...fetched(node, bases), platform: node.platform }))
  return { monitor: fetched(agents.monitor, bases), nodes }
}

function fetched({ sha256 }: ServedFile, bases: readonly string[]): Fetched {
  return { urls: bases.map((base) => `${base}/agents/${sha256}`), sha256 }
}

/** Where machines that their cloud may take back at any time hear of it. */
const ec2Metadata = 'http://169.254.169.254'

export function interruptionOf({ driver, references }: CloudConfig, { flavor }: Offering): AgentConfig['interruption'] {
  const reference = references.flavors.get(flavor)
  const isSpot = driver.kind === 'ec2' && reference?.by === 'properties' && reference.properties.market === 'spot'
  return isSpot ? { kind: 'ec2', metadataUrl: ec2Metadata } : undefined
}

/** Those that the configuration names; undefined: there is no such site. */
export function explicitProxies({ context, clouds }: Config, site: string): readonly string[] | undefined {
  const proxies = context.sites.get(site)?.proxies
  return proxies ?? (clouds.some((cloud) => cloud.site === site) ? [] : undefined)
}

function joined(all: readonly ExtrasConfig[], texts: ReadonlyMap<string, string>): Extras {
  return {
    packages: [...new Set(all.flatMap(({ packages }) => packages))],
    files: all.flatMap(({ files }) =>
      files.map(({ path, permissions, from }) => ({ path, permissions, content: texts.get(from) ?? '' })),
    ),
    commands: all.flatMap(({ commands }) => commands),
  }
}

const diskReserveBytes = 256 * 1024 * 1024

/** What all agents of a cloud are told. `caPem`: whom they trust. */
/** `dataDir`: of the service, on whose machine the local cloud's VMs are. */
export function agentTold(
  { vm, grpc }: Config,
  { driver, isolation }: CloudConfig,
  caPem: string | undefined,
  dataDir: string,
): DirectedCloud['agent'] {
  return {
    caPem,
    // The operator's word for a private network; with an authority there is nothing plain.
    plaintext: caPem === undefined && grpc.plaintext ? true : undefined,
    // On the local cloud many VMs share one machine.
    sizeFrom: driver.kind === 'local' ? 'context' : 'machine',
    // A VM's end is that of its monitor: of the process there, of the service on a real machine.
    powerOff: [],
    isolation: { ...isolation, hidden: driver.kind === 'local' ? [dataDir] : [] },
    policy: {
      idleMs: vm.idleMs,
      leastLifeMs: vm.leastLifeMs,
      deadManMs: vm.deadManMs,
      leastDiskFreeBytes: diskReserveBytes,
    },
  }
}

/**
 * Throws `invalid-argument` with every context that its cloud would not take: found here, it has not failed a VM yet. Sources
 * without squids; where a site has some, as many as it may have are counted.
 */
export function checkSizes(config: Config, given: Omit<ContextSources, 'squids' | 'lent'>, caPem: string | undefined): void {
  const violations = gatherViolations()
  // Where they are served is known when we listen, and is then one place.
  const bases = given.bases.length > 0 ? given.bases : ['http://255.255.255.255:65535']
  const sources = { ...given, bases, lent: lentClouds(config) }
  for (const cloud of config.clouds) {
    const { kind } = cloud.driver
    if (kind === 'local') continue
    // Flavors differ in a few digits.
    const byImage = new Map(cloud.offerings.map((offering) => [offering.image, offering]))
    const squids = config.context.services
      .filter(({ site }) => site === cloud.site)
      .flatMap(({ count }) => Array.from({ length: 2 * count }, (_, at) => `http://255.255.255.${100 + at}:${squidPort}`))
    for (const [image, offering] of byImage) {
      for (const wanted of squids.length > 0 && kind !== 'ssh'
        ? [offering, { ...offering, service: 'squid' as const }]
        : [offering]) {
        const text = machineDocument(exampleAgent(config, cloud, wanted, caPem), wanted, { ...sources, squids })
        // What differs from VM to VM does not compress equally.
        const size = sizeAt(carrierOf(kind, wanted, config.context), `${text}${exampleKey}`)
        if (size.bytes <= size.most) continue
        const path = `the context of ${cloud.name} with ${image}${wanted.service === undefined ? '' : ` for ${wanted.service}`}`
        violations.add(path, `${size.bytes} bytes ${size.form}`, 'too large', `at most ${size.most}`)
      }
    }
  }
  violations.settle('measuring contexts')
}

/** For contexts that no VM gets, as large as one that it would get: as the director tells it, but for what is made anew for each. */
export function exampleAgent(
  config: Config,
  cloud: CloudConfig,
  offering: Offering,
  caPem: string | undefined,
): AgentConfig {
  const { grpc, vm } = config
  const { site, platform, cores, memoryBytes, diskBytes } = offering
  const told = agentTold(config, cloud, caPem, '')
  return {
    vmId: 'vm-example222' as VmId,
    endpoint: grpc.advertise.join() || hostPort(grpc.host, grpc.port),
    activationKey: exampleKey,
    cloud: cloud.name,
    site,
    platform,
    size: { cores, memoryBytes, diskBytes },
    ...told,
    interruption: interruptionOf(cloud, offering),
    policy: { ...told.policy, endByMs: systemClock().nowMs() + vm.lifeMs },
  }
}

/** As long as a real one, and no easier to compress. */
export const exampleKey = 'LEFT-OUT-q7v2mzk4x9w5t3n8r6jhbcpd'

/** Every file that a context may need the text of, with the key that names it. */
export function contextFiles({ vos, images }: ContextConfig): readonly { readonly key: string; readonly file: string }[] {
  const extras = [
    ...[...vos].map(([name, vo]) => [`context.vos ${name}`, vo] as const),
    ...[...images].map(([name, one]) => [`context.images ${name}`, one] as const),
  ]
  const files = extras.flatMap(([key, { files: some }]) => some.map(({ from }) => ({ key: `${key}: files`, file: from })))
  const own = [...images].flatMap(([name, { cloudConfigFile: file }]) =>
    file === undefined ? [] : [{ key: `context.images ${name}: cloudConfig`, file }],
  )
  return [...files, ...own]
}
