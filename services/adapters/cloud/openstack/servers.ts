/**
 * A server of Nova as a VM of the cloud port. The one table of Nova's states; pure.
 *
 *   building  BUILD, REBUILD
 *   running   ACTIVE, PASSWORD, REBOOT, HARD_REBOOT, RESIZE, VERIFY_RESIZE, REVERT_RESIZE, MIGRATING
 *   stopped   SHUTOFF, SUSPENDED, PAUSED, SHELVED, SHELVED_OFFLOADED, RESCUE
 *   ending    DELETED, SOFT_DELETED, and whatever has the task `deleting`
 *   error     ERROR
 *
 * UNKNOWN is the state of a server that Nova cannot read: nothing is known of it then.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { Server, ServerAddress } from './compute.ts'
import { bounded, faultFailure } from './errors.ts'

const powers: Readonly<Record<string, CloudVm['power']>> = {
  BUILD: 'building',
  REBUILD: 'building',
  ACTIVE: 'running',
  PASSWORD: 'running',
  REBOOT: 'running',
  HARD_REBOOT: 'running',
  RESIZE: 'running',
  VERIFY_RESIZE: 'running',
  REVERT_RESIZE: 'running',
  MIGRATING: 'running',
  SHUTOFF: 'stopped',
  SUSPENDED: 'stopped',
  PAUSED: 'stopped',
  SHELVED: 'stopped',
  SHELVED_OFFLOADED: 'stopped',
  RESCUE: 'stopped',
  DELETED: 'ending',
  SOFT_DELETED: 'ending',
  ERROR: 'error',
}

/** `reason`: why it failed, if the server's own body does not say it. */
export function asCloudVm(server: Server, vmId: VmId, reason = 'Nova gives no reason'): CloudVm {
  const { id, created = '', fault } = server
  const power = powerOf(server)
  const detail = power === 'error' ? bounded(fault?.message ?? reason) : taskOf(server, power)
  const failure = power === 'error' ? faultFailure(detail) : undefined
  const known = { ref: id, vmId, power, detail, createdMs: Date.parse(created) || 0, addresses: addressesOf(server) }
  return failure === undefined ? known : { ...known, failure }
}

/** What Nova is doing with it: where a machine stays in that, it is the only hint. */
function taskOf(server: Server, power: CloudVm['power']): string {
  const task = power === 'building' || power === 'ending' ? server['OS-EXT-STS:task_state'] : undefined
  return typeof task === 'string' ? bounded(task) : ''
}

/** Floating addresses last: a client in the server's own network needs none. */
function addressesOf({ addresses = {} }: Server): readonly string[] | undefined {
  const all = Object.values(addresses).flat()
  const isFloating = (one: ServerAddress): boolean => one['OS-EXT-IPS:type'] === 'floating'
  const ordered = [...all.filter((one) => !isFloating(one)), ...all.filter(isFloating)]
  const found = ordered.flatMap(({ addr }) => addr ?? [])
  return found.length > 0 ? found : undefined
}

export function isUnread({ status, metadata }: Server): boolean {
  return status === undefined || status === 'UNKNOWN' || metadata === undefined
}

function powerOf(server: Server): CloudVm['power'] {
  if (server['OS-EXT-STS:task_state'] === 'deleting') return 'ending'
  const power = powers[server.status ?? '']
  if (power) return power
  throw new PilotageError('cloud-transient', `reading server ${server.id}: its status is ${server.status ?? 'missing'}`)
}
