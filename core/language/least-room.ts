/**
 * What a job asks of a room as plain numbers: a room that has less of any of them has no room for the job. Not all that the
 * rules ask: a room that has enough of each is still asked by them.
 */

import type { Requirements } from '../model/requirements.ts'
import { listOf, type Room, takenWith } from '../model/resources.ts'

/** In the order of `roomNumbers`: what it takes with the fewest cores and GPUs, and how long it may run. */
export function leastRoom(requirements: Requirements): readonly number[] {
  const { cores, gpus, wallMs, cpuWorkMs } = requirements
  return [
    ...listOf(takenWith({ cores: cores.min, gpus: gpus?.min ?? 0 }, requirements)),
    cpuWorkMs === undefined ? wallMs : 0,
  ]
}

export function roomNumbers(room: Room): readonly number[] {
  return [...listOf(room), room.remainingMs]
}
