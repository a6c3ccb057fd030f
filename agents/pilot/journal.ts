/**
 * What must outlive the pilot's process: which attempts it took, which process groups it started, which ends it owes.
 *
 * Append-only JSON lines. An end is on disk (one fdatasync for all of a moment) before its report is sent; the other lines
 * need only outlive the process, since a payload does not outlive the machine either. What stays true: a torn last line, of
 * a machine that lost its power, costs that line only; the file is rewritten at the start and when it has grown large.
 */

import { open, readFile, rename, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Result } from '../../core/model/attempt.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { keyOf } from './held.ts'
import type { ProcessMark } from './processes.ts'
import type { Resources } from '../../core/model/resources.ts'

export type JournalLine =
  /** One a life of the pilot: report ids of different lives never meet. */
  | { readonly kind: 'life'; readonly life: number }
  | (AttemptRef & { readonly kind: 'taken'; readonly size: Resources; readonly hasOutputFiles?: boolean })
  | (AttemptRef & { readonly kind: 'started'; readonly mark: ProcessMark; readonly startedMs: number })
  | (AttemptRef & { readonly kind: 'ended'; readonly reportId: number; readonly result: Result })
  /** What it wrote is delivered: its report is what is left to do. */
  | (AttemptRef & { readonly kind: 'kept' })
  | (AttemptRef & { readonly kind: 'forgotten' })

/** An attempt that a former life has left behind. */
export type Left = AttemptRef & {
  readonly size: Resources
  readonly hasOutputFiles?: boolean
  readonly isKept?: boolean
  readonly mark?: ProcessMark
  readonly startedMs: number
  readonly end?: { readonly reportId: number; readonly result: Result }
}

export type Replayed = { readonly life: number; readonly left: readonly Left[]; readonly brokenLines: number }

export type Journal = {
  readonly replayed: Replayed
  /** Handed to the system when it resolves the next `sync`; order is kept. */
  append(line: JournalLine): void
  /** Everything appended before is on disk. Calls during one sync share the next. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Report ids of a life start here: 4 billion reports a life, two million lives below 2^53. */
export function firstReportIdOf(life: number): number {
  return life * 2 ** 32 + 1
}

/** Rewritten beyond this; some ten thousand attempts. */
const rewriteBytes = 8 * 1024 * 1024

export function replay(text: string): Replayed {
  const left = new Map<string, Left>()
  let life = 0
  let brokenLines = 0
  for (const row of text.split('\n')) {
    if (row === '') continue
    const line = parse(row)
    if (!line) brokenLines += 1
    else if (line.kind === 'life') life = line.life
    else follow(left, line)
  }
  return { life, left: [...left.values()], brokenLines }
}

export async function openJournal(path: string): Promise<Journal> {
  const text = await readFile(path, 'utf8').catch(emptyIfAbsent)
  const before = replay(text)
  const replayed = { ...before, life: before.life + 1 }
  const left = new Map(replayed.left.map((one) => [keyOf(one), one]))
  let { file, bytes } = await rewrite(path, replayed.life, left)
  let pending: string[] = []
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function write(): Promise<void> {
    const rows = pending
    pending = []
    if (bytes > rewriteBytes) {
      // `left` has followed the pending lines already: the new file holds what they say.
      const old = file
      ;({ file, bytes } = await rewrite(path, replayed.life, left))
      await old.close()
      return
    }
    if (rows.length === 0) return
    const chunk = rows.join('')
    await file.appendFile(chunk)
    await file.datasync()
    bytes += Buffer.byteLength(chunk)
  }

  function sync(): Promise<void> {
    if (!running) {
      running = write().finally(() => {
        running = undefined
      })
      return running
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return sync()
      })
    return next
  }

  return {
    replayed,
    append(line) {
      if (line.kind !== 'life') follow(left, line)
      pending.push(`${JSON.stringify(line)}\n`)
    },
    sync,
    async close() {
      await sync()
      await file.close()
    },
  }
}

async function rewrite(
  path: string,
  life: number,
  left: ReadonlyMap<string, Left>,
): Promise<{ file: FileHandle; bytes: number }> {
  const rows = [{ kind: 'life', life } as const, ...[...left.values()].flatMap(linesOf)]
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  const file = await open(`${path}.new`, 'w', 0o600)
  await file.appendFile(text)
  await file.datasync()
  await rename(`${path}.new`, path)
  const folder = await open(dirname(path))
  await folder.sync()
  await folder.close()
  return { file, bytes: Buffer.byteLength(text) }
}

function linesOf({ jobId, attempt, size, hasOutputFiles, isKept, mark, startedMs, end }: Left): readonly JournalLine[] {
  const taken = { kind: 'taken', jobId, attempt, size, hasOutputFiles } as const
  const kept = isKept ? [{ kind: 'kept', jobId, attempt } as const] : []
  const started = mark ? [{ kind: 'started', jobId, attempt, mark, startedMs } as const] : []
  const ended = end ? [{ kind: 'ended', jobId, attempt, ...end } as const] : []
  return [taken, ...started, ...ended, ...kept]
}

function follow(left: Map<string, Left>, line: Exclude<JournalLine, { kind: 'life' }>): void {
  const key = keyOf(line)
  const one = left.get(key)
  const { jobId, attempt } = line
  if (line.kind === 'taken') {
    const { size, hasOutputFiles } = line
    left.set(key, { jobId, attempt, size, hasOutputFiles, startedMs: 0 })
  } else if (line.kind === 'forgotten') left.delete(key)
  else if (!one) return
  else if (line.kind === 'kept') left.set(key, { ...one, isKept: true })
  else if (line.kind === 'started') left.set(key, { ...one, mark: line.mark, startedMs: line.startedMs })
  else left.set(key, { ...one, end: { reportId: line.reportId, result: line.result } })
}

/** The file is ours and 0600: a line that parses is believed, one that does not is the torn one. */
function parse(row: string): JournalLine | undefined {
  try {
    const line: unknown = JSON.parse(row)
    return typeof line === 'object' && line !== null && 'kind' in line ? (line as JournalLine) : undefined
  } catch {
    return undefined
  }
}

function emptyIfAbsent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw error
}
