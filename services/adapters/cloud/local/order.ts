/**
 * Whether an order can be had: the checks that a cloud makes before it starts anything. Pure; the refusals are the port's.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import { isVmId } from '../../../../core/kernel/ids.ts'
import type { CloudQuota } from '../../../../core/model/cloud.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Machine } from './machine.ts'

/** Names that may be ordered; all where absent. */
export type Catalogue = { readonly flavors?: readonly string[]; readonly images?: readonly string[] }

/** Throws `cloud-refused`. */
export function refuseUnknown({ flavors, images }: Catalogue, { vmId, shape }: VmOrder): void {
  const refuse = (why: string): never => {
    throw new PilotageError('cloud-refused', `creating ${vmId}: ${why}`)
  }
  if (!isVmId(vmId)) refuse('this is no VM id')
  if (flavors && !flavors.includes(shape.flavor)) refuse(`there is no flavor ${shape.flavor}`)
  if (images && !images.includes(shape.image)) refuse(`there is no image ${shape.image}`)
}

/** Throws `cloud-quota`. */
export function refuseOver(quota: CloudQuota, machines: readonly Machine[], { vmId, shape }: VmOrder): void {
  const free = quotaLeft(quota, machines)
  const short = [
    ...(free.vms < 1 ? ['no VM'] : []),
    ...(free.cores < shape.cores ? [`${free.cores} cores`] : []),
    ...(free.memoryBytes < shape.memoryBytes ? [`${free.memoryBytes} bytes of memory`] : []),
  ]
  if (short.length === 0) return
  throw new PilotageError('cloud-quota', `creating ${vmId}: the quota has ${short.join(' and ')} left`)
}

/** What a quota leaves beside these. Every VM counts until it is gone, running or not. */
export function quotaLeft(quota: CloudQuota, machines: readonly Machine[]): CloudQuota {
  const sum = (of: (one: Machine) => number): number => machines.reduce((total, one) => total + of(one), 0)
  return {
    vms: Math.max(0, quota.vms - machines.length),
    cores: Math.max(0, quota.cores - sum(({ record }) => record?.shape.cores ?? 0)),
    memoryBytes: Math.max(0, quota.memoryBytes - sum(({ record }) => record?.shape.memoryBytes ?? 0)),
  }
}
