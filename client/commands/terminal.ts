/**
 * What commands write: aligned tables, times, and refusals, safe for a terminal.
 *
 * Names and reasons come from other people; control characters in them would move the reader's cursor or rename the window,
 * so they are shown as what they are. Knows nothing of the service.
 */

import type { PilotageError } from '../../core/errors.ts'
import { durationText } from '../../core/requirements.ts'

export interface Terminal {
  /** To standard output. Resolves when there is room for more. */
  write(text: string | Uint8Array): Promise<void>
  /** A line to standard error. */
  say(line: string): void
  /** Replaces the line of standard error that it wrote last; does nothing where nobody looks. */
  progress(line: string): void
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
    ...rows.map((row) => columns.map(({ cell, most = 60 }) => cut(plain(String(cell(row))), most))),
  ]
  const widths = columns.map((_, index) => lines.reduce((width, line) => Math.max(width, line[index]?.length ?? 0), 0))
  const pad = (text: string, index: number): string =>
    columns[index]?.right ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0)
  return `${lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')}\n`
}

/** Without control characters, the escape of terminals among them. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
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
  const lines = [`pilotage: ${plain(error.message)} [${error.code}]`]
  for (const { path, value, rule, accepted } of error.violations) {
    const given = value === '' ? '' : ` (given: ${plain(value)})`
    lines.push(`  ${plain(path)}: ${plain(rule)}${given}; accepted: ${plain(accepted)}`)
  }
  if (error.retryAfterMs > 0) lines.push(`  come again in ${durationText(error.retryAfterMs)}`)
  return lines.join('\n')
}

export function refusalJson(error: PilotageError): string {
  const { code, message, violations, retryAfterMs } = error
  return JSON.stringify({ error: { code, message, violations, retryAfterMs } })
}
