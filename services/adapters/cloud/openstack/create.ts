/**
 * From an order to one server. Nova accepts no token of the client by which a second create would be the first one's, so a
 * server is looked for by its tag before it is made and after an answer that did not come. Of several with one id, the
 * oldest counts.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import { createOrFind } from '../kit/create-once.ts'
import { type Deadline, shortened } from '../kit/deadline.ts'
import type { Children } from './children.ts'
import { type Compute, type Server, tagsSince } from './compute.ts'
import type { Faults } from './faults.ts'
import type { Finder } from './look-up.ts'
import { installationTag, markedVm, vmTag } from './marks.ts'
import type { OpenStackOptions } from './options.ts'
import { encodedUserData, serverBody } from './order.ts'
import { isUnread } from './servers.ts'

/** After a create without an answer: to see whether it made something. */
const lookAgainMs = 5000

export type Parts = {
  readonly options: OpenStackOptions
  readonly compute: Compute
  readonly children: Children
  readonly find: Finder
  readonly faults: Faults
}

export async function createServer(parts: Parts, order: VmOrder, until: Deadline): Promise<{ readonly ref: string }> {
  const { options, compute, children, find } = parts
  const { clock, machines, installation } = options
  const { vmId, shape } = order
  const userData = encodedUserData(order)
  const there = await existing(parts, vmId, until)
  if (there) return { ref: there }
  const [flavor, imageId, serverGroupId, networkIds, version] = await Promise.all([
    find.flavor(shape, until),
    find.imageId(order, until),
    machines.serverGroup === undefined ? undefined : find.serverGroupId(machines.serverGroup, until),
    Promise.all(machines.networks.map((network) => find.networkId(network, false, until))),
    compute.version(until),
  ])
  const ownPorts = makesChildren(options)
  const make = async (): Promise<string> => {
    const portIds = ownPorts ? await children.make(await childrenOrder(parts, vmId, networkIds, until), until) : []
    const found = { flavorId: flavor.id, imageId, serverGroupId, networkIds, portIds }
    const body = serverBody(order, userData, found, machines, installation, version)
    const asking = shortened(until, clock, lookAgainMs, 'creating a server')
    return compute.create(body, userData === '' ? [] : [userData], asking)
  }
  try {
    return { ref: await createOrFind(make, () => existing(parts, vmId, until), isUnknown) }
  } catch (thrown) {
    if (!isUnknown(thrown)) {
      // The cloud may no longer have what was looked up.
      find.forget()
      if (ownPorts) await removeQuietly(parts, vmId, until)
    }
    throw asOurs(thrown)
  }
}

function isUnknown(thrown: unknown): boolean {
  return asOurs(thrown).code === 'cloud-transient'
}

async function childrenOrder({ options, find }: Parts, vmId: VmId, networkIds: readonly string[], until: Deadline) {
  const { securityGroups, floatingNetwork } = options.machines
  if (networkIds.length === 0) {
    throw new PilotageError('cloud-refused', 'ports of our own need a network: none is configured')
  }
  return {
    vmId,
    networkIds,
    securityGroupIds: await Promise.all(securityGroups.map((group) => find.securityGroupId(group, until))),
    floatingNetworkId: floatingNetwork === undefined ? undefined : await find.networkId(floatingNetwork, true, until),
  }
}

/** No server was made: its ports and addresses are removed. A later list has those that stay. */
async function removeQuietly({ children, options }: Parts, vmId: VmId, until: Deadline): Promise<void> {
  await children.remove(vmId, until, true).catch((error: unknown) => {
    const { message } = asOurs(error)
    options.log.warn(
      { cloud: options.name, vm: vmId, message },
      'ports or addresses of a refused VM stay until the next list',
    )
  })
}

/** The oldest of those that bear the id, as all who ask must get the same. */
async function existing(parts: Parts, vmId: VmId, until: Deadline): Promise<string | undefined> {
  const found = (await marked(parts, [vmTag(vmId)], until)).filter((one) => one.vmId === vmId)
  const age = ({ created = '', id }: Server): string => `${created} ${id}`
  return found.map(({ server }) => server).toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id
}

export type Marked = { readonly server: Server; readonly vmId: VmId }

/** `more`: tags besides the installation's. A Nova without tags at create is read whole. */
export async function marked(
  { compute, options }: Parts,
  more: readonly string[],
  until: Deadline,
): Promise<readonly Marked[]> {
  const { installation } = options
  const hasTags = (await compute.version(until)) >= tagsSince
  const found = new Map<string, Marked>()
  for await (const server of compute.servers(hasTags ? [installationTag(installation), ...more] : [], until)) {
    if (isUnread(server)) {
      throw new PilotageError('cloud-transient', `server ${server.id} cannot be read: the list would not be whole`)
    }
    const vmId = markedVm(server.metadata, installation)
    // A server that moves between two pages comes twice.
    if (vmId) found.set(server.id, { server, vmId })
  }
  return [...found.values()]
}

/** What has no code is a mistake in reading an answer: of what the cloud did nothing is known. */
export function asOurs(thrown: unknown): PilotageError {
  if (thrown instanceof PilotageError) return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new PilotageError('cloud-transient', `its answer could not be read: ${reason}`)
}

export function makesChildren({ machines }: OpenStackOptions): boolean {
  return machines.ownPorts || machines.floatingNetwork !== undefined
}
