/** The central service as the rest of the simulated world sees it: one life after another, of which one at most is up. */

import type { Matching } from '../services/matcher/matching.ts'
import type { SimProcess } from './process.ts'
import type { JobPorts } from '../services/jobs/ports.ts'

export type SimService = {
  /** Runs in the service; refused while it is down. Never answers when the service dies before. */
  ask<Value>(act: (jobs: JobPorts) => Promise<Value>, done: (answer: Answer<Value>) => void): void
  /** The life that is up and ready. */
  life(): Life | undefined
  kill(downMs: number): void
  stall(ms: number): void
  crawl(ms: number): void
}

export type Answer<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: unknown }

export type Life = {
  readonly process: SimProcess
  readonly jobs: JobPorts
  readonly matching: Matching
  /** A stream that ends stays where it is. */
  readonly isForgetful: boolean
}
