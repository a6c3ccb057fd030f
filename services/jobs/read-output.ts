/** What a payload printed, as it is kept when an attempt ends. */

import type { Caller } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { isEnded } from '../../core/model/job.ts'
import type { OutputName, Sandbox } from '../../core/ports/sandbox.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { jobById } from './list-jobs.ts'

export type OutputPorts = { readonly store: Pick<JobStore, 'jobs'>; readonly sandbox: Pick<Sandbox, 'read'> }

export type OutputRequest = {
  readonly jobId: JobId
  /** undefined: the last one. */
  readonly attempt: number | undefined
  readonly name: OutputName
}

/** undefined: the job has ended and printed nothing. Throws `not-found`, also while the first output is not there yet. */
export async function readOutput(
  ports: OutputPorts,
  caller: Caller,
  { jobId, attempt, name }: OutputRequest,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const job = await jobById(ports, caller, jobId)
  const pieces = await ports.sandbox.read({ jobId, attempt: attempt ?? job.attempt }, name)
  if (pieces || isEnded(job.phase)) return pieces
  throw new PilotageError('not-found', `job ${jobId} is ${job.phase.state}: its output is kept when the attempt ends`)
}
