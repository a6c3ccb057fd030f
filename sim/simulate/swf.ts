/**
 * A trace in the Standard Workload Format as input of a simulation: one job per line, as text or gzipped text, whatever the
 * name of the file.
 *
 * Reads as a stream with bounded lines. A line that is no job is refused with its number, because a simulation of half of a
 * trace would look like one of the whole. A job that never ran (run time -1) and further lines of a job that was stopped and
 * went on are left out, and counted.
 */

import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { PilotageError } from '../../core/kernel/errors.ts'
import { isGzip, utf8Reader } from '../../core/kernel/file-text.ts'
import { decimalNumber } from '../../core/kernel/text.ts'
import { gatherViolations, type Violations } from '../../core/kernel/violations.ts'

/** The columns that a simulation uses. The format's -1 (not known) stays, but for the processors. */
export type SwfJob = {
  readonly number: number
  readonly submitSeconds: number
  /** 0: less than a second. */
  readonly runSeconds: number
  /** Allocated; requested if that is not known; else one. */
  readonly cores: number
  readonly requestedSeconds: number
  /** Per processor. */
  readonly requestedMemoryKib: number
  readonly user: number
  readonly group: number
  readonly queue: number
}

export type SwfTrace = {
  /** In the order of submission. */
  readonly jobs: readonly SwfJob[]
  readonly linesRead: number
  /** Lines that were left out, by reason. */
  readonly leftOut: Readonly<Record<string, number>>
}

/** A line has 18 short numbers. */
const maxLineCharacters = 4096
const columnCount = 18
/** 30 million jobs take some 4 GB; longer traces are read in parts. */
export const maxTraceJobs = 30_000_000

type Reading = {
  readonly jobs: SwfJob[]
  readonly seen: Set<number>
  readonly leftOut: Record<string, number>
  readonly violations: Violations
  linesRead: number
  lineNumber: number
}

/** At most `maxJobs` jobs: the first ones. Throws `invalid-argument` with the numbers of the lines that are no jobs. */
export async function readSwf(path: string, maxJobs = maxTraceJobs): Promise<SwfTrace> {
  const file = createReadStream(path)
  const reading: Reading = {
    ...{ jobs: [], seen: new Set(), leftOut: {}, violations: gatherViolations() },
    ...{ linesRead: 0, lineNumber: 0 },
  }
  try {
    const reader = utf8Reader(`the trace ${path}`)
    let rest = ''
    for await (const piece of await unzipped(file)) {
      const lines = `${rest}${reader.next(piece)}`.split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > maxLineCharacters) refuseLength(reading)
      for (const line of lines) take(reading, line)
      if (reading.jobs.length >= maxJobs) break
    }
    if (reading.jobs.length < maxJobs) take(reading, rest + reader.end())
  } catch (cause) {
    if (cause instanceof PilotageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new PilotageError('invalid-argument', `reading the trace ${path}: ${reason}`, { cause })
  } finally {
    file.destroy()
  }
  reading.violations.settle(`reading the trace ${path}`)
  const jobs = reading.jobs.slice(0, maxJobs).sort((a, b) => a.submitSeconds - b.submitSeconds || a.number - b.number)
  return { jobs, linesRead: reading.linesRead, leftOut: reading.leftOut }
}

function take(reading: Reading, line: string): void {
  reading.lineNumber += 1
  if (line.length > maxLineCharacters) refuseLength(reading)
  const text = line.trim()
  if (text === '' || text.startsWith(';')) return
  reading.linesRead += 1
  const job = swfJob(text)
  if (job === undefined) {
    reading.violations.add(`line ${reading.lineNumber}`, text, 'not a job', `${columnCount} numbers, a submit time from 0`)
    return
  }
  const reason = job.runSeconds < 0 ? 'no run time' : reading.seen.has(job.number) ? 'a further line of a job' : undefined
  if (reason !== undefined) {
    reading.leftOut[reason] = (reading.leftOut[reason] ?? 0) + 1
    return
  }
  reading.seen.add(job.number)
  reading.jobs.push(job)
}

function refuseLength({ lineNumber }: Reading): never {
  const message = `line ${lineNumber + 1} of the trace has more than ${maxLineCharacters} characters`
  throw new PilotageError('too-large', message)
}

/** Undefined: the line is no job. */
export function swfJob(text: string): SwfJob | undefined {
  const columns = text.split(/\s+/).map(decimalNumber)
  const at = (column: number): number => columns[column - 1] ?? -1
  const isWhole = columns.length === columnCount && columns.every((value) => Number.isFinite(value))
  if (!isWhole || at(1) < 0 || at(2) < 0) return undefined
  return {
    number: at(1),
    submitSeconds: at(2),
    runSeconds: at(4),
    cores: [at(5), at(8)].map(Math.round).find((cores) => cores > 0) ?? 1,
    requestedSeconds: at(9),
    requestedMemoryKib: at(10),
    user: at(12),
    group: at(13),
    queue: at(15),
  }
}

/** A file as text, whether it is gzipped or not: what its first bytes say decides, and not its name. */
export async function unzipped(file: Readable): Promise<AsyncIterable<Uint8Array>> {
  const pieces = file[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const first: Uint8Array[] = []
  for (let bytes = 0; bytes < 2; bytes += first.at(-1)?.length ?? 0) {
    const { done, value } = await pieces.next()
    if (done) break
    first.push(value)
  }
  const head = Buffer.concat(first)
  const whole = (async function* () {
    yield head
    yield* { [Symbol.asyncIterator]: () => pieces }
  })()
  // An error on the way reaches the reader of what was unzipped.
  return isGzip(head) ? pipeline(Readable.from(whole), createGunzip(), () => {}) : whole
}
