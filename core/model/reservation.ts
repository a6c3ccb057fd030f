/**
 * A reservation: a VM keeps its room for one task queue, so that a job which needs more than jobs leave free at one time
 * gets it. Other task queues are given nothing of that VM until a job of this one is claimed there. It stands in the VM's
 * record, and ends at a time that it names itself, whatever becomes of the process that made it.
 */

import type { ClassId, JobId } from '../kernel/ids.ts'

export type Reservation = {
  /** The task queue, and the job at its front for which it was made. */
  readonly classId: ClassId
  readonly jobId: JobId
  readonly sinceMs: number
  readonly untilMs: number
}

type Reservable = { readonly reserved?: Reservation }

/** Undefined: every task queue may be given its room. */
export function reservationOf({ reserved }: Reservable, nowMs: number): Reservation | undefined {
  return reserved && nowMs < reserved.untilMs ? reserved : undefined
}

/** The same one where it is not reserved. */
export function unreserved<Kind extends Reservable>(vm: Kind): Kind {
  if (!vm.reserved) return vm
  const { reserved: _, ...free } = vm
  return free as Kind
}

/** It began by now, and lasts as long as it was to last: the clock was put back. */
export function cutReservation(reserved: Reservation, nowMs: number): Reservation {
  const aheadMs = Math.max(0, reserved.sinceMs - nowMs)
  return aheadMs === 0 ? reserved : { ...reserved, sinceMs: reserved.sinceMs - aheadMs, untilMs: reserved.untilMs - aheadMs }
}
