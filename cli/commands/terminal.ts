/**
 * What commands write: aligned tables, times, and refusals, safe for a terminal.
 *
 * Names and reasons come from other people; control characters in them would move the reader's cursor or rename the window,
 * so every text is shown as what it is, and only bytes are written as they are. Knows nothing of the service.
 */

import type { PilotageError } from '../../core/kernel/errors.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { cutText, jsonText, visibleLines, visibleText } from '../../core/kernel/text.ts'

export interface Terminal {
  /** Whether standard output is a terminal, which acts on what it is given. */
  readonly isTerminal: boolean
  /** To standard output. Resolves when there is room for more. */
  write(text: string | Uint8Array): Promise<void>
  /** A line to standard error. */
  say(line: string): void
  /** Replaces the line of standard error that it wrote last; does nothing where nobody looks. */
  progress(line: string): void
}

/** The same terminal, on whose text no terminal acts, whatever a command forgot. Bytes pass as they are. */
export function safeTerminal(terminal: Terminal): Terminal {
  return {
    isTerminal: terminal.isTerminal,
    write: (text) => terminal.write(typeof text === 'string' ? visibleLines(text) : text),
    say: (line) => terminal.say(visibleLines(line)),
    progress: (line) => terminal.progress(visibleText(line)),
  }
}

export type Column<Row> = {
  readonly title: string
  readonly right?: boolean
  readonly most?: number
  cell(row: Row): string | number
}

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell, most = 60 }) => cutText(visibleText(String(cell(row))), most))),
  ]
  const widths = columns.map((_, index) => lines.reduce((width, line) => Math.max(width, line[index]?.length ?? 0), 0))
  const pad = (text: string, index: number): string =>
    columns[index]?.right ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0)
  return `${lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')}\n`
}

/** One value for machines: JSON and a line end. Lists are one value a line. */
export function jsonLine(value: unknown): string {
  return `${jsonText(value)}\n`
}

/** `2026-03-28 17:05:09`, UTC; a dash where there is none. */
export function timeText(atMs: number): string {
  return atMs === 0 ? '-' : new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')
}

/** From one moment to another; a dash where one of them has not come. */
export function spanText(fromMs: number, toMs: number): string {
  return fromMs === 0 || toMs === 0 ? '-' : durationText(Math.max(0, toMs - fromMs))
}

/** `17`, `17 to 19`, or `17, 19, 21 and 5 more`. */
export function idsText(ids: readonly number[]): string {
  const [first, last] = [ids[0], ids.at(-1)]
  if (first === undefined || last === undefined) return 'none'
  if (ids.length === 1) return String(first)
  if (ids.every((id, index) => id === first + index)) return `${first} to ${last}`
  const more = ids.length > 10 ? ` and ${ids.length - 10} more` : ''
  return `${ids.slice(0, 10).join(', ')}${more}`
}

/** As people read it: what was refused, then each wrong field with what would be accepted. */
export function refusalText(error: PilotageError): string {
  const lines = [`pilotage: ${visibleText(error.message)} [${error.code}]`]
  for (const { path, value, rule, accepted } of error.violations) {
    const given = value === '' ? '' : ` (given: ${visibleText(value)})`
    lines.push(`  ${visibleText(path)}: ${visibleText(rule)}${given}; accepted: ${visibleText(accepted)}`)
  }
  if (error.retryAfterMs > 0) lines.push(`  come again in ${durationText(error.retryAfterMs)}`)
  return lines.join('\n')
}

export function refusalJson(error: PilotageError): string {
  const { code, message, violations, retryAfterMs } = error
  return jsonText({ error: { code, message, violations, retryAfterMs } })
}
