/**
 * Machines that no API can create, behind the cloud port: a VM is a claim on one of the configured hosts, which are reached
 * by SSH. Contains no policy, like every driver, and powers nothing off: a host is lent, and given back as it was.
 *
 * A claim is written to the notes before its host is touched, and is removed from them after it has left the host. A list is
 * therefore whole although a host may be unreachable: an unreachable host without a claim in the notes is left out, since
 * nothing of ours can be there; one with a claim is listed as it was last known. If no host is reached, the list fails.
 */

import { isIP } from 'node:net'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { asPilotageError, PilotageError } from '../../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'
import { cloudCallMs, directorEveryMs } from '../../../../core/kernel/limits.ts'
import type { Cloud } from '../../../../core/ports/cloud.ts'
import type { CloudQuota, CloudVm } from '../../../../core/model/cloud.ts'
import { type HostNotes, type HostNote, openHostNotes, type NotesByHost } from './host-notes.ts'
import { hostName, hostOf, type Hosts, isOurs, openHosts, type Seen, type Sight } from './hosts.ts'
import type { KnownHost } from './connections.ts'
import { createOnce } from '../kit/create-once.ts'
import { inTime } from '../kit/deadline.ts'
import type { SshCloudOptions, SshHost } from './options.ts'
import { createOnHost, type Creating } from './create.ts'

/**
 * The store's notes are read and written within the call as well. A director waits ten seconds for a list, whatever host is
 * silent: one that takes longer counts as not reached, while its connection may still come up for the next look.
 */
export const sshTimes = { callMs: cloudCallMs - 2000, hostMs: 6000 }
const looksAtOnce = 32

export function sshCloud(options: SshCloudOptions): Cloud & { close(): void } {
  const { name, installation, clock, keep } = options
  const notes = openHostNotes(keep, name)
  const configured = new Map(options.hosts.map((host) => [hostName(host), { ...host, name: hostName(host) }]))
  const creating: Creating = { reserved: new Map(), creates: createOnce() }
  const parts: Parts = { options, notes, hosts: openHosts(options, notes), configured, creating }
  let last: { readonly atMs: number; readonly seen: readonly Seen[] } | undefined

  let looking: Promise<Look> | undefined

  function look(): Promise<Look> {
    const begun = lookAround(parts, last?.seen ?? []).then((looked) => {
      last = { atMs: clock.monotonicMs(), seen: looked.seen }
      return looked
    })
    looking = begun
    const over = (): void => {
      if (looking === begun) looking = undefined
    }
    begun.then(over, over)
    return begun
  }

  return {
    name,
    async create(order) {
      const host = await createOnHost({ ...parts, lastSeen: () => last?.seen ?? [] }, order)
      return { ref: refOf(host, order.vmId) }
    },
    async list() {
      const { noted, seen } = await look()
      const vms = seen.flatMap(({ host, sight }) => vmAt(host, sight, noted.get(host.name), installation) ?? [])
      for (const { host, sight } of seen) await settle(parts, host.name, sight)
      return vms
    },
    destroy: (ref) => destroy(parts, look, ref),
    async consoleLog(ref) {
      const { host, vmId } = partsOf(ref)
      if (vmId === undefined) return ''
      const noted = await notes.read()
      if (!configured.has(host) && !noted.has(host)) return ''
      return parts.hosts.console(known(parts, host), noted, vmId, options.callMs)
    },
    async quota() {
      const isRecent = last !== undefined && clock.monotonicMs() - last.atMs < directorEveryMs
      // Asked for beside the list, it costs the hosts no second login.
      const { seen } = (await looking) ?? (isRecent && last ? last : await look())
      const others = new Set(seen.flatMap(({ host, sight }) => (isOfOthers(sight, installation) ? [host.name] : [])))
      return quotaOf(options, (host) => !others.has(hostName(host)))
    },
    close: () => parts.hosts.close(),
  }
}

type Parts = {
  readonly options: SshCloudOptions
  readonly notes: HostNotes
  readonly hosts: Hosts
  readonly configured: ReadonlyMap<string, KnownHost>
  readonly creating: Creating
}

function known({ configured }: Parts, host: string): KnownHost {
  return configured.get(host) ?? hostOf(host)
}

type Look = { readonly noted: NotesByHost; readonly seen: readonly Seen[] }

/** Also at hosts that left the configuration with a claim on them. Throws where none is reached. */
async function lookAround(parts: Parts, last: readonly Seen[]): Promise<Look> {
  const { options, notes, configured } = parts
  const { name, clock, log } = options
  // Time for one round of silent hosts, and for part of a second one: hosts after these count as not reached.
  const endMs = clock.monotonicMs() + Math.min(options.callMs, 1.4 * options.hostMs)
  const noted = await notes.read()
  const reserved = [...noted].flatMap(([host, { claim }]) => (claim ? [host] : []))
  // Hosts that did not answer last time come last: they must not take the time of the hosts that do.
  const wasUnreachable = (host: string): number =>
    Number(last.some((one) => one.host.name === host && one.sight instanceof PilotageError))
  const names = [...new Set([...configured.keys(), ...reserved])].toSorted((a, b) => wasUnreachable(a) - wasUnreachable(b))
  const all = names.map((host) => known(parts, host))
  const seen = await lookAtAll(parts.hosts, all, noted, { clock, endMs, hostMs: options.hostMs, callMs: options.callMs })
  const failures = seen.flatMap(({ sight }) => (sight instanceof PilotageError ? sight : []))
  for (const { code, message } of failures) log.debug({ cloud: name, code, message }, 'a host is not reached')
  if (failures[0] && failures.length === seen.length) {
    const code = failures.every((one) => one.code === 'cloud-auth') ? 'cloud-auth' : 'cloud-transient'
    throw new PilotageError(code, `none of ${seen.length} hosts is reached: ${failures[0].message}`)
  }
  return { noted, seen }
}

/** The notes follow what was seen: that a claim is not there is believed once its create is surely over. */
async function settle({ options, notes, creating }: Parts, host: string, sight: Sight | PilotageError): Promise<void> {
  if (sight instanceof PilotageError) return
  const nowMs = options.clock.nowMs()
  await notes.change(host, (note) => {
    const { claim } = note
    if (isOurs(sight, options.installation)) {
      if (claim?.vmId === sight.vmId && claim.power === sight.power) return note
      return { ...note, claim: { vmId: sight.vmId, sinceMs: sight.createdMs, power: sight.power } }
    }
    const isOver = claim && Math.abs(nowMs - claim.sinceMs) > 2 * cloudCallMs && !creating.reserved.has(host)
    return isOver ? { ...note, claim: undefined } : note
  })
}

async function destroy(parts: Parts, look: () => Promise<Look>, ref: string): Promise<'gone' | 'going'> {
  const { options, notes, hosts, configured } = parts
  const { host, vmId } = partsOf(ref)
  const noted = await notes.read()
  if (vmId === undefined || !(configured.has(host) || noted.get(host)?.claim)) {
    // No host that we ever knew: gone, if what we know is whole.
    await look()
    return 'gone'
  }
  const ending = await hosts.release(known(parts, host), noted, vmId, options.callMs).catch((error: unknown) => {
    if (configured.has(host)) throw error
    // An operator who removes a host from the configuration says that it does not exist any more.
    options.log.warn({ host, vmId, error }, 'a host that left the configuration is not reached: its claim is forgotten')
    return 'gone' as const
  })
  if (ending === 'gone') {
    await notes.change(host, (note) => (note.claim?.vmId === vmId ? { ...note, claim: undefined } : note))
  }
  return ending
}

type Within = { readonly clock: Clock; readonly endMs: number; readonly hostMs: number; readonly callMs: number }

/** Looks at `looksAtOnce` hosts at a time. A host whose turn does not come in time counts as not reached. */
async function lookAtAll(
  hosts: Hosts,
  all: readonly KnownHost[],
  noted: NotesByHost,
  { clock, endMs, hostMs, callMs }: Within,
): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  const waiting = all.values()
  const looker = async (): Promise<void> => {
    for (const host of waiting) {
      const leftMs = Math.min(hostMs, endMs - clock.monotonicMs())
      const late = new PilotageError('cloud-transient', `${host.name}: there was no time left for it`)
      const looking = leftMs > 0 ? inTime(hosts.look(host, noted, callMs), clock, leftMs, host.name) : Promise.reject(late)
      seen.push({ host, sight: await looking.catch((error: unknown) => asPilotageError(error, `looking at ${host.name}`)) })
    }
  }
  await Promise.all(Array.from({ length: looksAtOnce }, looker))
  return seen
}

function vmAt(
  { name, address }: KnownHost,
  sight: Sight | PilotageError,
  note: HostNote | undefined,
  installation: string,
): CloudVm | undefined {
  const addresses = isIP(address) > 0 ? [address] : undefined
  if (!(sight instanceof PilotageError)) {
    if (!isOurs(sight, installation)) return undefined
    const { vmId, power, detail, createdMs } = sight
    return { ref: refOf(name, vmId), vmId, power, detail, createdMs, addresses }
  }
  if (!note?.claim) return undefined
  const { vmId, power, sinceMs } = note.claim
  const detail = sight.code === 'cloud-auth' ? `not reached: ${sight.message}` : 'not reached'
  return { ref: refOf(name, vmId), vmId, power, detail, createdMs: sinceMs, addresses }
}

function isOfOthers(sight: Sight | PilotageError, installation: string): boolean {
  return !(sight instanceof PilotageError) && sight.kind === 'claimed' && sight.mark !== installation
}

function quotaOf({ hosts, sizes }: SshCloudOptions, isUsable: (host: SshHost) => boolean): CloudQuota {
  const usable = hosts.filter(isUsable).map(({ flavor }) => sizes.get(flavor) ?? { cores: 0, memoryBytes: 0 })
  return {
    vms: usable.length,
    cores: usable.reduce((sum, { cores }) => sum + cores, 0),
    memoryBytes: usable.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
  }
}

function refOf(host: string, vmId: VmId): string {
  return `${host}/${vmId}`
}

function partsOf(ref: string): { readonly host: string; readonly vmId?: VmId } {
  const at = ref.lastIndexOf('/')
  const id = ref.slice(at + 1)
  return { host: ref.slice(0, Math.max(0, at)), vmId: at > 0 && isVmId(id) ? id : undefined }
}
