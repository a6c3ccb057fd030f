/**
 * Finds a host for a VM and starts it there. A host is looked at, then noted for the VM, then claimed, in this order: nothing
 * of ours is ever on a host that the book does not know of.
 *
 * What stays true: one VM id has one host, whoever asks and however often, and two VMs never wait for the same host. That all
 * are taken is `cloud-capacity`; that none answers is `cloud-transient`, as nothing is known of them then.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Book } from './book.ts'
import { hostName, type Hosts, type Seen } from './hosts.ts'
import type { KnownHost } from './meetings.ts'
import type { SshCloudOptions } from './options.ts'

export type Placing = {
  /** By host: the VM that it is looked at for just now. */
  readonly reserved: Map<string, VmId>
  /** Creates that are on their way. */
  readonly orders: Map<VmId, Promise<string>>
}

export type PlaceOptions = {
  readonly options: SshCloudOptions
  readonly book: Book
  readonly hosts: Hosts
  readonly placing: Placing
  /** Hosts that were reached lately are asked first. */
  readonly lastSeen: () => readonly Seen[]
}

/** The name of the host. */
export function place(given: PlaceOptions, order: VmOrder): Promise<string> {
  const { orders } = given.placing
  const running = orders.get(order.vmId)
  if (running) return running
  const placed = placeAnew(given, order).finally(() => orders.delete(order.vmId))
  orders.set(order.vmId, placed)
  return placed
}

async function placeAnew(given: PlaceOptions, order: VmOrder): Promise<string> {
  const { options, book, hosts } = given
  const { name, clock, callMs } = options
  const { vmId, shape } = order
  const endMs = clock.monotonicMs() + callMs
  const fitting = options.hosts
    .filter(({ flavor }) => flavor === shape.flavor)
    .map((host) => ({ ...host, name: hostName(host) }))
  if (fitting.length === 0) {
    throw new PilotageError('cloud-refused', `creating ${vmId}: ${name} has no host of flavor ${shape.flavor}`)
  }
  const pages = await book.read()
  const [noted] = [...pages].find(([, { claim }]) => claim?.vmId === vmId) ?? []
  if (noted !== undefined) {
    const host = fitting.find((one) => one.name === noted)
    if (!host) throw new PilotageError('cloud-refused', `creating ${vmId}: its host ${noted} left the configuration`)
    if ((await hosts.start(host, pages, vmId, order.userData, callMs)) === 'started') return noted
    await forget(book, noted, vmId)
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
    const code = failures.every((one) => one.code === 'cloud-auth') ? 'cloud-auth' : 'cloud-transient'
    throw new PilotageError(code, `${doing}: no host of flavor ${shape.flavor} is reached: ${failures[0].message}`)
  }
  const away = failures.length > 0 ? `, ${failures.length} not reached: ${failures[0]?.message}` : ''
  throw new PilotageError(
    'cloud-capacity',
    `${doing}: no free host of flavor ${shape.flavor} (${fitting.length} in all${away})`,
  )
}

/** `taken`: somebody has it. An error: it is not reached, and nothing was done there. Throws what came after its claim. */
async function tryHost(
  { book, hosts, placing, options: { clock, hostMs } }: PlaceOptions,
  host: KnownHost,
  { vmId, userData }: VmOrder,
  withinMs: number,
): Promise<'started' | 'taken' | PilotageError> {
  const sinceMs = clock.monotonicMs()
  const leftMs = (): number => Math.max(1, withinMs - (clock.monotonicMs() - sinceMs))
  if (placing.reserved.has(host.name)) return 'taken'
  placing.reserved.set(host.name, vmId)
  try {
    const pages = await book.read()
    const claimed = pages.get(host.name)?.claim?.vmId
    if (claimed !== undefined && claimed !== vmId) return 'taken'
    const sight = await hosts.look(host, pages, Math.min(hostMs, leftMs())).catch(notReached)
    if (sight instanceof PilotageError) return sight
    if (sight.kind === 'claimed' && sight.vmId !== vmId) return 'taken'
    await book.change(host.name, (note) => ({ ...note, claim: { vmId, sinceMs: clock.nowMs(), power: 'building' } }))
    const started = await hosts.start(host, await book.read(), vmId, userData, leftMs())
    if (started === 'taken') await forget(book, host.name, vmId)
    return started
  } finally {
    placing.reserved.delete(host.name)
  }
}

function notReached(error: unknown): PilotageError {
  if (error instanceof PilotageError) return error
  throw error
}

function forget(book: Book, host: string, vmId: VmId): Promise<void> {
  return book.change(host, (note) => (note.claim?.vmId === vmId ? { ...note, claim: undefined } : note))
}

function byLastSeen<T extends { readonly name: string }>(fitting: readonly T[], seen: readonly Seen[]): readonly T[] {
  const away = new Set(seen.flatMap(({ host, sight }) => (sight instanceof PilotageError ? [host.name] : [])))
  return fitting.toSorted((a, b) => Number(away.has(a.name)) - Number(away.has(b.name)))
}
