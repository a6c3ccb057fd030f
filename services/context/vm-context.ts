/**
 * The context of one VM: a cloud-init document, or a script where it travels over SSH, from the operator's rules, the
 * offering and the programs of the agents. A VM on this machine gets the agents from this disk; every other VM learns where
 * to fetch them.
 */

import { pathToFileURL } from 'node:url'
import { cloudConfig, machineContext, plainScript } from '../../contextualization/machine.ts'
import type { Extras, Fetched, MachineContext, MachineOrder, SquidOrder } from '../../contextualization/order.ts'
import { renderContext } from '../../contextualization/render.ts'
import { squidContext } from '../../contextualization/squid.ts'
import type { AgentConfig, VmIdentity } from '../../core/model/agent-config.ts'
import type { Offering, UserDataLimit } from '../../core/model/cloud.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { agentConfig, type ContextCloud } from './agent-config.ts'
import type { AddedExtras, AgentFiles, ContextRules, ContextSources, ProgramFile } from './sources.ts'

/** `carrier`: what takes the text, up to `limit`. */
export type VmContext = { readonly text: string; readonly limit: UserDataLimit; readonly carrier: string }

export type ContextOrder = {
  readonly vm: VmIdentity
  readonly offering: Offering
  /** The squids of the site that serve now, as http://host:port. */
  readonly squids: readonly string[]
  /** As the script for images without cloud-init, whatever the image. */
  readonly asScript?: boolean
}

const gib = 1024 ** 3

/** Throws `invalid-argument` where the operator's own document cannot be combined with ours. */
export function vmContext({ vm, offering, squids, asScript = false }: ContextOrder, sources: ContextSources): VmContext {
  const { clouds, rules, texts, agents, settings, deliveryLimit } = sources
  const cloud = clouds.get(offering.cloud)
  if (!cloud) throw new PilotageError('internal', `rendering a context: there is no cloud ${offering.cloud}`)
  const config = agentConfig(vm, offering, cloud, settings)
  const own = { limit: cloud.traits.userData, carrier: `cloud ${offering.cloud}` }
  if (cloud.traits.isOnThisMachine) return { ...own, text: localDocument(config, agents) }
  const image = rules.images.get(offering.image)
  const context = machineContextOf(config, offering, cloud, squids, sources)
  if (asScript || image?.isDelivered) {
    return { limit: deliveryLimit, carrier: 'delivery over SSH', text: plainScript(context) }
  }
  if (cloud.traits.isLent) return { ...own, text: plainScript(context) }
  const file = image?.cloudConfigFile
  return { ...own, text: cloudConfig(context, file === undefined ? '' : (texts.get(file) ?? '')) }
}

function localDocument(config: AgentConfig, { pilot, monitor }: AgentFiles): string {
  const onDisk = ({ path, sha256 }: ProgramFile) => ({ source: pathToFileURL(path).href, sha256 })
  return renderContext({ config, pilot: onDisk(pilot), monitor: onDisk(monitor) })
}

function machineContextOf(
  config: AgentConfig,
  offering: Offering,
  cloud: ContextCloud,
  squids: readonly string[],
  sources: ContextSources,
): MachineContext {
  const { service } = config
  return service === undefined
    ? machineContext(machineOrder(config, offering, cloud, squids, sources))
    : squidContext(squidOrder({ ...config, service }, offering, sources))
}

function machineOrder(
  config: AgentConfig,
  offering: Offering,
  { traits }: ContextCloud,
  squids: readonly string[],
  sources: ContextSources,
): MachineOrder {
  const { rules, agents, texts, bases } = sources
  const site = rules.sites.get(offering.site)
  const image = rules.images.get(offering.image)
  // A cloud that serves every VO may get a job of any of them.
  const vos = [...rules.vos].filter(([name]) => offering.vos.length === 0 || offering.vos.includes(name)).map(([, vo]) => vo)
  const repositories = [...new Set(vos.flatMap((vo) => vo.repositories))]
  return {
    config,
    ...programs(sources),
    pilot: fetched(agents.pilot, bases),
    proxies: [...(site?.proxies ?? []), ...squids],
    fallbackProxies: site?.fallbackProxies ?? [],
    discoverFrom: site?.discoverFrom,
    proxiesUrls: bases.map((base) => `${base}/sites/${encodeURIComponent(offering.site)}/proxies`),
    isDirectAllowed: site?.isDirectAllowed ?? true,
    isLent: traits.isLent,
    cvmfs: { repositories, cacheBytes: image?.cacheBytes ?? 4 * gib, parameters: image?.parameters ?? {} },
    extras: joined([...vos, ...(image ? [image] : [])], texts),
  }
}

/** A squid gets nothing of jobs and of their VOs. */
function squidOrder(config: SquidOrder['config'], offering: Offering, sources: ContextSources): SquidOrder {
  const { rules, texts } = sources
  const image = rules.images.get(offering.image)
  return {
    config,
    ...programs(sources),
    clients: rules.sites.get(offering.site)?.squidClients,
    extras: joined(image ? [image] : [], texts),
  }
}

function programs({ agents, bases }: ContextSources): Pick<MachineOrder, 'monitor' | 'nodes'> {
  const nodes = agents.nodes?.map((node) => ({ ...fetched(node, bases), platform: node.platform }))
  return { monitor: fetched(agents.monitor, bases), nodes }
}

function fetched({ sha256 }: ProgramFile, bases: readonly string[]): Fetched {
  return { urls: bases.map((base) => `${base}/agents/${sha256}`), sha256 }
}

function joined(all: readonly AddedExtras[], texts: ReadonlyMap<string, string>): Extras {
  return {
    packages: [...new Set(all.flatMap(({ packages }) => packages))],
    files: all.flatMap(({ files }) =>
      files.map(({ path, permissions, from }) => ({ path, permissions, content: texts.get(from) ?? '' })),
    ),
    commands: all.flatMap(({ commands }) => commands),
  }
}

/** Every file that a context may need the text of, with the key that names it. */
export function contextFiles({ vos, images }: Pick<ContextRules, 'vos' | 'images'>): readonly NamedFile[] {
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

type NamedFile = { readonly key: string; readonly file: string }
