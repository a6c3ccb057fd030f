/**
 * Keep output: what a payload printed comes from the VM that has the live lease of the attempt, and from no other.
 *
 * One keeper per process. An output arrives on one stream at a time: a second stream of the same output would only fill
 * memory and disk.
 */

import { PilotageError } from '../../core/kernel/errors.ts'
import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import { attemptText } from '../../core/model/facts.ts'
import { leaseOf } from '../../core/model/job.ts'
import type { OutputName } from '../../core/model/live-output.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { JobStore } from '../../core/ports/store.ts'

export type KeepPorts = { readonly store: Pick<JobStore, 'jobs'>; readonly sandbox: Pick<Sandbox, 'keep'> }

export type Upload = {
  readonly attempt: AttemptRef
  readonly name: OutputName
  /** Nothing is kept if they throw. */
  readonly pieces: AsyncIterable<Uint8Array>
}

export type OutputKeeper = {
  /** Resolves with the number of bytes that are kept. Throws `forbidden`, `overloaded`, and what the pieces throw. */
  keep(vmId: VmId, upload: Upload): Promise<number>
}

export function outputKeeper(ports: KeepPorts): OutputKeeper {
  /** By attempt and name. */
  const arriving = new Set<string>()
  return {
    async keep(vmId, { attempt, name, pieces }) {
      const [job] = await ports.store.jobs([attempt.jobId])
      if (!job || job.attempt !== attempt.attempt || leaseOf(job.phase)?.vmId !== vmId) {
        throw new PilotageError('forbidden', `attempt ${attemptText(attempt)} is not held by ${vmId}`)
      }
      const key = `${attemptText(attempt)} ${name}`
      // The first stream ends, or times out.
      if (arriving.has(key))
        throw new PilotageError('overloaded', `${name} of ${attemptText(attempt)} is arriving on another stream`)
      arriving.add(key)
      try {
        return await ports.sandbox.keep(attempt, name, pieces)
      } finally {
        arriving.delete(key)
      }
    },
  }
}
