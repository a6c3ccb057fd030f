/**
 * Keep live output: what a payload has written so far comes from the VM that has the live lease of the attempt, and from no
 * other, and only while a user reads it.
 */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { attemptText } from '../../core/model/facts.ts'
import { leaseOf } from '../../core/model/job.ts'
import type { OutputRef } from '../../core/model/live-output.ts'
import type { Kept, LiveOutput } from '../../core/ports/live-output.ts'
import type { JobStore } from '../../core/ports/store.ts'

export type LivePorts = {
  readonly store: Pick<JobStore, 'jobs'>
  readonly live: Pick<LiveOutput, 'append'>
  readonly clock: Clock
}

export type LiveUpload = {
  readonly output: OutputRef
  readonly offset: number
  readonly data: Uint8Array
  /** There was no more when it was sent. */
  readonly isCaughtUp: boolean
}

/** Throws `forbidden` for an attempt that the VM does not hold. */
export async function keepLiveOutput(
  { store, live, clock }: LivePorts,
  vmId: VmId,
  { output, offset, data, isCaughtUp }: LiveUpload,
): Promise<Kept> {
  const [job] = await store.jobs([output.jobId])
  if (!job || job.attempt !== output.attempt || leaseOf(job.phase)?.vmId !== vmId) {
    throw new PilotageError('forbidden', `attempt ${attemptText(output)} is not held by ${vmId}`)
  }
  return live.append(output, offset, data, isCaughtUp, clock.nowMs())
}
