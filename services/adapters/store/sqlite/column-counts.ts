/**
 * Counts of jobs by one or two attributes, from the columns alone. The texts that hashes stand for are asked for at the end,
 * of one job per row of the answer.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import type { CountQuery, JobCounts } from '../../../../core/model/job-counts.ts'
import { newCounting } from '../../../../core/model/job-counts.ts'
import type { CountedAttribute } from '../../../../core/model/job-filter.ts'
import { jobStates } from '../../../../core/model/job.ts'
import type { Owner } from '../../../../core/model/owner.ts'
import { type Scan, newSelection, select } from './column-scan.ts'
import { type Chunk, chunkJobs, chunksInOrder, type Columns } from './columns.ts'

type Cell = { count: number; readonly codes: readonly number[]; readonly anyId: JobId }

export type CountSources = {
  readonly owners: ReadonlyMap<number, Owner>
  /** Of this job; undefined: it is gone. */
  textOf(id: JobId, attribute: 'name' | 'jobGroup' | 'jobType'): string | undefined
}

const chunksPerTurn = 1

/** Yields now and then. */
export function* countIn(
  columns: Columns,
  scan: Scan,
  { by, limit }: CountQuery,
  sources: CountSources,
): Generator<undefined, JobCounts> {
  const [first, second] = by.map((attribute) => coderOf(attribute, sources.owners))
  const cells = new Map<number, Map<number, Cell>>()
  const selection = newSelection()
  let turns = 0
  for (const chunk of chunksInOrder(columns, false)) {
    select(chunk, scan, selection)
    for (let count = 0; count < selection.length; count += 1) {
      const at = selection.positions[count] ?? 0
      const code = first ? first.code(chunk, at) : 0
      const otherCode = second ? second.code(chunk, at) : 0
      const row = cells.get(code) ?? new Map<number, Cell>()
      if (row.size === 0) cells.set(code, row)
      const cell = row.get(otherCode)
      if (cell) cell.count += 1
      else {
        const anyId = (chunk.number * chunkJobs + at) as JobId
        row.set(otherCode, { count: 1, codes: [code, otherCode], anyId })
      }
    }
    turns += 1
    if (turns % chunksPerTurn === 0) yield
  }
  const all = [...cells.values()].flatMap((row) => [...row.values()]).sort((a, b) => b.count - a.count)
  return answerOf(all, by, limit, columns, sources, [first, second])
}

type Coder = { code(chunk: Chunk, at: number): number; text?(code: number): string }

function coderOf(attribute: CountedAttribute, owners: ReadonlyMap<number, Owner>): Coder {
  switch (attribute) {
    case 'state':
      return { code: ({ state }, at) => (state[at] ?? 1) - 1, text: (code) => jobStates[code] ?? '' }
    case 'site':
    case 'cloud':
    case 'name':
    case 'jobGroup':
    case 'jobType':
      return { code: (chunk, at) => chunk[attribute][at] ?? 0 }
    default:
      return ownerCoder(attribute, owners)
  }
}

/** Owners of one VO have one number. */
function ownerCoder(attribute: keyof Owner, owners: ReadonlyMap<number, Owner>): Coder {
  const texts: string[] = []
  const numbers = new Map<string, number>()
  const codes = new Map<number, number>()
  for (const [ref, owner] of owners) {
    const text = owner[attribute]
    const number = numbers.get(text) ?? texts.push(text) - 1
    numbers.set(text, number)
    codes.set(ref, number)
  }
  return { code: ({ owner }, at) => codes.get(owner[at] ?? 0) ?? -1, text: (code) => texts[code] ?? '' }
}

function answerOf(
  cells: readonly Cell[],
  by: readonly CountedAttribute[],
  limit: number,
  { words }: Columns,
  sources: CountSources,
  coders: readonly (Coder | undefined)[],
): JobCounts {
  const textOf = (cell: Cell, attribute: CountedAttribute, at: number): string | undefined => {
    const code = cell.codes[at] ?? 0
    const text = coders[at]?.text
    if (text) return text(code)
    if (attribute === 'site' || attribute === 'cloud') return words.get(code) ?? ''
    return sources.textOf(cell.anyId, attribute as 'name' | 'jobGroup' | 'jobType')
  }
  const counting = newCounting()
  const rest = { rows: 0, jobs: 0 }
  let shown = 0
  for (const cell of cells) {
    const values = shown < limit ? by.map((attribute, at) => textOf(cell, attribute, at)) : []
    // A job that is gone by now cannot say its text any more.
    if (shown < limit && values.every((value) => value !== undefined)) {
      counting.add(values, cell.count)
      shown += 1
    } else {
      rest.rows += 1
      rest.jobs += cell.count
    }
  }
  const { rows, jobs } = counting.result(limit)
  return { rows, jobs: jobs + rest.jobs, others: rest }
}
