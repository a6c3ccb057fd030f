/**
 * What a VM is given at its start, and where its agents find each other. Contextualization renders it, the agents read it.
 *
 * The file is written on the VM with mode 0600 and holds the one secret that user data may carry: the activation key, single
 * use, good for minutes. All paths below are relative to the VM's root, which is `/` on a real machine and a directory on
 * the local cloud (the variable PILOTAGE_ROOT, empty on a real machine, is put before them).
 */

import type { Resources } from './resources.ts'
import type { Traits } from './traits.ts'
import type { VmId } from '../kernel/ids.ts'

export type AgentConfig = {
  readonly vmId: VmId
  /** host:port of the service's gRPC edge; several with commas between, of which any serves. */
  readonly endpoint: string
  /** The certificate authority of the endpoints; absent: plain, on loopback only unless `plaintext` says otherwise. */
  readonly caPem?: string
  /** The operator takes the network for private: plain connections leave the VM, and the credential with them. */
  readonly plaintext?: boolean
  readonly activationKey: string
  readonly cloud: string
  readonly site: string
  readonly platform: string
  /** As promised by the offering. */
  readonly size: Resources
  /** Beside the size, as promised; absent: nothing is promised. */
  readonly traits?: Traits
  /**
   * machine: offer the smaller of the promise and what is really there. context: the promise (the local cloud, where many
   * VMs share one machine).
   */
  readonly sizeFrom: 'machine' | 'context'
  readonly policy: {
    /** Idle (no payload, nothing assigned) for this time: ask to stop. */
    readonly idleMs: number
    /** Not before the VM is this old, however idle. */
    readonly leastLifeMs: number
    /** It must be over by then, running payloads or not (milliseconds since 1970). */
    readonly endByMs: number
    /** Without its service for this time: stop without asking. */
    readonly deadManMs: number
    readonly leastDiskFreeBytes: number
  }
  /** Accounts for payloads, each its own; absent: they run as the pilot does (the local cloud). */
  readonly payloadAccounts?: PayloadAccounts
  /** How payloads are isolated; absent: as well as the machine can, with nothing of the operator's shown or hidden. */
  readonly isolation?: IsolationConfig
  /** What this VM is for, instead of jobs: it has no pilot, its monitor looks after the service and never finds it idle. */
  readonly service?: { readonly kind: 'squid'; readonly port: number }
  /** Where this VM finds the notice of a spot interruption; absent: its cloud gives no such notice. */
  readonly interruption?: { readonly kind: 'ec2'; readonly metadataUrl: string }
  /** How this VM is switched off; empty: by the end of the monitor's process (the local cloud). */
  readonly powerOff: readonly string[]
}

/** What differs from VM to VM of one cloud, beside the offering. */
export type VmIdentity = Pick<AgentConfig, 'vmId' | 'activationKey'> & Pick<AgentConfig['policy'], 'endByMs'>

/** As Node names what it is made for. */
export type NodePlatform = 'linux-x64' | 'linux-arm64'

/** Best first; agents/pilot/isolation says what each is. */
export const isolationKinds = ['namespaces', 'accounts', 'plain'] as const
export type IsolationKind = (typeof isolationKinds)[number]
/** auto: the best kind that the machine offers. */
export const isolationChoices = ['auto', ...isolationKinds] as const
export type IsolationChoice = (typeof isolationChoices)[number]

export type IsolationConfig = {
  readonly choice: IsolationChoice
  /** Absolute paths of folders and files that payloads see read-only, beside the system's. */
  readonly binds: readonly string[]
  /** Absolute paths that payloads never see: the service's data on the local cloud. */
  readonly hidden: readonly string[]
}

/** A range of user ids, each with a group of the same number. */
export type PayloadAccounts = { readonly firstUid: number; readonly count: number }

export const agentPaths = {
  /** AgentConfig, 0600. */
  config: '/etc/pilotage/agent.json',
  /** The VM's credential, 0600: written by the monitor after activation, read by the pilot. */
  credential: '/run/pilotage/credential',
  /** PilotStatus: written by the pilot, read by the monitor. Replaced whole. */
  pilotStatus: '/run/pilotage/pilot.json',
  /** The pilot's journal and payload directories. */
  work: '/var/lib/pilotage',
} as const

/** On a machine that its owner only lends: all of ours beside the above. */
export const hostPaths = {
  /** Root's alone. */
  base: '/var/lib/pilotage-host',
  /**
   * A script that removes whatever the context has put there; 0 where nothing is left. The context brings it before anything
   * else.
   */
  release: '/var/lib/pilotage-host/release',
} as const

/** How the pilot reports to the monitor what it does, at least every `pilotStatusEveryMs`. */
export type PilotStatus = {
  readonly pid: number
  readonly atMs: number
  readonly state: 'starting' | 'idle' | 'busy' | 'draining'
  readonly payloads: number
  /** For how long nothing was running or assigned, by the pilot's monotonic clock, when it wrote this. */
  readonly idleMs: number
  /** How payloads are isolated, as people read it: `namespaces (bubblewrap 0.8.0)`. */
  readonly isolation?: string
  /** Why this VM is of no use for jobs, as a heartbeat says it; absent: it is of use. */
  readonly unhealthy?: string
  /** What the pilot has for payloads: the smaller of what was promised and what it measured. */
  readonly size?: Resources
}

export const pilotStatusEveryMs = 2000
