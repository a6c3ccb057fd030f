/** What a payload printed, as it is kept when an attempt ends. */

import type { Caller } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import { isEnded, type Job } from '../../core/model/job.ts'
import type { OutputName } from '../../core/model/live-output.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { JobStore } from '../../core/ports/store.ts'
import { jobById } from './list-jobs.ts'

export type OutputPorts = { readonly store: Pick<JobStore, 'jobs'>; readonly sandbox: Pick<Sandbox, 'read'> }

export type OutputRequest = {
  readonly jobId: JobId
  /** undefined: the last one. */
  readonly attempt: number | undefined
  readonly name: OutputName
}

/**
 * undefined: the attempt has ended and printed nothing. Throws `not-found` for an attempt that there never was, for an
 * output that is not there yet, and for one that is not kept (any more); `forbidden` for the job of another member of the
 * VO.
 */
export async function readOutput(
  ports: OutputPorts,
  caller: Caller,
  { jobId, attempt, name }: OutputRequest,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const job = await jobById(ports, caller, jobId, 'its output')
  const wanted = attempt ?? job.attempt
  if (wanted < 1 || wanted > job.attempt) throw new PilotageError('not-found', noAttempt(job, attempt))
  const pieces = await ports.sandbox.read({ jobId, attempt: wanted }, name)
  if (pieces || (wanted === job.attempt && hasPrintedNothing(job, name))) return pieces
  const isOn = wanted === job.attempt && !isEnded(job.phase)
  const why = isOn
    ? `is ${job.phase.state}: its output is kept when the attempt ends`
    : `has no ${name} of attempt ${wanted}`
  throw new PilotageError('not-found', `job ${jobId} ${why}`)
}

/** What a refusal says of an attempt that there is not. */
export function noAttempt({ id, attempt, phase }: Job, wanted: number | undefined): string {
  if (attempt === 0) return `job ${id} is ${phase.state} and never ran: it has no output`
  return `job ${id} has no attempt ${wanted}; its last one is ${attempt}`
}

function hasPrintedNothing({ phase }: Job, name: OutputName): boolean {
  const result = 'result' in phase ? phase.result : undefined
  return result !== undefined && (name === 'stdout' ? result.stdoutBytes : result.stderrBytes) === 0
}
