/**
 * Collection: content that no kept job names and that was not renewed for a day is removed from its home.
 *
 * One step, idempotent, under the role `sweeper`. The store decides what no claim is left of, before anything is removed; it
 * takes no new claim on it until the home has answered. A process that dies between leaves it to the next step.
 */

import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import type { Fence } from '../../core/ports/store.ts'
import type { SandboxPorts } from './ports.ts'

export type Collection = { step(under: Fence | undefined): Promise<void> }

export const collectEveryMs = 60_000
/** Claims of one call to the store, and for how long calls follow each other. */
const claimsAtOnce = 500
const maxStepMs = 2000

export function collection({ store, blobs, clock }: Pick<SandboxPorts, 'store' | 'blobs' | 'clock'>): Collection {
  /** Whether there may be more. */
  async function round(): Promise<boolean> {
    const nowMs = clock.nowMs()
    const unused = await store.endClaims(nowMs - sandboxLimits.unnamedMs, claimsAtOnce, nowMs)
    if (unused.length === 0) return false
    await blobs.remove(unused)
    await store.blobsRemoved(unused)
    return true
  }

  return {
    async step(under) {
      if (!under) return
      const endMs = clock.monotonicMs() + maxStepMs
      while (clock.monotonicMs() < endMs && (await round()));
      await blobs.sweep(clock.nowMs() - sandboxLimits.unnamedMs)
    },
  }
}
