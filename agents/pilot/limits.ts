/** What a payload is ended at, from what its job asks for and what it was granted. */

import { jobLimits } from '../../core/kernel/limits.ts'
import { memoryLimitWith } from '../../core/language/grant.ts'
import type { Task } from './held.ts'

export type PayloadLimits = { readonly memoryBytes: number; readonly diskBytes: number; readonly wallMs: number }

export function limitsOf({ spec: { requirements }, cores, wallMs }: Pick<Task, 'spec' | 'cores' | 'wallMs'>): PayloadLimits {
  return {
    memoryBytes: memoryLimitWith(cores, requirements),
    diskBytes: requirements.diskBytes,
    // The service says it where it follows from CPU work; a service that does not, gives no other limit.
    wallMs: wallMs ?? (requirements.wallMs || jobLimits.wallMs),
  }
}
