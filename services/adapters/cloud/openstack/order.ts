/** From an order to the body of Nova's create request. Pure; refuses what Nova would never take. */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import { type Microversion, tagsSince } from './compute.ts'
import { installationTag, metadataOf, vmTag } from './marks.ts'
import type { Machines } from './options.ts'
import { userDataLimit } from './user-data.ts'

/** All by this cloud's ids. */
export type Found = {
  readonly flavorId: string
  readonly imageId: string
  readonly serverGroupId?: string
  /** Nova makes the ports on these. */
  readonly networkIds: readonly string[]
  /** Ours; then the order names no networks. */
  readonly portIds: readonly string[]
}

const gib = 1024 ** 3
const autoNetworkSince: Microversion = 37
const volumeTypeSince: Microversion = 67

export function encodedUserData(order: VmOrder): string {
  const encoded = Buffer.from(order.userData).toString('base64')
  if (encoded.length <= userDataLimit.maxBytes) return encoded
  const why = `${order.vmId}: its user data have ${encoded.length} bytes in base64, and OpenStack takes ${userDataLimit.maxBytes}`
  throw new PilotageError('cloud-refused', why)
}

export function serverBody(
  order: VmOrder,
  userData: string,
  found: Found,
  machines: Machines,
  installation: string,
  version: Microversion,
): object {
  const { vmId } = order
  const { keyPair, availabilityZone, configDrive, tags } = machines
  const server: Record<string, unknown> = {
    name: vmId,
    flavorRef: found.flavorId,
    ...(userData === '' ? {} : { user_data: userData }),
    metadata: { ...machines.metadata, ...metadataOf(installation, vmId, found.portIds.length > 0) },
    ...diskOf(order, found, machines, version),
    ...networksOf(found, machines, version),
  }
  if (keyPair !== undefined) server.key_name = keyPair
  if (availabilityZone !== undefined) server.availability_zone = availabilityZone
  if (configDrive) server.config_drive = true
  if (version >= tagsSince) server.tags = [...tags, installationTag(installation), vmTag(vmId)]
  if (found.serverGroupId === undefined) return { server }
  return { server, 'os:scheduler_hints': { group: found.serverGroupId } }
}

function diskOf({ shape }: VmOrder, { imageId }: Found, { bootFrom, volumeType }: Machines, version: Microversion): object {
  if (bootFrom === 'image') return { imageRef: imageId }
  const volume: Record<string, unknown> = {
    boot_index: 0,
    uuid: imageId,
    source_type: 'image',
    destination_type: 'volume',
    volume_size: Math.ceil(shape.diskBytes / gib),
    // Nova made it for this server, and it is Nova that removes it.
    delete_on_termination: true,
  }
  if (volumeType !== undefined && version < volumeTypeSince) {
    const why = `a type of volume can be ordered from Nova 2.${volumeTypeSince} on, and this one speaks 2.${version}`
    throw new PilotageError('cloud-refused', why)
  }
  if (volumeType !== undefined) volume.volume_type = volumeType
  return { block_device_mapping_v2: [volume] }
}

function networksOf({ networkIds, portIds }: Found, { securityGroups }: Machines, version: Microversion): object {
  // A port that is given has its groups already.
  if (portIds.length > 0) return { networks: portIds.map((port) => ({ port })) }
  const groups = securityGroups.length > 0 ? { security_groups: securityGroups.map((name) => ({ name })) } : {}
  if (networkIds.length > 0) return { networks: networkIds.map((uuid) => ({ uuid })), ...groups }
  return version >= autoNetworkSince ? { networks: 'auto', ...groups } : groups
}
