/**
 * What payloads wrote, by attempt. Keeping an output again replaces it whole, or not at all; what was kept stays until
 * forgotten.
 */

import type { AttemptRef, JobId } from '../kernel/ids.ts'
import type { OutputName } from '../model/live-output.ts'

export interface Sandbox {
  /** Durable when it resolves with the number of bytes. */
  keep(attempt: AttemptRef, name: OutputName, pieces: AsyncIterable<Uint8Array>): Promise<number>

  /** In pieces of at most 64 KiB; undefined where nothing was kept. */
  read(attempt: AttemptRef, name: OutputName): Promise<AsyncIterable<Uint8Array> | undefined>

  /** Everything of these jobs. Idempotent. */
  forget(jobIds: readonly JobId[]): Promise<void>
}
