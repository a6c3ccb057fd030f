/** What the parts of the openstack scenario share: the service with its users, the cloud's guests, and what jobs came to. */

import type { PilotageClient } from '../../client/pilotage-client.ts'
import { sleep } from '../../core/kernel/clock.ts'
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

/** Payloads look for their file every two seconds. */
const endWithinMs = 3 * 60_000

/** How many jobs are in which state, when all have ended or the time is over. */
export async function endStates({ stage, user }: Site, jobIds: readonly number[]): Promise<ReadonlyMap<string, number>> {
  const last = new Map<number, string>()
  const watched = async (): Promise<void> => {
    for await (const { jobId, state } of user.watch(jobIds)) last.set(jobId, state)
  }
  await Promise.race([watched(), sleep(stage.clock, endWithinMs)])
  const counts = new Map<string, number>()
  for (const state of last.values()) counts.set(state, (counts.get(state) ?? 0) + 1)
  return counts
}
