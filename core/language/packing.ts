/** Packing: how a job is put into a room. The matcher and the plan use these functions and no others. */

import type { Demand, Requirements } from '../model/requirements.ts'
import { type Resources, type Room, roomLess, takenWith } from '../model/resources.ts'
import { grantedIn } from './grant.ts'
import { hasRoom } from './rules.ts'

/** What a job takes of a room that it fits: as many cores and GPUs as it can use, and what else it asks for. */
export function takenFrom(room: Room, requirements: Requirements): Resources {
  return takenWith(grantedIn(room, requirements), requirements)
}

/** The room that is left after one job more; undefined where it does not fit. */
export function packed(room: Room, demand: Demand): Room | undefined {
  if (room.cores < 1 || !hasRoom(demand, room)) return undefined
  return roomLess(room, takenFrom(room, demand.requirements))
}
