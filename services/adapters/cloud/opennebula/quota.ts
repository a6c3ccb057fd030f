/**
 * What quotas let us have: those of the user and of its group, less what they count of others. Pure.
 *
 * A limit of -1 means the default of all users or groups, -2 none; where nothing was ever used or set there is no entry at
 * all. OpenNebula's own counting drifts (OpenNebula/one#5867, #6355, #7922): where it counts less than we have, others have
 * nothing.
 */

import type { CloudQuota } from '../../../../core/model/cloud.ts'
import { childOf, listOf, type Node, numberOf, textOf } from './xml.ts'

/** What our own VMs use, from our own list. */
export type Used = { readonly vms: number; readonly cpu: number; readonly memoryMb: number }

const mib = 1024 * 1024

/** `accounts`: a USER, and perhaps a GROUP. */
export function quotaFrom(accounts: readonly Node[], ours: Used, cpuPerCore: number): CloudQuota {
  const leftOf = (names: readonly string[], own: number): number =>
    Math.min(...accounts.flatMap((account) => names.map((name) => share(account, name, own))))
  return {
    vms: leftOf(['VMS', 'RUNNING_VMS'], ours.vms),
    // A share is a sum of hundredths: what is missing by rounding alone is there.
    cores: Math.floor(leftOf(['CPU', 'RUNNING_CPU'], ours.cpu) / cpuPerCore + 1e-6),
    memoryBytes: Math.floor(leftOf(['MEMORY', 'RUNNING_MEMORY'], ours.memoryMb)) * mib,
  }
}

function share(account: Node, name: string, own: number): number {
  const entry = entryIn(childOf(account, 'VM_QUOTA'))
  const set = numberOf(entry, name)
  const isDefault = Number.isNaN(set) || set === -1
  const limit = isDefault ? numberOf(entryIn(defaultsIn(account)), name) : set
  if (Number.isNaN(limit) || limit < 0) return Infinity
  const used = numberOf(entry, `${name}_USED`)
  const others = Math.max(0, (Number.isNaN(used) ? 0 : used) - own)
  return Math.max(0, limit - others)
}

function defaultsIn(account: Node): Node | undefined {
  const defaults = childOf(account, 'DEFAULT_USER_QUOTAS') ?? childOf(account, 'DEFAULT_GROUP_QUOTAS')
  return childOf(defaults, 'VM_QUOTA')
}

/** Version 7 also has quotas per cluster. They are ignored, since the cluster of a VM is unknown before it is placed. */
function entryIn(quotas: Node | undefined): Node | undefined {
  return listOf(quotas, 'VM').find((entry) => textOf(entry, 'CLUSTER_IDS') === '')
}
