/**
 * What a real machine gets at its first boot, before it has the form of a document: files and one script. The same for every
 * cloud and every way to get it there. Types only.
 */

import type { AgentConfig, NodePlatform } from '../core/model/agent-config.ts'

/** A program that the machine gets over HTTP and believes by its digest. */
export type Fetched = {
  /** Any of them serves. */
  readonly urls: readonly string[]
  readonly sha256: string
}

/** Node for one kind of machine. */
export type NodeProgram = Fetched & { readonly platform: NodePlatform }

export type ExtraFile = { readonly path: string; readonly permissions: string; readonly content: string }

/** What an operator adds for an image or a VO. */
export type Extras = {
  readonly packages: readonly string[]
  readonly files: readonly ExtraFile[]
  /** Lines of shell, each of which must succeed. */
  readonly commands: readonly string[]
}

export type Cvmfs = {
  /** Fully qualified, as `lhcb.cern.ch`. */
  readonly repositories: readonly string[]
  readonly cacheBytes: number
  /** More of the client's own parameters. */
  readonly parameters: Readonly<Record<string, string>>
}

export type MachineOrder = {
  readonly config: AgentConfig
  readonly pilot: Fetched
  readonly monitor: Fetched
  /** For images without a Node that is new enough; absent: the image must have one. */
  readonly nodes?: readonly NodeProgram[]
  /** The site's, as http://host:port, nearest first. The machine uses any that answers. */
  readonly proxies: readonly string[]
  /** For when all of them are unreachable. */
  readonly fallbackProxies?: readonly string[]
  /** PAC files (or `auto`) by which CVMFS finds proxies by itself; its configuration then names only the fallbacks. */
  readonly discoverFrom?: readonly string[]
  /** Where the machine asks, for as long as it lives, which proxies the site has now; any of them serves. Empty: nowhere. */
  readonly proxiesUrls: readonly string[]
  /** Whether the machine may go past the proxies where none answers. */
  readonly isDirectAllowed: boolean
  /** The machine belongs to another operator: it is never switched off, and all that we put there is removed again. */
  readonly isLent?: boolean
  readonly cvmfs?: Cvmfs
  readonly extras: Extras
}

/** A machine that keeps what a site's workers fetch: squid and the monitor, no pilot. */
export type SquidOrder = {
  /** With `service`: what the monitor looks after, and on which port. */
  readonly config: AgentConfig & { readonly service: { readonly kind: 'squid'; readonly port: number } }
  readonly monitor: Fetched
  readonly nodes?: readonly NodeProgram[]
  /** Networks that it serves, as 10.0.0.0/8; absent: the private ones. */
  readonly clients?: readonly string[]
  readonly extras: Extras
}

/** `script` is what runs, as root and once, when the files are there. */
export type MachineContext = {
  readonly files: readonly ExtraFile[]
  readonly script: string
  /** Lines of shell for before they are there, where a script brings them; each must succeed. */
  readonly before?: readonly string[]
}
