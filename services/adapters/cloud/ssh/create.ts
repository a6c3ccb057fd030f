/**
 * Finds a host for a VM and starts it there. A host is looked at, then noted for the VM, then claimed, in this order:
 * nothing of ours is ever on a host that the notes do not have.
 *
 * What stays true: one VM id has one host, however many processes ask and how often, and two VMs never wait for the same
 * host. If all hosts are taken, the error is `cloud-capacity`; if none answers, it is `cloud-transient`, or
 * `cloud-capacity` where the cloud has hosts of other flavors.
 */

import { type ErrorCode, PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { CreateOnce } from '../kit/create-once.ts'
import type { HostNotes } from './host-notes.ts'
import { hostName, type Hosts, type Seen } from './hosts.ts'
import type { KnownHost } from './connections.ts'
import type { SshCloudOptions } from './options.ts'

export type Creating = {
  /** By host: the VM that it is looked at for just now. */
  readonly reserved: Map<string, VmId>
  /** Creates that are on their way. */
  readonly creates: CreateOnce<string>
}

export type CreateOptions = {
  readonly options: SshCloudOptions
  readonly notes: HostNotes
  readonly hosts: Hosts
  readonly creating: Creating
  /** Hosts that were reached lately are asked first. */
  readonly lastSeen: () => readonly Seen[]
}

/** The name of the host. */
export function createOnHost(given: CreateOptions, order: VmOrder): Promise<string> {
  return given.creating.creates.run(order.vmId, () => createAnew(given, order))
}

async function createAnew(given: CreateOptions, order: VmOrder): Promise<string> {
  const { options, notes, hosts } = given
  const { name, clock, callMs } = options
  const { vmId, shape } = order
  const endMs = clock.monotonicMs() + callMs
  const fitting = options.hosts
    .filter(({ flavor }) => flavor === shape.flavor)
    .map((host) => ({ ...host, name: hostName(host) }))
  if (fitting.length === 0) {
    throw new PilotageError('cloud-refused', `creating ${vmId}: ${name} has no host of flavor ${shape.flavor}`)
  }
  const noted = await notes.read()
  const [own] = [...noted].find(([, { claim }]) => claim?.vmId === vmId) ?? []
  if (own !== undefined) {
    const host = fitting.find((one) => one.name === own)
    if (!host) throw new PilotageError('cloud-refused', `creating ${vmId}: its host ${own} left the configuration`)
    if ((await hosts.start(host, noted, vmId, order.userData, callMs)) === 'started') return own
    await forget(notes, own, vmId)
  }
  const failures: PilotageError[] = []
  for (const host of byLastSeen(fitting, given.lastSeen())) {
    const leftMs = endMs - clock.monotonicMs()
    if (leftMs <= 0) break
    const tried = await tryHost(given, host, order, leftMs)
    if (tried === 'started') return host.name
    if (tried instanceof PilotageError) failures.push(tried)
  }
  const doing = `creating ${vmId} on ${name}`
  if (failures[0] && failures.length === fitting.length) {
    throw new PilotageError(
      unreachedCode(failures, fitting.length < options.hosts.length),
      `${doing}: no host of flavor ${shape.flavor} is reached: ${failures[0].message}`,
    )
  }
  const unreached = failures.length > 0 ? `, ${failures.length} not reached: ${failures[0]?.message}` : ''
  throw new PilotageError(
    'cloud-capacity',
    `${doing}: no free host of flavor ${shape.flavor} (${fitting.length} in all${unreached})`,
  )
}

/**
 * Nothing was done on any of them. If the cloud has hosts of other flavors, no more is known than that this flavor has none
 * now: a failure of the whole cloud would keep the orders for the others waiting.
 */
function unreachedCode(failures: readonly PilotageError[], hasOthers: boolean): ErrorCode {
  if (hasOthers) return 'cloud-capacity'
  return failures.every((one) => one.code === 'cloud-auth') ? 'cloud-auth' : 'cloud-transient'
}

/** `taken`: another VM has it. An error: it is not reached, and nothing was done there. Throws errors after its claim. */
async function tryHost(
  { notes, hosts, creating, options: { clock, hostMs } }: CreateOptions,
  host: KnownHost,
  { vmId, userData }: VmOrder,
  withinMs: number,
): Promise<'started' | 'taken' | PilotageError> {
  const sinceMs = clock.monotonicMs()
  const leftMs = (): number => Math.max(1, withinMs - (clock.monotonicMs() - sinceMs))
  if (creating.reserved.has(host.name)) return 'taken'
  creating.reserved.set(host.name, vmId)
  try {
    const noted = await notes.read()
    const claimed = noted.get(host.name)?.claim?.vmId
    if (claimed !== undefined && claimed !== vmId) return 'taken'
    const sight = await hosts.look(host, noted, Math.min(hostMs, leftMs())).catch(notReached)
    if (sight instanceof PilotageError) return sight
    if (sight.kind === 'claimed' && sight.vmId !== vmId) return 'taken'
    await notes.change(host.name, (note) => ({ ...note, claim: { vmId, sinceMs: clock.nowMs(), power: 'building' } }))
    const started = await hosts.start(host, await notes.read(), vmId, userData, leftMs())
    if (started === 'taken') await forget(notes, host.name, vmId)
    return started
  } finally {
    creating.reserved.delete(host.name)
  }
}

function notReached(error: unknown): PilotageError {
  if (error instanceof PilotageError) return error
  throw error
}

function forget(notes: HostNotes, host: string, vmId: VmId): Promise<void> {
  return notes.change(host, (note) => (note.claim?.vmId === vmId ? { ...note, claim: undefined } : note))
}

function byLastSeen<T extends { readonly name: string }>(fitting: readonly T[], seen: readonly Seen[]): readonly T[] {
  const unreachable = new Set(seen.flatMap(({ host, sight }) => (sight instanceof PilotageError ? [host.name] : [])))
  return fitting.toSorted((a, b) => Number(unreachable.has(a.name)) - Number(unreachable.has(b.name)))
}
