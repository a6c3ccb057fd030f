/**
 * OpenStack behind the cloud port: Nova's servers, with Neutron's ports and addresses where they are ours to make.
 *
 * Nova knows no token of the client by which a second create would be the first one's, so a machine is looked for by its tag
 * before it is made and after an answer that did not come, and one process makes one call for one id at a time. Two machines
 * for one id remain possible, and then both are told. Everything that is made bears our mark; what does not is never touched.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { consoleBytes } from '../../../../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../../../../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../../../../core/model/cloud.ts'
import { openHttp } from '../kit/http.ts'
import { type Children, networkChildren } from './children.ts'
import { type Compute, computeApi, type Server, tagsSince } from './compute.ts'
import { deadline, type Deadline, shortened } from './deadline.ts'
import { type Finder, finder } from './find.ts'
import { hasChildren, installationTag, leftVm, markedVm, vmTag } from './marks.ts'
import type { OpenStackOptions } from './options.ts'
import { encodedUserData, serverBody } from './order.ts'
import { quotaOf } from './quota.ts'
import { memory } from './remember.ts'
import { asCloudVm, isUnread } from './servers.ts'
import { openSession } from './session.ts'
import { type Faults, faultMemory } from './faults.ts'

/** Closed where it is not used to the end of the process. */
export type OpenStackCloud = Cloud & { close(): Promise<void> }

/** After a create without an answer: to see whether it made something. */
const lookAgainMs = 5000
const pageSizeUsual = 500

type Parts = {
  readonly options: OpenStackOptions
  readonly compute: Compute
  readonly children: Children
  readonly find: Finder
  readonly faults: Faults
}

export function openStackCloud(options: OpenStackOptions): OpenStackCloud {
  const { name, access, clock, references, installation } = options
  const http = openHttp({ caPem: access.caPem })
  const session = openSession(http, access, clock)
  const known = memory(clock)
  const compute = computeApi(session, known, options.microversionMost, options.pageSize ?? pageSizeUsual)
  const find = finder({ session, compute, memory: known, references })
  const children = networkChildren(session, installation)
  const parts = { options, compute, children, find, faults: faultMemory(compute) }
  const creating = new Map<VmId, Promise<{ readonly ref: string }>>()

  async function call<T>(doing: string, run: (until: Deadline) => Promise<T>): Promise<T> {
    try {
      return await run(deadline(clock))
    } catch (cause) {
      const { code, message, retryAfterMs } = asOurs(cause)
      throw new PilotageError(code, `${doing} on ${name}: ${message}`, { cause, retryAfterMs })
    }
  }

  async function create(order: VmOrder): Promise<{ readonly ref: string }> {
    const { vmId } = order
    const begun =
      creating.get(vmId) ??
      call(`creating ${vmId}`, (until) => createOne(parts, order, until)).finally(() => creating.delete(vmId))
    creating.set(vmId, begun)
    return begun
  }

  async function list(until: Deadline): Promise<readonly CloudVm[]> {
    const before = new Set(creating.keys())
    // Before the servers: what has none afterwards had none when it was read.
    const left = makesChildren(options) ? await children.left(until) : []
    const servers = await ours(parts, until)
    const reasons = await parts.faults.of(
      servers.map(({ server }) => server),
      until,
    )
    const told = servers.map(({ server, vmId }) => asCloudVm(server, vmId, reasons.get(server.id)))
    const withServer = new Set(told.map(({ vmId }) => vmId))
    const isOver = ({ vmId }: CloudVm): boolean => !withServer.has(vmId) && !before.has(vmId) && !creating.has(vmId)
    return [...told, ...left.filter(isOver)]
  }

  return {
    name,
    create,
    list: () => call('listing', list),
    destroy: (ref) => call(`destroying ${ref}`, (until) => destroy(parts, ref, until)),
    consoleLog: (ref) => call(`reading the console of ${ref}`, async (until) => endOf(await compute.console(ref, until))),
    quota: () => call('asking for the quota', (until) => quota(parts, until)),
    close: () => http.close(),
  }
}

/** What has no code is a mistake in reading an answer: of what the cloud did nothing is known. */
function asOurs(thrown: unknown): PilotageError {
  if (thrown instanceof PilotageError) return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new PilotageError('cloud-transient', `its answer could not be read: ${reason}`)
}

function makesChildren({ machines }: OpenStackOptions): boolean {
  return machines.ownPorts || machines.floatingNetwork !== undefined
}

async function createOne(parts: Parts, order: VmOrder, until: Deadline): Promise<{ readonly ref: string }> {
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
  try {
    const portIds = ownPorts ? await children.make(await childrenOrder(parts, vmId, networkIds, until), until) : []
    const found = { flavorId: flavor.id, imageId, serverGroupId, networkIds, portIds }
    const body = serverBody(order, userData, found, machines, installation, version)
    return {
      ref: await compute.create(
        body,
        userData === '' ? [] : [userData],
        shortened(until, clock, lookAgainMs, 'creating a server'),
      ),
    }
  } catch (thrown) {
    const error = asOurs(thrown)
    if (error.code === 'cloud-transient') {
      const made = await existing(parts, vmId, until).catch(() => undefined)
      if (made) return { ref: made }
    } else {
      // Something that we remember may not be there any more.
      find.forget()
      if (ownPorts) await removeQuietly(parts, vmId, until)
    }
    throw error
  }
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

/** Nothing was made: what was to go with it goes. Whatever stays is told by a later list. */
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

async function ours(parts: Parts, until: Deadline): Promise<readonly Marked[]> {
  const [servers] = await Promise.all([marked(parts, [], until), parts.compute.proveWhole(until)])
  return servers
}

type Marked = { readonly server: Server; readonly vmId: VmId }

/** `more`: tags besides the installation's. A Nova without tags at create is read whole. */
async function marked({ compute, options }: Parts, more: readonly string[], until: Deadline): Promise<readonly Marked[]> {
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

async function destroy({ compute, children, options }: Parts, ref: string, until: Deadline): Promise<'gone' | 'going'> {
  const left = leftVm(ref)
  if (left) {
    await children.remove(left, until, true)
    return 'gone'
  }
  const server = await compute.server(ref, until)
  if (!server) return 'gone'
  if (isUnread(server)) throw new PilotageError('cloud-transient', 'Nova cannot read it now')
  const vmId = markedVm(server.metadata, options.installation)
  if (!vmId) throw new PilotageError('cloud-refused', `server ${ref} does not bear our mark: it is not ours to destroy`)
  // Before the server: while it is there, it is known what has to go with it.
  if (hasChildren(server.metadata) || makesChildren(options)) await children.remove(vmId, until, false)
  const answer = await compute.remove(ref, until, server.status === 'SOFT_DELETED')
  return answer === 'absent' ? 'gone' : 'going'
}

async function quota(parts: Parts, until: Deadline): Promise<CloudQuota> {
  const [absolute, servers] = await Promise.all([parts.compute.limits(until), ours(parts, until)])
  const own = servers.map(({ server }) => server)
  const needsFlavors = own.some(({ flavor }) => flavor?.vcpus === undefined)
  return quotaOf(absolute, own, needsFlavors ? await parts.compute.flavors(until) : [])
}

function endOf(text: string): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= consoleBytes) return text
  let from = bytes.length - consoleBytes
  // Not in the middle of a letter.
  while (((bytes[from] ?? 0) & 0xc0) === 0x80) from += 1
  return bytes.subarray(from).toString()
}
