/** An output of an attempt while it is being written: how it is named, and how pieces of it are put together. */

import { PilotageError } from '../kernel/errors.ts'
import type { AttemptRef, VmId } from '../kernel/ids.ts'
import { liveOutputLimits, outputChunkBytes } from '../kernel/limits.ts'

export type OutputName = 'stdout' | 'stderr'

export type OutputRef = AttemptRef & { readonly name: OutputName }

/** A user reads it, until then by the service's clock. */
export type Interest = OutputRef & { readonly vmId: VmId; readonly untilMs: number }

export function outputKey({ jobId, attempt, name }: OutputRef): string {
  return `${jobId}.${attempt}.${name}`
}

/** Of pieces that follow each other, what begins at the offset: at most what one message may bring. */
export function sliceOf(pieces: readonly Uint8Array[], offset: number): Uint8Array {
  const found: Uint8Array[] = []
  let at = 0
  let left: number = outputChunkBytes
  for (const piece of pieces) {
    const from = Math.max(0, offset - at)
    const part = piece.subarray(from, from + left)
    at += piece.length
    if (part.length > 0) found.push(part)
    left -= part.length
    if (left === 0) break
  }
  return found.length === 1 && found[0] ? found[0] : Buffer.concat(found)
}

export function tooManyReaders(): PilotageError {
  const { inAll, keepMs } = liveOutputLimits
  return new PilotageError('overloaded', `${inAll} outputs are read live already`, { retryAfterMs: keepMs })
}
