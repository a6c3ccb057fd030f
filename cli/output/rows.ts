/**
 * A list of things, as a command prints it: a table for people, JSON Lines with `--json`, only the names with
 * `--quiet`. Tables have colours on a terminal that wants them.
 */

import { jsonLines, type Column, table } from './table.ts'
import type { Terminal } from './terminal.ts'

export type RowOptions = { readonly json?: boolean; readonly quiet?: boolean }

export const quietOption = ['-q, --quiet', 'print only the names or numbers, one per line'] as const

export async function writeRows<Row>(
  terminal: Terminal,
  { json, quiet }: RowOptions,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  nameOf: (row: Row) => string | number,
): Promise<void> {
  if (quiet) await terminal.write(rows.map((row) => `${nameOf(row)}\n`).join(''))
  else if (json) await terminal.write(jsonLines(rows))
  else await writeTable(terminal, columns, rows)
}

export async function writeTable<Row>(
  terminal: Terminal,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): Promise<void> {
  const { isTerminal, hasColors = false } = terminal
  const text = table(columns, rows, isTerminal, hasColors)
  // As bytes: the colours are meant for the terminal, and every cell has its controls spelled out.
  await terminal.write(hasColors ? Buffer.from(text) : text)
}
