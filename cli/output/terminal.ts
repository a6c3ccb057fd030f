/**
 * Where commands write: results to standard output, notices and progress to standard error.
 *
 * Names and reasons come from other people; control characters in them could move the reader's cursor or rename the window,
 * so every text is shown with them spelled out, and only bytes are written as they are.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { visibleLines, visibleText } from '../../core/kernel/text.ts'

export interface Terminal {
  /** Whether standard output is a terminal, which acts on control characters. */
  readonly isTerminal: boolean
  /** Whether tables have colours. */
  readonly hasColors?: boolean
  /** Columns of standard error; absent: it is no terminal, and shows no bars. */
  readonly progressColumns?: number
  /** To standard output. Resolves when there is room for more; false where its reader is gone and the text is lost. */
  write(text: string | Uint8Array): Promise<boolean>
  /** To standard error, as `write`. */
  writeError(bytes: Uint8Array): Promise<boolean>
  /** A line to standard error. */
  say(line: string): void
  /** Replaces the progress line on standard error; in a log it appears at times. */
  progress(line: string): void
}

/** In a log, which keeps every line, progress appears once in this time. */
const loggedProgressMs = 5000
const defaultColumns = 80

type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>

/** Colours only on a terminal that has them, and not where NO_COLOR has a value. */
export function wantsColors({ NO_COLOR, TERM }: Readonly<Record<string, string | undefined>>): boolean {
  return !NO_COLOR && TERM !== undefined && TERM !== '' && TERM !== 'dumb'
}

export function streamTerminal(stdout: Output, stderr: Output, clock: Clock, mayColor = false): Terminal {
  let hasProgress = false
  let nextMs = 0
  const clear = (): void => {
    if (hasProgress) stderr.write('\r\u001b[K')
    hasProgress = false
  }
  return {
    isTerminal: stdout.isTTY === true,
    hasColors: stdout.isTTY === true && mayColor,
    ...(stderr.isTTY === true ? { progressColumns: stderr.columns || defaultColumns } : {}),
    write(text) {
      clear()
      return new Promise((resolve) => stdout.write(text, (error) => resolve(!error)))
    },
    writeError(bytes) {
      clear()
      return new Promise((resolve) => stderr.write(bytes, (error) => resolve(!error)))
    },
    say(line) {
      clear()
      stderr.write(`${line}\n`)
    },
    progress(line) {
      if (!stderr.isTTY) {
        if (line === '' || clock.monotonicMs() < nextMs) return
        nextMs = clock.monotonicMs() + loggedProgressMs
        stderr.write(`${line}\n`)
        return
      }
      clear()
      if (line === '') return
      stderr.write(line.slice(0, Math.max(20, (stderr.columns || defaultColumns) - 1)))
      hasProgress = true
    },
  }
}

/** The same terminal, which no text can control, whatever a command forgot. Bytes pass as they are. */
export function safeTerminal(terminal: Terminal): Terminal {
  return {
    ...terminal,
    write: (text) => terminal.write(typeof text === 'string' ? visibleLines(text) : text),
    say: (line) => terminal.say(visibleLines(line)),
    progress: (line) => terminal.progress(visibleText(line)),
  }
}
