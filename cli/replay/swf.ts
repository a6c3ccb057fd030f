/**
 * The Standard Workload Format: a trace of jobs, a line a job, as text or gzipped text.
 *
 * Reads as a stream and only as far as it is asked to. Comment lines are skipped, lines that are not jobs are counted and
 * skipped: real traces have some. Knows nothing of what becomes of the jobs.
 */

import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { PilotageError } from '../../core/kernel/errors.ts'
import { linesOf } from '../../client/job-stream.ts'

/** The columns that we use; the format's -1 ("not known") stays. */
export type TraceJob = {
  readonly number: number
  /** Seconds since the trace began. */
  readonly submitSeconds: number
  readonly runSeconds: number
  readonly cores: number
  readonly user: number
  readonly group: number
}

export type Trace = {
  readonly jobs: readonly TraceJob[]
  /** Job lines that were read to get them. */
  readonly linesRead: number
  readonly malformed: number
  /** Well-formed jobs that never ran, or that the taker refused. */
  readonly left: number
}

/** A line of the format has 18 short numbers. */
const lineCharacters = 64 * 1024

/** The first `count` jobs that ran (run time above zero) and that `takes` accepts. */
export async function readTrace(
  path: string,
  count: number,
  takes: (job: TraceJob) => boolean = () => true,
): Promise<Trace> {
  const file = createReadStream(path)
  const text = path.endsWith('.gz') ? unzipped(file) : file
  try {
    return await takeJobs(linesOf(text as AsyncIterable<Uint8Array>, lineCharacters), count, takes)
  } catch (cause) {
    if (cause instanceof PilotageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('invalid-argument', `reading the trace ${path}: ${reason}`, { cause })
  } finally {
    text.destroy()
    file.destroy()
  }
}

async function takeJobs(
  lines: AsyncIterable<string>,
  count: number,
  takes: (job: TraceJob) => boolean = () => true,
): Promise<Trace> {
  const jobs: TraceJob[] = []
  let [linesRead, malformed, left] = [0, 0, 0]
  for await (const line of lines) {
    if (jobs.length >= count) break
    const parsed = parseLine(line)
    if (parsed === 'no-job') continue
    linesRead += 1
    if (parsed === 'malformed') malformed += 1
    else if (parsed.runSeconds > 0 && takes(parsed)) jobs.push(parsed)
    else left += 1
  }
  return { jobs, linesRead, malformed, left }
}

export function parseLine(line: string): TraceJob | 'no-job' | 'malformed' {
  const text = line.trim()
  if (text === '' || text.startsWith(';')) return 'no-job'
  const columns = text.split(/\s+/).map(Number)
  const [number, submitSeconds, , runSeconds, cores] = columns
  const [user, group] = [columns[11], columns[12]]
  const known = [number, submitSeconds, runSeconds, cores, user, group]
  if (columns.length < 13 || !known.every((value) => Number.isFinite(value)) || (submitSeconds ?? -1) < 0) return 'malformed'
  return {
    number: number ?? 0,
    submitSeconds: submitSeconds ?? 0,
    runSeconds: runSeconds ?? -1,
    cores: cores ?? -1,
    user: user ?? -1,
    group: group ?? -1,
  }
}

function unzipped(file: Readable): Readable {
  const unzip = createGunzip()
  file.on('error', (error) => unzip.destroy(error))
  return file.pipe(unzip)
}
