/**
 * The kinds of isolation that the suite tries, and as whom the pilot runs in each: as contextualization has it on a VM, as
 * an ordinary user, as on the local cloud, or as root, as on the local cloud of a service that runs as root.
 *
 * Every VM has user ids of its own, so that whatever an attack leaves is found, and ended, by its owner's number.
 */

import { pilotPowers } from '../../contextualization/units.ts'
import type { IsolationKind } from '../../core/model/agent-config.ts'

export type Kind = {
  readonly name: string
  readonly isolation: IsolationKind
  /** By which program the namespaces are made; the other one is hidden from the pilot. */
  readonly tool: 'bubblewrap' | 'unshare' | ''
  /** vm: an account of its own, some capabilities, and accounts for payloads. user: an account. root: everything. */
  readonly pilot: 'vm' | 'user' | 'root'
}

/** `plain` takes longest, since its pilot has to be replaced often: it begins first. */
export const kinds: readonly Kind[] = [
  { name: 'plain', isolation: 'plain', tool: '', pilot: 'user' },
  { name: 'namespaces', isolation: 'namespaces', tool: 'bubblewrap', pilot: 'user' },
  { name: 'namespaces-unshare', isolation: 'namespaces', tool: 'unshare', pilot: 'user' },
  { name: 'namespaces-vm', isolation: 'namespaces', tool: 'bubblewrap', pilot: 'vm' },
  { name: 'namespaces-vm-unshare', isolation: 'namespaces', tool: 'unshare', pilot: 'vm' },
  { name: 'namespaces-root', isolation: 'namespaces', tool: 'bubblewrap', pilot: 'root' },
  { name: 'accounts', isolation: 'accounts', tool: '', pilot: 'vm' },
]

/** Of the pilot on a VM. */
export const vmPowers = pilotPowers.split(' ').map((name) => name.replace('CAP_', '').toLowerCase())

/** Far above what systems give to people; one VM's numbers never meet another's. */
export type Uids = { readonly pilot: number; readonly firstPayload: number; readonly last: number }

const firstUid = 1_610_000_000
const uidsPerVm = 200

export function uidsOf(vm: number, pilot: Kind['pilot']): Uids {
  const first = firstUid + vm * uidsPerVm
  return { pilot: pilot === 'root' ? 0 : first, firstPayload: first + 1, last: first + uidsPerVm - 1 }
}
