/**
 * Progress of work in parts: a line with a bar on standard error, replaced as the work goes on.
 *
 * It is drawn only where standard error is a terminal: a log or a pipe gets nothing. It is drawn at most once per
 * `drawEveryMs`, so that a caller may report every piece. The clock is the caller's. After `end` the line is gone.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { bytesText, durationText } from '../../core/kernel/quantities.ts'
import type { Terminal } from './terminal.ts'

export type ProgressOptions = {
  /** What is done, as `killing jobs`. */
  readonly doing: string
  /** Absent: not known. */
  readonly total?: number
  readonly unit: 'jobs' | 'bytes' | 'files'
}

export type Progress = {
  /** What is done so far, counted from the beginning. */
  reached(done: number): void
  /** So much more is done. */
  advanced(more: number): void
  /** Takes the line away, also where the work failed. May be called twice. */
  end(): void
}

/** A reader sees ten changes per second; a terminal over ssh carries them. */
const drawEveryMs = 100
const barWidth = 24
/** The time that is left is guessed only after this time: before, the guess jumps. */
const guessAfterMs = 2000

export function startProgress(terminal: Terminal, clock: Clock, options: ProgressOptions): Progress {
  const beginMs = clock.monotonicMs()
  let done = 0
  let nextMs = beginMs
  let hasLine = false
  const draw = (): void => {
    const nowMs = clock.monotonicMs()
    if (terminal.progressColumns === undefined || nowMs < nextMs) return
    nextMs = nowMs + drawEveryMs
    hasLine = true
    terminal.progress(progressText(options, done, nowMs - beginMs))
  }
  const progress: Progress = {
    reached(now) {
      done = now
      draw()
    },
    advanced: (more) => progress.reached(done + more),
    end() {
      if (hasLine) terminal.progress('')
      hasLine = false
    },
  }
  return progress
}

export function progressText({ doing, total, unit }: ProgressOptions, done: number, spentMs: number): string {
  const amount = (value: number): string => (unit === 'bytes' ? bytesText(value) : String(value))
  const noun = unit === 'bytes' ? '' : ` ${unit}`
  if (total === undefined) return `${doing}: ${amount(done)}${noun}`
  const part = total === 0 ? 1 : Math.min(1, done / total)
  const full = Math.floor(part * barWidth)
  const bar = `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}]`
  const left = part > 0 && part < 1 && spentMs >= guessAfterMs ? `, ${leftText((spentMs / part) * (1 - part))} left` : ''
  return `${doing}: ${bar} ${Math.floor(part * 100)}% ${amount(done)} of ${amount(total)}${noun}${left}`
}

function leftText(ms: number): string {
  return durationText(Math.max(1, Math.round(ms / 1000)) * 1000)
}
