/**
 * How commands write values: aligned tables, times, spans and ids for people, JSON lines for programs. Every text in a table
 * is shown with its control characters spelled out. Pure.
 */

import { durationText } from '../../core/kernel/quantities.ts'
import { cutText, jsonText, visibleText } from '../../core/kernel/text.ts'

export type Column<Row> = {
  readonly title: string
  readonly right?: boolean
  /** On a terminal; default 60. */
  readonly maxWidth?: number
  cell(row: Row): string | number
  /** Where the terminal has colours. */
  tone?(row: Row): Tone | undefined
}

export type Tone = 'good' | 'bad' | 'busy' | 'faint'

const tones: Readonly<Record<Tone, string>> = { good: '32', bad: '31', busy: '36', faint: '2' }

/** Of the state of a job or a VM. */
export function stateTone({ state }: { readonly state: string }): Tone | undefined {
  switch (state) {
    case 'Done':
    case 'Active':
      return 'good'
    case 'Failed':
    case 'Lost':
      return 'bad'
    case 'Running':
    case 'Completing':
    case 'Booting':
      return 'busy'
    case 'Killed':
    case 'Gone':
      return 'faint'
    default:
      return undefined
  }
}

/** On a terminal long cells are cut; a file or a pipe gets them whole. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  isTerminal = false,
  hasColors = false,
): string {
  const shown = (text: string, maxWidth = 60): string =>
    isTerminal ? cutText(visibleText(text), maxWidth) : visibleText(text)
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell, maxWidth }) => shown(String(cell(row)), maxWidth))),
  ]
  const widths = columns.map((_, index) => lines.reduce((width, line) => Math.max(width, line[index]?.length ?? 0), 0))
  const pad = (text: string, index: number): string =>
    columns[index]?.right ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0)
  if (!hasColors) return `${lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')}\n`
  const painted = lines.map((line, at) => {
    const row = at === 0 ? undefined : rows[at - 1]
    const codes = columns.map(({ tone }) => (at === 0 ? '1' : codeOf(row && tone?.(row))))
    return line.map((text, index) => inColor(pad(text, index), codes[index])).join('  ')
  })
  return `${painted.join('\n')}\n`
}

function codeOf(tone: Tone | undefined): string | undefined {
  return tone && tones[tone]
}

function inColor(text: string, code: string | undefined): string {
  return code === undefined ? text : `\u001b[${code}m${text}\u001b[0m`
}

/** One value for programs: JSON and a line end. */
export function jsonLine(value: unknown): string {
  return `${jsonText(value)}\n`
}

/** A list for programs: one value per line. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map(jsonLine).join('')
}

/** `2026-03-28 17:05:09`, UTC; a dash for 0. */
export function timeText(atMs: number): string {
  return atMs === 0 ? '-' : new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')
}

/** From one time to another; a dash while one of them is 0. */
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
