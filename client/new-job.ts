/**
 * Jobs that a program makes itself, without a document: the few fields that it needs, everything else at its default.
 */

import { JobSpec } from '../proto/gen/pilotage/v1/job.ts'

/** A file or folder that a document names: `from` below the document's directory, `path` in the payload's. */
export type LocalInput = {
  readonly from: string
  readonly path: string
  /** Also where the local file is not. */
  readonly executable: boolean
}

/** What `PilotageClient.submit` takes, once its local files are put (local-inputs.ts). */
export type NewJob = JobSpec & { readonly localInputs?: readonly LocalInput[] }

export type JobFields = {
  readonly name: string
  readonly executable: string
  readonly arguments: readonly string[]
  readonly cores: number
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly wallMs: number
}

export function newJob({ name, executable, arguments: given, cores, memoryBytes, diskBytes, wallMs }: JobFields): NewJob {
  return JobSpec.fromPartial({
    name,
    executable,
    arguments: [...given],
    requirements: { cores: { min: cores, max: cores }, memoryBytes, diskBytes, wallMs },
  })
}
