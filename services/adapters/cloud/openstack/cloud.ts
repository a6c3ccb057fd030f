/**
 * OpenStack behind the cloud port: Nova's servers, with Neutron's ports and addresses where they are ours to make.
 *
 * Nova knows no token of the client by which a second create would be the first one's, so a machine is looked for by its tag
 * before it is made and after an answer that did not come, and one process makes one call for one id at a time. Two machines
 * for one id remain possible, and then both are listed. Everything that is made bears our mark; what does not is never
 * touched.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Cloud } from '../../../../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../../../../core/model/cloud.ts'
import { consoleTail } from '../kit/console-tail.ts'
import { createOnce } from '../kit/create-once.ts'
import { deadline, type Deadline } from '../kit/deadline.ts'
import { openHttp } from '../kit/http.ts'
import { lookUpCache } from '../kit/look-up-cache.ts'
import { networkChildren } from './children.ts'
import { computeApi } from './compute.ts'
import { asOurs, createServer, makesChildren, type Marked, marked, type Parts } from './create.ts'
import { faultMemory } from './faults.ts'
import { finder } from './look-up.ts'
import { hasChildren, leftVm, markedVm } from './marks.ts'
import type { OpenStackOptions } from './options.ts'
import { quotaOf } from './quota.ts'
import { asCloudVm, isUnread } from './servers.ts'
import { openSession } from './session.ts'

/** Closed where it is not used to the end of the process. */
export type OpenStackCloud = Cloud & { close(): Promise<void> }

const pageSizeUsual = 500

export function openStackCloud(options: OpenStackOptions): OpenStackCloud {
  const { name, access, clock, references, installation } = options
  const http = openHttp({ caPem: access.caPem })
  const session = openSession(http, access, clock)
  const known = lookUpCache(clock)
  const compute = computeApi(session, known, options.maxMicroversion, options.pageSize ?? pageSizeUsual)
  const find = finder({ session, compute, memory: known, references })
  const children = networkChildren(session, installation)
  const parts = { options, compute, children, find, faults: faultMemory(compute) }
  const creating = createOnce<{ readonly ref: string }>()

  async function call<T>(doing: string, run: (until: Deadline) => Promise<T>): Promise<T> {
    try {
      return await run(deadline(clock))
    } catch (cause) {
      const { code, message, retryAfterMs } = asOurs(cause)
      throw new PilotageError(code, `${doing} on ${name}: ${message}`, { cause, retryAfterMs })
    }
  }

  async function list(until: Deadline): Promise<readonly CloudVm[]> {
    const before = new Set(creating.running())
    // Before the servers: what has none afterwards had none when it was read.
    const left = makesChildren(options) ? await children.left(until) : []
    const servers = await ours(parts, until)
    const reasons = await parts.faults.of(
      servers.map(({ server }) => server),
      until,
    )
    const vms = servers.map(({ server, vmId }) => asCloudVm(server, vmId, reasons.get(server.id)))
    const withServer = new Set(vms.map(({ vmId }) => vmId))
    const isOver = ({ vmId }: CloudVm): boolean => !withServer.has(vmId) && !before.has(vmId) && !creating.isRunning(vmId)
    return [...vms, ...left.filter(isOver)]
  }

  return {
    name,
    create: (order) =>
      creating.run(order.vmId, () => call(`creating ${order.vmId}`, (until) => createServer(parts, order, until))),
    list: () => call('listing', list),
    destroy: (ref) => call(`destroying ${ref}`, (until) => destroy(parts, ref, until)),
    consoleLog: (ref) =>
      call(`reading the console of ${ref}`, async (until) => consoleTail(await compute.console(ref, until))),
    quota: () => call('asking for the quota', (until) => quota(parts, until)),
    close: () => http.close(),
  }
}

async function ours(parts: Parts, until: Deadline): Promise<readonly Marked[]> {
  const [servers] = await Promise.all([marked(parts, [], until), parts.compute.proveWhole(until)])
  return servers
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
