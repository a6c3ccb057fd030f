/** What the parts of the openstack scenario share: the service with its users, the cloud's guests, and what jobs came to. */

import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { OpenStackFacts } from '../peers/openstack-peer.ts'
import type { Guests } from './openstack-guests.ts'
import type { Stage } from './scenario.ts'

export type Site = {
  readonly stage: Stage
  readonly facts: OpenStackFacts
  readonly user: PilotageClient
  readonly admin: PilotageClient
  readonly guests: Guests
  /** Jobs at a site that run until there is a file of that name in the scenario's directory. */
  submit(count: number, site: string, file: string): Promise<readonly number[]>
}

/** How many jobs ended in which state, when all have. */
export async function endStates(user: PilotageClient, jobIds: readonly number[]): Promise<ReadonlyMap<string, number>> {
  const last = new Map<number, string>()
  for await (const { jobId, state } of user.watch(jobIds)) last.set(jobId, state)
  const counts = new Map<string, number>()
  for (const state of last.values()) counts.set(state, (counts.get(state) ?? 0) + 1)
  return counts
}
