/** From the configuration to what contexts are made from, for the director and for previews alike. */

import type { Config } from '../config/document.ts'
import type { AgentFiles, ContextSources } from '../context/sources.ts'
import { delivery } from './drivers.ts'

export type GivenSources = {
  readonly config: Config
  readonly agents: AgentFiles
  readonly texts: ReadonlyMap<string, string>
  readonly caPem: string | undefined
  readonly dataDir: string
  /** host:port of the service, several with commas between. */
  readonly endpoint: string
  /** Where the agents are served, as http://host:port. */
  readonly bases: readonly string[]
}

export function contextSources({ config, agents, texts, caPem, dataDir, endpoint, bases }: GivenSources): ContextSources {
  const { idleTimeoutMs, minLifetimeMs, contactTimeoutMs } = config.vm
  return {
    clouds: new Map(config.clouds.map((cloud) => [cloud.name, cloud])),
    rules: config.context,
    agents,
    texts,
    bases,
    settings: {
      endpoint,
      caPem,
      plaintext: config.grpc.plaintext,
      policy: { idleMs: idleTimeoutMs, leastLifeMs: minLifetimeMs, deadManMs: contactTimeoutMs },
      dataDir,
    },
    deliveryLimit: delivery.userData,
  }
}

/** The proxies that the configuration names; undefined: it has no such site. */
export function configuredProxies({ context, clouds }: Config, site: string): readonly string[] | undefined {
  const proxies = context.sites.get(site)?.proxies
  return proxies ?? (clouds.some((cloud) => cloud.site === site) ? [] : undefined)
}
