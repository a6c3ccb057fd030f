/**
 * What quotas let us have: those of the user and of its group, less what they count of others. Pure.
 *
 * Planned for are VMs, cores and memory, also of running VMs alone. Limits on anything else are named to the operator: the
 * disk of all VMs (SYSTEM_DISK_SIZE), addresses of a network (LEASES), VMs of an image (RVMS), a datastore, and those of
 * single clusters, since the cluster of a VM is unknown before it is placed. The cloud refuses what is beyond them, or lets
 * it wait.
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

/** The limits that the plan does not know, as OpenNebula names them: for the log. */
export function unplannedLimits(accounts: readonly Node[]): readonly string[] {
  return [...new Set(accounts.flatMap(unplannedOf))]
}

function unplannedOf(account: Node): readonly string[] {
  const limitText = (name: string, limit: number): readonly string[] => (isLimit(limit) ? [`${name} ${limit}`] : [])
  const ofClusters = listOf(childOf(account, 'VM_QUOTA'), 'VM').flatMap((entry) => {
    const clusters = textOf(entry, 'CLUSTER_IDS')
    const names = clusters === '' || typeof entry === 'string' ? [] : Object.keys(entry)
    return names.flatMap((name) =>
      name === 'CLUSTER_IDS' || name.endsWith('_USED')
        ? []
        : limitText(`${name} in clusters ${clusters}`, numberOf(entry, name)),
    )
  })
  const ofThings = things.flatMap(({ quota, element, names }) =>
    [childOf(account, quota), childOf(defaultsOf(account), quota)].flatMap((all) =>
      listOf(all, element).flatMap((entry) =>
        names.flatMap((name) => limitText(`${name} of ${element} ${textOf(entry, 'ID')}`, numberOf(entry, name))),
      ),
    ),
  )
  return [...limitText('SYSTEM_DISK_SIZE', limitOf(account, 'SYSTEM_DISK_SIZE')), ...ofClusters, ...ofThings]
}

const things = [
  { quota: 'NETWORK_QUOTA', element: 'NETWORK', names: ['LEASES'] },
  { quota: 'IMAGE_QUOTA', element: 'IMAGE', names: ['RVMS'] },
  { quota: 'DATASTORE_QUOTA', element: 'DATASTORE', names: ['SIZE', 'IMAGES'] },
] as const

function isLimit(limit: number): boolean {
  return limit >= 0
}

/** Negative or `NaN`: none. */
function limitOf(account: Node, name: string): number {
  const set = numberOf(entryIn(childOf(account, 'VM_QUOTA')), name)
  const isDefault = Number.isNaN(set) || set === -1
  return isDefault ? numberOf(entryIn(childOf(defaultsOf(account), 'VM_QUOTA')), name) : set
}

function share(account: Node, name: string, own: number): number {
  const limit = limitOf(account, name)
  if (!isLimit(limit)) return Infinity
  const entry = entryIn(childOf(account, 'VM_QUOTA'))
  const used = numberOf(entry, `${name}_USED`)
  const others = Math.max(0, (Number.isNaN(used) ? 0 : used) - own)
  return Math.max(0, limit - others)
}

function defaultsOf(account: Node): Node | undefined {
  return childOf(account, 'DEFAULT_USER_QUOTAS') ?? childOf(account, 'DEFAULT_GROUP_QUOTAS')
}

/** Of the whole cloud: version 7 also has entries of single clusters. */
function entryIn(quotas: Node | undefined): Node | undefined {
  return listOf(quotas, 'VM').find((entry) => textOf(entry, 'CLUSTER_IDS') === '')
}
