/** What contexts are made from: the operator's rules, the programs of the agents, and where both are served. Types only. */

import type { NodePlatform } from '../../core/model/agent-config.ts'
import type { UserDataLimit } from '../../core/model/cloud.ts'
import type { ServiceWish } from '../../core/plan/fleet.ts'
import type { AgentSettings, ContextCloud } from './agent-config.ts'

export type ProgramFile = { readonly path: string; readonly sha256: string }

export type AgentFiles = {
  readonly pilot: ProgramFile
  readonly monitor: ProgramFile
  readonly nodes?: readonly (ProgramFile & { readonly platform: NodePlatform })[]
}

/** What an operator adds for a VO or an image. `from`: the file whose text it is. */
export type AddedExtras = {
  readonly packages: readonly string[]
  readonly files: readonly { readonly path: string; readonly permissions: string; readonly from: string }[]
  readonly commands: readonly string[]
}

export type SiteContext = {
  readonly proxies: readonly string[]
  readonly fallbackProxies: readonly string[]
  /** Where CVMFS finds out by itself which proxies there are. */
  readonly discoverFrom: readonly string[]
  readonly isDirectAllowed: boolean
  readonly squidClients?: readonly string[]
}

export type ImageContext = AddedExtras & {
  readonly cacheBytes: number
  readonly parameters: Readonly<Record<string, string>>
  readonly cloudConfigFile?: string
  /** It has no cloud-init: its VMs get their context over SSH. */
  readonly isDelivered: boolean
}

export type ContextRules = {
  readonly sites: ReadonlyMap<string, SiteContext>
  readonly services: readonly ServiceWish[]
  readonly vos: ReadonlyMap<string, AddedExtras & { readonly repositories: readonly string[] }>
  readonly images: ReadonlyMap<string, ImageContext>
}

export type ContextSources = {
  readonly clouds: ReadonlyMap<string, ContextCloud>
  readonly rules: ContextRules
  readonly agents: AgentFiles
  /** Of files that the rules name, by their paths. */
  readonly texts: ReadonlyMap<string, string>
  /** Where the agents are served, as http://host:port. */
  readonly bases: readonly string[]
  readonly settings: AgentSettings
  /** Of a context that is delivered over SSH to a VM of any cloud. */
  readonly deliveryLimit: UserDataLimit
}
