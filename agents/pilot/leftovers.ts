/**
 * What an earlier process of this pilot has left on the machine: payloads' processes, which are ended before any new one,
 * and their files, which are removed before the disk is measured.
 *
 * The pilot reports their attempts as `abandoned`, or with the end that the journal has. It touches a process only if the
 * start time, or the mark in its directory, shows that it is the one that was started.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Keeping } from './directory.ts'
import { keyOf } from './held.ts'
import { firstReportIdOf, type Left, type Replayed } from './journal.ts'
import type { Result } from '../../core/model/attempt.ts'
import { leavesFiles, type Recovered, withoutPayload } from './pilot.ts'
import { bootId, readStat, type Wanted } from './processes.ts'
import { endAll } from './sweep.ts'
import type { Watch } from './watch.ts'

/** How many of whose processes would not end. */
export async function endLeftovers(
  left: readonly Left[],
  workDir: string,
  clock: Clock,
  watch: Watch,
): Promise<{ readonly ended: number; readonly left: number }> {
  const known = left.map((one) => ({ name: keyOf(one), mark: one.mark }))
  // A pilot that was killed had perhaps no time to write what it had just started.
  const unknown = strayNames(workDir, left).map((name) => ({ name, mark: undefined }))
  const swept = await Promise.all(
    [...known, ...unknown].map(async ({ name, mark }) => {
      // The leader may be gone while its children live: they are found by session only if the number is still theirs, else
      // by the directory in their environment. No process has session 0.
      const stat = mark && mark.bootId === bootId() ? readStat(mark.pid) : undefined
      const leader = mark && stat?.startTicks === mark.startTicks ? mark.pid : 0
      const wanted: Wanted = { leader: leader || -1, dir: join(workDir, name), pipes: [], seen: new Map() }
      watch.add(wanted, () => undefined)
      const result = await endAll(clock, watch, wanted, 0)
      watch.remove(wanted)
      return result
    }),
  )
  return {
    ended: swept.reduce((total, one) => total + one.ended, 0),
    left: swept.reduce((total, one) => total + one.left, 0),
  }
}

/** Ends first, in the order of their report ids, then what was abandoned, with ids of this life. */
export function recover({ life, left }: Replayed): {
  readonly recovered: readonly Recovered[]
  readonly firstReportId: number
} {
  let firstReportId = firstReportIdOf(life)
  const recovered: Recovered[] = []
  for (const one of left) {
    const { jobId, attempt, size, end } = one
    if (end) recovered.push({ jobId, attempt, size, reportId: end.reportId, result: withLostFiles(one, end.result) })
  }
  recovered.sort((a, b) => a.reportId - b.reportId)
  for (const { jobId, attempt, size, end, startedMs } of left) {
    if (end) continue
    const result = { ...withoutPayload('abandoned', 'the pilot was started anew'), startedMs, endedMs: startedMs }
    recovered.push({ jobId, attempt, size, reportId: firstReportId, result })
    firstReportId += 1
  }
  return { recovered, firstReportId }
}

/**
 * Files of a former life are removed at the start, since their account goes to another payload: that is said, not hidden.
 */
function withLostFiles({ hasOutputFiles, isKept }: Left, result: Result): Result {
  if (!hasOutputFiles || isKept || !leavesFiles(result)) return result
  const lost = 'output files were not kept: the pilot was started anew before they were delivered'
  return { ...result, detail: [result.detail, lost].filter(Boolean).join('; ') }
}

/**
 * The files of every payload of a former life, so that the disk can be measured: all but what is still to be delivered.
 * Resolves with the names of the directories that something was left in.
 */
export async function removeFiles(
  workDir: string,
  left: readonly Left[],
  removeDirectory: (dir: string, keeping: Keeping) => Promise<void>,
): Promise<readonly string[]> {
  const owing = new Set(left.flatMap((one) => (owesOutput(one) ? [keyOf(one)] : [])))
  const failed = await Promise.all(
    readdirSync(workDir).map((name) =>
      removeDirectory(join(workDir, name), owing.has(name) ? 'outputs' : 'nothing').then(
        () => [],
        () => [name],
      ),
    ),
  )
  return failed.flat()
}

function owesOutput({ end }: Left): boolean {
  return end !== undefined && end.result.stdoutBytes + end.result.stderrBytes > 0
}

function strayNames(workDir: string, left: readonly Left[]): readonly string[] {
  const known = new Set(left.map(keyOf))
  return readdirSync(workDir).filter((name) => !known.has(name))
}
