/** What the use cases on sandboxes are given. */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { SandboxStore } from '../../core/ports/sandbox-store.ts'
import type { JobStore } from '../../core/ports/store.ts'

export type SandboxPorts = {
  readonly store: SandboxStore & Pick<JobStore, 'jobs' | 'specs'>
  readonly blobs: Blobs
  readonly clock: Clock
  /** What is stored for one owner at most. */
  readonly maxOwnerBytes: number
}
