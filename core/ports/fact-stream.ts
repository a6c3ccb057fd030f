/**
 * Facts for readers of history outside of an installation. Fed from the store, in order, at least once: a fact's `seq` is
 * its identity, so that publishing it twice is harmless. Never the truth: whatever stands here stood in the store before.
 */

import type { Fact } from '../model/fact-shapes.ts'

export interface FactStream {
  /** Resolves when all of them are kept by the stream. Throws `unavailable` where it cannot be reached: come again. */
  publish(facts: readonly Fact[]): Promise<void>
}
