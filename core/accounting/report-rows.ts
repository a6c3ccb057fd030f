/** Rows of a report that count attempts and VMs apart: the daily sums count records of both kinds. */

import { plusMeasures, type UsageAttribute, type UsageMeasures, type UsageRow } from '../model/usage-record.ts'

export type ReportRow = {
  /** In the order of the attributes asked for. */
  readonly values: readonly string[]
  readonly attempts: number
  readonly vms: number
  readonly measures: UsageMeasures
}

/** What the rows are asked by: the kind is last where it is not asked for, so that equal values are neighbours. */
export function askedBy(by: readonly UsageAttribute[]): readonly UsageAttribute[] {
  return by.includes('kind') ? by : [...by, 'kind']
}

/** `rows`: by `askedBy(by)`. */
export function reportRows(by: readonly UsageAttribute[], rows: readonly UsageRow[]): readonly ReportRow[] {
  const kindAt = askedBy(by).indexOf('kind')
  const folded: ReportRow[] = []
  for (const { values: all, measures } of rows) {
    const values = all.slice(0, by.length)
    const isVm = all[kindAt] === 'vm'
    const row = { values, attempts: isVm ? 0 : measures.records, vms: isVm ? measures.records : 0, measures }
    const last = folded.at(-1)
    if (last && values.every((value, at) => value === last.values[at])) folded[folded.length - 1] = joined(last, row)
    else folded.push(row)
  }
  return folded
}

function joined(a: ReportRow, b: ReportRow): ReportRow {
  const measures = plusMeasures(a.measures, b.measures)
  return { values: a.values, attempts: a.attempts + b.attempts, vms: a.vms + b.vms, measures }
}
