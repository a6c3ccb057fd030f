/**
 * Counts of jobs by one or two of their attributes, the most frequent first, bounded: what is beyond the bound is said as a
 * number. Decides the order and the bound; the stores count.
 */

import type { CountedAttribute } from './job-filter.ts'

/** `values`: in the order of the attributes that were asked for. */
export type CountRow = { readonly values: readonly string[]; readonly count: number }

/** `others`: rows beyond the bound, and the jobs that they count. */
export type JobCounts = {
  readonly rows: readonly CountRow[]
  readonly jobs: number
  readonly others: { readonly rows: number; readonly jobs: number }
}

export const maxCountRows = 1000
export const maxCountedAttributes = 2

export type CountQuery = { readonly by: readonly CountedAttribute[]; readonly limit: number }

export type Counting = {
  add(values: readonly string[], count: number): void
  result(limit: number): JobCounts
}

export function newCounting(): Counting {
  const sums = new Map<string, { readonly values: readonly string[]; count: number }>()
  return {
    add(values, count) {
      // Texts of jobs have no control characters.
      const key = values.join('\u0000')
      const known = sums.get(key)
      if (known) known.count += count
      else sums.set(key, { values, count })
    },
    result: (limit) => boundedCounts([...sums.values()], limit),
  }
}

/** Rows with equal counts are in the order of their texts. */
function boundedCounts(all: readonly CountRow[], limit: number): JobCounts {
  const sorted = all.toSorted((a, b) => b.count - a.count || compareTexts(a.values, b.values))
  const rows = sorted.slice(0, limit).map(({ values, count }) => ({ values, count }))
  const jobs = sumOf(sorted)
  return { rows, jobs, others: { rows: sorted.length - rows.length, jobs: jobs - sumOf(rows) } }
}

function sumOf(rows: readonly CountRow[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0)
}

function compareTexts(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((text, index) => text !== b[index])
  return at < 0 ? 0 : (a[at] ?? '') < (b[at] ?? '') ? -1 : 1
}
