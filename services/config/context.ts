/**
 * What machines are given beside what they are: where they get the agents, their site's proxies, their VOs' CVMFS
 * repositories, and what an operator adds for a VO or an image. The local cloud's VMs get none of it.
 */

import { isEndpoint } from '../../core/kernel/endpoints.ts'
import type { ServiceWish } from '../../core/plan/fleet.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { compileDelivery, delivery, type DeliveryConfig } from './delivery.ts'
import { absent, bytes, choice, flag, list, mapping, name, needed, optional, type Read, text, whole } from './fields.ts'
import { checkNode, compileNode, node, type NodeConfig } from './node.ts'
import { checkSquids, compileSquids, squid, type Startable } from './squids.ts'

const gib = 1024 ** 3

const extras = {
  packages: optional(list(text, 200), []),
  files: optional(list(mapping({ path: needed(text), permissions: optional(text, '0644'), from: needed(text) }), 50), []),
  commands: optional(list(text, 100), []),
}

const agents = mapping({
  host: optional(text, '127.0.0.1'),
  port: optional(whole(0, 65_535), 7402),
  advertise: optional(list(text, 16), []),
  node: optional(node, true),
})

const parameter = mapping({ name: needed(text), value: needed(text) })

const site = mapping({
  name: needed(name),
  proxies: optional(list(text, 32), []),
  fallbackProxies: optional(list(text, 32), []),
  discoverFrom: optional(list(text, 8), []),
  direct: optional(flag, true),
  squid: absent(squid),
})

const vo = mapping({ name: needed(name), cvmfs: optional(list(text, 100), []), ...extras })

const image = mapping({
  name: needed(name),
  cvmfsCache: optional(bytes(gib, jobLimits.diskBytes), 4 * gib),
  cvmfsParameters: optional(list(parameter, 50), []),
  cloudConfig: absent(text),
  method: optional(choice('cloud-init', 'ssh'), 'cloud-init'),
  ...extras,
})

export const context = mapping({
  agents: optional(agents, { host: '127.0.0.1', port: 7402, advertise: [], node: true }),
  ssh: absent(delivery),
  sites: optional(list(site, 1000), []),
  vos: optional(list(vo, 1000), []),
  images: optional(list(image, 1000), []),
})

export type RawContext = Read<typeof context>
type Site = Read<typeof site>
type Extras = Pick<Read<typeof image>, keyof typeof extras>

export type ExtrasConfig = {
  readonly packages: readonly string[]
  /** `from`: a file whose text it is. */
  readonly files: readonly { readonly path: string; readonly permissions: string; readonly from: string }[]
  readonly commands: readonly string[]
}

export type ContextConfig = {
  /** Where machines get the agents' programs, by digest, over plain HTTP so that a site's proxies may keep them. */
  readonly agents: {
    readonly host: string
    readonly port: number
    /** Empty: where this process listens. */
    readonly advertise: readonly string[]
    /** Also Node, for images that have none. */
    readonly nodes: NodeConfig
  }
  /** How machines are logged in to whose image has no cloud-init; absent: there are none. */
  readonly ssh?: DeliveryConfig
  readonly sites: ReadonlyMap<string, SiteConfig>
  /** What sites shall have beside workers. */
  readonly services: readonly ServiceWish[]
  readonly vos: ReadonlyMap<string, ExtrasConfig & { readonly repositories: readonly string[] }>
  readonly images: ReadonlyMap<string, ImageContext>
}

export type SiteConfig = {
  readonly proxies: readonly string[]
  /** For when all of them are unreachable. */
  readonly fallbackProxies: readonly string[]
  /**
   * Where CVMFS asks which proxies there are (PAC files; `auto`: http://wpad/wpad.dat). Empty: the configuration names them.
   */
  readonly discoverFrom: readonly string[]
  readonly isDirectAllowed: boolean
  /** Whom the squids that are kept there serve; absent: private networks. */
  readonly squidClients?: readonly string[]
}

export type ImageContext = ExtrasConfig & {
  readonly cacheBytes: number
  readonly parameters: Readonly<Record<string, string>>
  readonly cloudConfigFile?: string
  /** It has no cloud-init: its machines get their context by SSH. */
  readonly isDelivered: boolean
}

export function checkContext(
  { agents: one, ssh, sites, vos, images }: RawContext,
  clouds: readonly Startable[],
  violations: Violations,
): void {
  checkSquids(sites, clouds, violations)
  checkNode(one.node, 'context.agents.node', violations)
  images.forEach(({ method, cloudConfig }, at) => {
    if (method !== 'ssh') return
    const path = `context.images[${at}]`
    if (!ssh)
      violations.add(`${path}.method`, method, 'has no account to log in with', 'context.ssh with user and privateKey')
    if (cloudConfig !== undefined)
      violations.add(`${path}.cloudConfig`, cloudConfig, 'has no effect', 'nothing with method: ssh')
  })
  for (const [key, named] of Object.entries({ sites, vos, images })) {
    const names = named.map((each) => each.name)
    names.forEach((each, at) => {
      if (names.indexOf(each) !== at) violations.add(`context.${key}[${at}].name`, each, 'used twice', 'a name of its own')
    })
  }
  one.advertise.forEach((url, at) => {
    if (!isHttp(url)) violations.add(`context.agents.advertise[${at}]`, url, 'not an address', 'http://host:port')
  })
  sites.forEach((site, at) => {
    for (const key of ['proxies', 'fallbackProxies'] as const) {
      site[key].forEach((url, index) => {
        const isProxy = url.startsWith('http://') && isEndpoint(url.slice('http://'.length))
        if (!isProxy) violations.add(`context.sites[${at}].${key}[${index}]`, url, 'not a proxy', 'http://host:port')
      })
    }
    checkDiscovery(site, `context.sites[${at}]`, violations)
  })
}

/** What CVMFS finds out by itself is not configured as well: it would be unclear which of the two wins. */
function checkDiscovery({ discoverFrom, proxies, squid: kept }: Site, path: string, violations: Violations): void {
  discoverFrom.forEach((url, at) => {
    const isPac = url === 'auto' || (isHttp(url) && !url.includes(';'))
    if (!isPac) violations.add(`${path}.discoverFrom[${at}]`, url, 'no address of a PAC file', 'http://host/file, or auto')
  })
  if (discoverFrom.length > 0 && (proxies.length > 0 || kept !== undefined)) {
    violations.add(
      `${path}.discoverFrom`,
      discoverFrom,
      'cannot be combined with proxies or squid',
      'discoverFrom alone, or proxies and squid without it',
    )
  }
}

function isHttp(url: string): boolean {
  return /^https?:\/\/[^\s'"@]+$/.test(url) && URL.canParse(url)
}

/** `placed`: where a file lies that is named. */
export function compileContext(
  { agents: one, ssh, sites, vos, images }: RawContext,
  placed: (file: string) => string,
): ContextConfig {
  const extrasOf = ({ packages, files, commands }: Extras): ExtrasConfig => ({
    packages,
    files: files.map((file) => ({ ...file, from: placed(file.from) })),
    commands,
  })
  return {
    agents: {
      host: one.host,
      port: one.port,
      advertise: one.advertise.map((url) => url.replace(/\/+$/, '')),
      nodes: compileNode(one.node, placed),
    },
    sites: new Map(
      sites.map(({ name: siteName, proxies, fallbackProxies, discoverFrom, direct, squid: kept }) => [
        siteName,
        { proxies, fallbackProxies, discoverFrom, isDirectAllowed: direct, squidClients: kept?.clients },
      ]),
    ),
    ssh: ssh && compileDelivery(ssh, placed),
    services: compileSquids(sites),
    vos: new Map(vos.map((vo) => [vo.name, { ...extrasOf(vo), repositories: vo.cvmfs }])),
    images: new Map(
      images.map((image) => [
        image.name,
        {
          ...extrasOf(image),
          cacheBytes: image.cvmfsCache,
          parameters: Object.fromEntries(image.cvmfsParameters.map((each) => [each.name, each.value])),
          cloudConfigFile: image.cloudConfig === undefined ? undefined : placed(image.cloudConfig),
          isDelivered: image.method === 'ssh',
        },
      ]),
    ),
  }
}
