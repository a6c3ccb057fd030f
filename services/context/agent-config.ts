/**
 * The configuration of the agents of one VM: the only place that builds an `AgentConfig`, for VMs, previews and the
 * simulation.
 *
 * Knows the cloud by its traits and never by its kind.
 */

import { resourcesOf } from '../../core/model/resources.ts'
import { accountsFor } from '../../contextualization/bootstrap.ts'
import type { AgentConfig, IsolationConfig, VmIdentity } from '../../core/model/agent-config.ts'
import type { CloudTraits, Offering } from '../../core/model/cloud.ts'
import type { Reference } from '../../core/model/reference.ts'
import { squidPort } from '../../core/kernel/limits.ts'

export type ContextCloud = {
  readonly traits: Pick<CloudTraits, 'isOnThisMachine' | 'isLent' | 'userData' | 'interruption'>
  readonly references: { readonly flavors: ReadonlyMap<string, Reference> }
  readonly isolation: Pick<IsolationConfig, 'choice' | 'binds'>
}

export type AgentSettings = {
  /** host:port of the service, several with commas between. */
  readonly endpoint: string
  /** The authority that agents trust; absent: they connect in plain. */
  readonly caPem?: string
  /** The operator says that the network is private, so that plain connections may leave the VM. */
  readonly plaintext: boolean
  readonly policy: Pick<AgentConfig['policy'], 'idleMs' | 'leastLifeMs' | 'deadManMs'>
  /** Of the service: payloads on this machine never see it. */
  readonly dataDir: string
}

const diskReserveBytes = 256 * 1024 * 1024

export function agentConfig(
  { vmId, activationKey, endByMs }: VmIdentity,
  offering: Offering,
  { traits, references, isolation }: ContextCloud,
  { endpoint, caPem, plaintext, policy, dataDir }: AgentSettings,
): AgentConfig {
  const { cloud, site, platform, flavor, service, cores } = offering
  const { isOnThisMachine } = traits
  return {
    vmId,
    endpoint,
    // With an authority nothing is plain.
    caPem,
    plaintext: caPem === undefined && plaintext ? true : undefined,
    activationKey,
    cloud,
    site,
    platform,
    size: resourcesOf(offering),
    traits: offering.traits,
    // Many VMs share this machine: each offers what it was promised.
    sizeFrom: isOnThisMachine ? 'context' : 'machine',
    policy: { ...policy, endByMs, leastDiskFreeBytes: diskReserveBytes },
    payloadAccounts: isOnThisMachine || service !== undefined ? undefined : accountsFor(cores),
    isolation: { ...isolation, hidden: isOnThisMachine ? [dataDir] : [] },
    service: service === undefined ? undefined : { kind: service, port: squidPort },
    interruption: traits.interruption?.(references.flavors.get(flavor)),
    // A VM ends with its monitor: with the process on this machine, with the service unit on a machine of its own.
    powerOff: [],
  }
}
