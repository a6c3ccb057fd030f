/**
 * Every payload that runs anywhere in the simulated world, and what must never be true of them together.
 *
 * A payload that no pilot controls (its pilot is stalled or dead, its machine hangs) is excused from then on: a lease cannot
 * reach it, and only its report can be refused. All others must be over before another attempt of their job starts.
 */

import { attemptText } from '../core/model/facts.ts'
import type { AttemptRef, VmId } from '../core/kernel/ids.ts'
import type { Violations } from './violations.ts'

export type Running = AttemptRef & {
  readonly vmId: VmId
  /** Its machine runs and it has not ended. */
  readonly isThere: () => boolean
  isExcused: boolean
}

export type PayloadBooks = {
  started(running: Running): void
  over(running: Running): void
  /** No pilot on this VM is in control of its payloads now. */
  excuse(vmId: VmId): void
  running(): readonly Running[]
}

export function payloadBooks(violations: Violations): PayloadBooks {
  const byJob = new Map<number, Set<Running>>()
  const ever = new Set<string>()

  const all = (): Running[] => [...byJob.values()].flatMap((set) => [...set]).filter((one) => one.isThere())

  return {
    started(running) {
      const { jobId, vmId } = running
      const key = attemptText(running)
      violations.check(!ever.has(key), 'oneAttempt', { jobId, vmId }, () => `attempt ${key} is started again on ${vmId}`)
      ever.add(key)
      const others = byJob.get(jobId) ?? new Set()
      for (const other of others) {
        if (!other.isThere()) others.delete(other)
        else {
          const what = (): string => `${key} starts on ${vmId} while ${attemptText(other)} runs on ${other.vmId}`
          violations.check(other.isExcused, 'onePayload', { jobId, vmId }, what)
        }
      }
      byJob.set(jobId, others.add(running))
    },
    over(running) {
      const set = byJob.get(running.jobId)
      set?.delete(running)
      if (set?.size === 0) byJob.delete(running.jobId)
    },
    excuse(vmId) {
      for (const set of byJob.values()) for (const one of set) if (one.vmId === vmId) one.isExcused = true
    },
    running: all,
  }
}
