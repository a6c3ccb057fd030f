/**
 * What bringing files into a payload's directory and out of it has in common: what it is given, and how the service is asked
 * again.
 */

import { type Backoff, backoff } from '../../core/kernel/backoff.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { ErrorCode } from '../../core/kernel/errors.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { Uplink } from '../kit/uplink.ts'
import type { Confinement } from './isolation/isolation.ts'

export type MoveOptions = {
  readonly ref: AttemptRef
  readonly confinement: Confinement
  /** The payload's. */
  readonly dir: string
  /** Absent while there is no contact. */
  readonly uplink: () => Uplink | undefined
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

const retryMs = 200
const maxRetryMs = 5000

/** Between two questions to the service. */
export const retryDelays = (random: Random): Backoff => backoff(random, retryMs, maxRetryMs)

/** Repeating these cannot help, whichever way a file goes. */
export const finalErrors: readonly ErrorCode[] = ['invalid-argument', 'not-found', 'conflict', 'forbidden']

/** Of what an errand says of a file: a size, or a word. */
export const maxLineLength = 100
