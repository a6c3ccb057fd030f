/**
 * What we make beside a server and what therefore is ours to remove: ports and floating addresses. Each says in its
 * description whose it is; nothing else is ever touched.
 *
 * They are made before their server and removed before it. As long as one exists, the list therefore has either its server
 * or the child itself, as a remainder of a machine that does not exist. A child of a create that still runs is young.
 */

import type { VmId } from '../../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { Deadline } from '../kit/deadline.ts'
import { oddAnswer } from './errors.ts'
import { describedVm, description, leftRef, portName } from './marks.ts'
import { type ApiAnswer, type ApiRequest, listIn, objectIn, type Session } from './session.ts'

export type Port = Child & { readonly network_id?: string; readonly device_id?: string }
type Floating = Child & { readonly port_id?: string | null; readonly floating_network_id?: string }
type Child = { readonly id: string; readonly description?: string; readonly created_at?: string }

export type ChildrenOrder = {
  readonly vmId: VmId
  readonly networkIds: readonly string[]
  readonly securityGroupIds: readonly string[]
  /** The first port gets an address of it. */
  readonly floatingNetworkId?: string
}

export type Children = {
  /** What is there already of an earlier try is used. The ports' ids, in the order of the networks. */
  make(order: ChildrenOrder, until: Deadline): Promise<readonly string[]>
  /** All of one machine. `unusedOnly`: what no server uses. */
  remove(vmId: VmId, until: Deadline, unusedOnly: boolean): Promise<void>
  /** What no server uses, and no create can be about to use. */
  left(until: Deadline): Promise<readonly CloudVm[]>
}

/** A create lasts for seconds; one that a process slept in, for longer. */
const youngMs = 5 * 60_000
const fields = (...names: readonly string[]): string => names.map((name) => `fields=${name}`).join('&')
const portFields = fields('id', 'description', 'created_at', 'network_id', 'device_id')
const floatingFields = fields('id', 'description', 'created_at', 'port_id', 'floating_network_id')

export function networkChildren(session: Session, installation: string): Children {
  const network = networkCalls(session, installation)
  const { ports, floatings, removeOne, isOf, described } = network
  return {
    make: (order, until) => make(network, installation, order, until),
    async remove(vmId, until, unusedOnly) {
      const all = (await ports(described(vmId), until)).ports.filter(isOf(vmId))
      const used = unusedOnly ? idsInUse(all) : []
      // The addresses first: without their port they would still be ours, and paid for.
      for (const { id, port_id } of (await floatings(described(vmId), until)).filter(isOf(vmId))) {
        if (!used.includes(port_id ?? ''))
          await removeOne(`/floatingips/${encodeURIComponent(id)}`, 'a floating address', until)
      }
      for (const { id } of all) if (!used.includes(id)) await removeOne(`/ports/${encodeURIComponent(id)}`, 'a port', until)
    },
    async left(until) {
      const projectId = await session.projectId(until)
      const named = await ports(`name=${encodeURIComponent(portName(installation))}`, until)
      const addresses = await floatings(`project_id=${encodeURIComponent(projectId)}`, until)
      const used = idsInUse(named.ports)
      const unused = [
        ...named.ports.filter(({ id }) => !used.includes(id)),
        ...addresses.filter(({ port_id }) => !used.includes(port_id ?? '')),
      ]
      const old = unused.filter(({ created_at = '' }) => !(named.dateMs - stampMs(created_at) < youngMs))
      const byVm = new Map<VmId, Child>()
      for (const one of old) {
        const vmId = describedVm(one.description, installation)
        if (vmId && !byVm.has(vmId)) byVm.set(vmId, one)
      }
      return [...byVm].map(([vmId, one]) => asLeft(vmId, one))
    },
  }
}

type Call = (request: Omit<ApiRequest, 'service'>, until: Deadline) => Promise<ApiAnswer>
type Network = ReturnType<typeof networkCalls>

function networkCalls(session: Session, installation: string) {
  const call: Call = (request, until) => session.send({ ...request, service: 'network' }, until)
  return {
    call,
    described: (vmId: VmId): string => `description=${encodeURIComponent(description(installation, vmId))}`,
    isOf: (vmId: VmId) => (one: Child) => describedVm(one.description, installation) === vmId,
    async ports(filter: string, until: Deadline): Promise<{ readonly ports: readonly Port[]; readonly dateMs: number }> {
      const doing = 'listing our ports'
      const answer = await call({ method: 'GET', path: `/ports?${portFields}&${filter}`, doing }, until)
      return { ports: listIn<Port>(answer, 'ports', doing), dateMs: answer.dateMs }
    },
    async floatings(filter: string, until: Deadline): Promise<readonly Floating[]> {
      const doing = 'listing our floating addresses'
      const answer = await call({ method: 'GET', path: `/floatingips?${floatingFields}&${filter}`, doing }, until)
      return listIn(answer, 'floatingips', doing)
    },
    async removeOne(path: string, what: string, until: Deadline): Promise<void> {
      await call({ method: 'DELETE', path, answers: [404], doing: `deleting ${what}` }, until)
    },
  }
}

async function make(
  network: Network,
  installation: string,
  order: ChildrenOrder,
  until: Deadline,
): Promise<readonly string[]> {
  const { call, ports, floatings, isOf, described } = network
  const { vmId, networkIds, securityGroupIds, floatingNetworkId } = order
  const text = description(installation, vmId)
  const there = (await ports(described(vmId), until)).ports.filter(isOf(vmId))
  const ids: string[] = []
  for (const network_id of networkIds) {
    const found = there.find((one) => one.network_id === network_id && !ids.includes(one.id))
    const groups = securityGroupIds.length > 0 ? { security_groups: securityGroupIds } : {}
    const port = { network_id, name: portName(installation), description: text, ...groups }
    ids.push(found?.id ?? (await made({ port }, 'port', call, until)))
  }
  const [port_id] = ids
  if (floatingNetworkId === undefined || port_id === undefined) return ids
  const [floating] = (await floatings(described(vmId), until)).filter(isOf(vmId))
  if (floating?.port_id === port_id) return ids
  if (floating) {
    const path = `/floatingips/${encodeURIComponent(floating.id)}`
    await call({ method: 'PUT', path, body: { floatingip: { port_id } }, doing: 'moving a floating address' }, until)
  } else {
    const floatingip = { floating_network_id: floatingNetworkId, port_id, description: text }
    await made({ floatingip }, 'floatingip', call, until)
  }
  return ids
}

function idsInUse(ports: readonly Port[]): readonly string[] {
  return ports.filter(({ device_id = '' }) => device_id !== '').map(({ id }) => id)
}

async function made(body: object, key: 'port' | 'floatingip', call: Call, until: Deadline): Promise<string> {
  const doing = key === 'port' ? 'making a port' : 'getting a floating address'
  const { id } = objectIn<Child>(await call({ method: 'POST', path: `/${key}s`, body, doing }, until), key, doing)
  if (typeof id !== 'string' || id === '') throw oddAnswer(doing, 'the answer has no id')
  return id
}

function asLeft(vmId: VmId, { created_at = '' }: Child): CloudVm {
  const detail = 'it has no server: a port or a floating address was left of it'
  return { ref: leftRef(vmId), vmId, power: 'error', detail, createdMs: stampMs(created_at) || 0 }
}

/** Neutron's times have no zone in some releases, and are of Greenwich in all. */
function stampMs(text: string): number {
  return Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
}
