/**
 * The Standard Workload Format: a trace of jobs, a line a job, as text or gzipped text, whatever its name.
 *
 * Reads as a stream and only as far as it is asked to. Comment lines are skipped, lines that are not jobs are counted and
 * skipped: real traces have some. A job may have several lines (it was stopped and went on): the first of them that ran
 * stands for it. Knows nothing of what becomes of the jobs.
 */

import { createReadStream } from 'node:fs'
import { PilotageError } from '../../core/kernel/errors.ts'
import { decimalNumber } from '../../core/kernel/text.ts'
import { linesOf } from '../../client/job-stream.ts'

/** The columns that we use; the format's -1 ("not known") stays in all but `cores`. */
export type TraceJob = {
  readonly number: number
  /** Seconds since the trace began. */
  readonly submitSeconds: number
  readonly runSeconds: number
  /** Allocated; requested where that is not known; else one. */
  readonly cores: number
  readonly user: number
  readonly group: number
}

export type Trace = {
  /** No two have the same number, unless it is not known. */
  readonly jobs: readonly TraceJob[]
  /** Job lines that were read to get them. */
  readonly linesRead: number
  /** How many of these lines were left out, for each reason. */
  readonly dropped: ReadonlyMap<string, number>
}

/** A line of the format has 18 short numbers. */
const lineCharacters = 64 * 1024

/** The first `count` jobs that ran (run time above zero) on at most `maxCores`. */
export async function readTrace(path: string, count: number, maxCores: number): Promise<Trace> {
  const { unzipped } = await import('../../sim/simulate/swf.ts')
  const file = createReadStream(path)
  try {
    return await takeJobs(linesOf(await unzipped(file), lineCharacters, `the trace ${path}`), count, maxCores)
  } catch (cause) {
    if (cause instanceof PilotageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('invalid-argument', `reading the trace ${path}: ${reason}`, { cause })
  } finally {
    file.destroy()
  }
}

async function takeJobs(lines: AsyncIterable<string>, count: number, maxCores: number): Promise<Trace> {
  const jobs: TraceJob[] = []
  const taken = new Set<number>()
  const dropped = new Map<string, number>()
  let linesRead = 0
  for await (const line of lines) {
    if (jobs.length >= count) break
    const parsed = parseLine(line)
    if (parsed === 'no-job') continue
    linesRead += 1
    const reason = parsed === 'malformed' ? 'not a job' : reasonToDrop(parsed, taken, maxCores)
    if (reason !== undefined) dropped.set(reason, (dropped.get(reason) ?? 0) + 1)
    else if (parsed !== 'malformed') {
      jobs.push(parsed)
      if (parsed.number >= 0) taken.add(parsed.number)
    }
  }
  return { jobs, linesRead, dropped }
}

function reasonToDrop(
  { number, runSeconds, cores }: TraceJob,
  taken: ReadonlySet<number>,
  maxCores: number,
): string | undefined {
  if (taken.has(number)) return 'a further line of a job that is taken'
  if (runSeconds <= 0) return 'no run time'
  return cores > maxCores ? `wider than ${maxCores} cores` : undefined
}

export function parseLine(line: string): TraceJob | 'no-job' | 'malformed' {
  const text = line.trim()
  if (text === '' || text.startsWith(';')) return 'no-job'
  const columns = text.split(/\s+/).map(decimalNumber)
  const [number, submitSeconds, , runSeconds, allocated, , , requested] = columns
  const [user, group] = [columns[11], columns[12]]
  const known = [number, submitSeconds, runSeconds, allocated, requested, user, group]
  if (columns.length < 13 || !known.every((value) => Number.isFinite(value)) || (submitSeconds ?? -1) < 0) return 'malformed'
  return {
    number: number ?? -1,
    submitSeconds: submitSeconds ?? 0,
    runSeconds: runSeconds ?? -1,
    cores: [allocated ?? -1, requested ?? -1].map(Math.round).find((cores) => cores > 0) ?? 1,
    user: user ?? -1,
    group: group ?? -1,
  }
}
