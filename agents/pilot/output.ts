/**
 * Brings what a payload wrote to the service, before its end is reported.
 *
 * Tries for as long as there is no contact. A refusal ends it: another pilot has the attempt by then, or the service does
 * not accept the output, and the end must be reported all the same. What stays true: only the payload's own two
 * files are read, never the target of a link that a payload has made.
 */

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import { asPilotageError, type ErrorCode } from '../../core/kernel/errors.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { outputBytes } from '../../core/kernel/limits.ts'
import type { Random } from '../../core/kernel/random.ts'
import { backoff } from '../../core/kernel/backoff.ts'
import type { Say } from '../kit/console.ts'
import type { Uplink } from '../kit/uplink.ts'

/** What a disk that was full did not take of each stream. */
export type Unwritten = { readonly stdout: Buffer; readonly stderr: Buffer }
export const nothingUnwritten: Unwritten = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }

export type KeepOptions = {
  readonly dir: string
  /** What comes after the content of the files. */
  readonly unwritten: Unwritten
  readonly ref: AttemptRef
  readonly uplink: () => Uplink | undefined
  readonly clock: Clock
  readonly random: Random
  readonly say: Say
  readonly signal: AbortSignal
}

/** Repeating these cannot help. */
const final: readonly ErrorCode[] = ['invalid-argument', 'not-found', 'conflict', 'forbidden', 'too-large']
const retryMs = 100
const maxRetryMs = 2000

export async function keepOutputs({ dir, unwritten, ref, uplink, clock, random, say, signal }: KeepOptions): Promise<void> {
  for (const name of ['stdout', 'stderr'] as const) {
    const data = Buffer.concat([await head(join(dir, name)), unwritten[name]]).subarray(0, outputBytes)
    const delays = backoff(random, retryMs, maxRetryMs)
    while (data.length > 0 && !signal.aborted) {
      const now = uplink()
      const outcome = now ? await put(now, ref, name, data) : 'again'
      if (outcome === 'kept') break
      if (outcome !== 'again') {
        say(`${name} of ${ref.jobId}.${ref.attempt} was refused: ${outcome}`)
        break
      }
      await sleep(clock, delays.next(), signal)
    }
  }
}

async function put(uplink: Uplink, ref: AttemptRef, name: 'stdout' | 'stderr', data: Buffer): Promise<string> {
  try {
    await uplink.putOutput(ref, name, data)
    return 'kept'
  } catch (thrown) {
    const error = asPilotageError(thrown, 'keeping output')
    return final.includes(error.code) ? error.message : 'again'
  }
}

async function head(path: string): Promise<Buffer> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const data = Buffer.alloc(Math.min(outputBytes, (await file.stat()).size))
      const { bytesRead } = await file.read(data, 0, data.length, 0)
      return data.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch {
    // Its payload has removed it: there is nothing to keep.
    return Buffer.alloc(0)
  }
}
