/**
 * The files of the attempts that a pilot holds: which are to be kept, and what brings or keeps some just now. One transfer
 * per attempt at a time; it ends when the attempt is stopped or forgotten.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { Result } from '../../core/model/attempt.ts'
import type { JobSpec } from '../../core/model/job.ts'
import type { Uplink } from '../kit/uplink.ts'
import { keyOf, type Task } from './held.ts'
import { fetchInputs } from './input-files.ts'
import type { Confinement } from './isolation/isolation.ts'
import { keepOutputFiles } from './output-files.ts'
import { withoutPayload } from './pilot.ts'

export type PayloadFilesOptions = {
  readonly clock: Clock
  readonly random: Random
  readonly uplink: () => Uplink | undefined
  readonly closing: AbortSignal
}

export type Prepared =
  | { readonly ok: true }
  | { readonly ok: false; readonly ended: { readonly result: Result; readonly isServiceFault: boolean } }

export type PayloadFiles = {
  take(key: string, spec: Pick<JobSpec, 'outputFiles'>): void
  /** Makes the payload's directory with its input files. Never rejects. */
  fetch(task: Task, confinement: Confinement, dir: string): Promise<Prepared>
  /** Ends what is fetched; what is kept goes on. */
  stop(key: string, why: string): void
  /** What was not kept, and why; empty: all was. Never rejects. */
  keep(ref: AttemptRef, confinement: Confinement, dir: string): Promise<string>
  /** Nothing of the attempt is needed any more. Resolves when nothing reads or writes in its directory. */
  end(key: string): Promise<void>
}

type Transfer = { readonly abort: AbortController; why?: string; readonly isFetch: boolean; over?: Promise<unknown> }

export function payloadFiles({ closing, ...shared }: PayloadFilesOptions): PayloadFiles {
  const patterns = new Map<string, readonly string[]>()
  const transfers = new Map<string, Transfer>()

  async function during<Answer>(
    key: string,
    isFetch: boolean,
    move: (signal: AbortSignal, transfer: Transfer) => Promise<Answer>,
  ): Promise<Answer> {
    const transfer: Transfer = { abort: new AbortController(), isFetch }
    const signal = AbortSignal.any([closing, transfer.abort.signal])
    const moving = move(signal, transfer)
    transfer.over = moving
    transfers.set(key, transfer)
    try {
      return await moving
    } finally {
      transfers.delete(key)
    }
  }

  return {
    take(key, { outputFiles }) {
      if (outputFiles.length > 0) patterns.set(key, outputFiles)
    },
    fetch: (task, confinement, dir) =>
      during(keyOf(task), true, async (signal, transfer): Promise<Prepared> => {
        try {
          confinement.prepare()
        } catch (error) {
          return notStarted(error instanceof Error ? error.message : String(error), false)
        }
        const { jobId, attempt, spec } = task
        const options = { ...shared, ref: { jobId, attempt }, files: spec.inputFiles, confinement, dir, signal }
        const fetched = await fetchInputs(options)
        await confinement.end()
        if (signal.aborted)
          return {
            ok: false,
            ended: { result: withoutPayload('stopped', transfer.why ?? 'stopped'), isServiceFault: false },
          }
        return fetched.ok ? fetched : notStarted(fetched.why, fetched.fault === 'service')
      }),
    stop(key, why) {
      const transfer = transfers.get(key)
      if (!transfer?.isFetch) return
      transfer.why ??= why
      transfer.abort.abort()
    },
    keep: (ref, confinement, dir) =>
      during(keyOf(ref), false, async (signal) => {
        const options = { ...shared, ref, patterns: patterns.get(keyOf(ref)) ?? [], confinement, dir, signal }
        const lost = await keepOutputFiles(options)
        await confinement.end()
        return lost
      }),
    async end(key) {
      patterns.delete(key)
      const transfer = transfers.get(key)
      transfer?.abort.abort()
      await transfer?.over
    },
  }
}

function notStarted(why: string, isServiceFault: boolean): Prepared {
  return { ok: false, ended: { result: withoutPayload('not-started', why), isServiceFault } }
}
