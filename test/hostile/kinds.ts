/**
 * The kinds of isolation that the suite tries, and as whom the pilot runs in each: as contextualization has it on a VM, or as an
 * ordinary user, as on the local cloud.
 *
 * Every kind has user ids of its own, so that whatever an attack leaves is found, and ended, by its owner's number.
 */

import { pilotPowers } from '../../contextualization/units.ts'
import type { AgentConfig } from '../../core/context.ts'

export type Kind = {
  readonly name: 'accounts' | 'plain'
  /** The pilot's capabilities; none: an ordinary user. */
  readonly powers: readonly string[]
  readonly hasAccounts: boolean
  /** What the configuration of the agents says beside the rest. */
  readonly config: Partial<AgentConfig>
}

const vmPowers = pilotPowers.split(' ').map((name) => name.replace('CAP_', '').toLowerCase())

export const kinds: readonly Kind[] = [
  { name: 'accounts', powers: vmPowers, hasAccounts: true, config: {} },
  { name: 'plain', powers: [], hasAccounts: false, config: {} },
]

/** Far above what systems give to people; one kind's numbers never meet another's. */
export type Uids = { readonly pilot: number; readonly firstPayload: number; readonly last: number }

const firstUid = 1_610_000_000
const uidsPerVm = 200

export function uidsOf(vm: number): Uids {
  const pilot = firstUid + vm * uidsPerVm
  return { pilot, firstPayload: pilot + 1, last: pilot + uidsPerVm - 1 }
}
