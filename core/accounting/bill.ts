/**
 * Bills: what each VO pays of a period, from the daily sums. The whole price of each VM is on the bills, once.
 *
 * A VO pays what its attempts held, and what was left over of VMs that served it alone. What was left over of VMs that
 * served several VOs is divided among the VOs in proportion to what their attempts cost.
 */

import type { UsageAttribute, UsageRow } from '../model/usage-record.ts'

/** What the rows of a bill are asked by. */
export const billedBy: readonly UsageAttribute[] = ['vo', 'kind']

/** Money in millionths of the unit of prices. */
export type BillLine = {
  /** Empty: no attempt ran, so that what is shared cannot be divided. */
  readonly vo: string
  readonly attempts: number
  readonly coreMs: number
  readonly usedMicros: number
  readonly ownOverheadMicros: number
  readonly sharedOverheadMicros: number
  readonly totalMicros: number
}

type Part = { attempts: number; coreMs: number; usedMicros: number; ownMicros: number }

/** `rows`: by `billedBy`. By VO; equal rows give equal bills. */
export function billOf(rows: readonly UsageRow[]): readonly BillLine[] {
  const parts = new Map<string, Part>()
  let sharedMicros = 0
  for (const { values, measures } of rows) {
    const [vo = '', kind] = values
    if (kind === 'vm' && vo === '') {
      sharedMicros += measures.moneyMicros
      continue
    }
    const part = parts.get(vo) ?? { attempts: 0, coreMs: 0, usedMicros: 0, ownMicros: 0 }
    parts.set(vo, part)
    if (kind === 'vm') {
      part.ownMicros += measures.moneyMicros
      continue
    }
    part.attempts += measures.records
    part.coreMs += measures.coreMs
    part.usedMicros += measures.moneyMicros
  }
  if (parts.size === 0) parts.set('', { attempts: 0, coreMs: 0, usedMicros: 0, ownMicros: 0 })
  const lines = [...parts].sort(([a], [b]) => (a < b ? -1 : 1))
  const shares = divided(
    sharedMicros,
    lines.map(([, { usedMicros, coreMs }]) => ({ usedMicros, coreMs })),
  )
  return lines.map(([vo, { attempts, coreMs, usedMicros, ownMicros }], at) => {
    const sharedOverheadMicros = shares[at] ?? 0
    const totalMicros = usedMicros + ownMicros + sharedOverheadMicros
    return { vo, attempts, coreMs, usedMicros, ownOverheadMicros: ownMicros, sharedOverheadMicros, totalMicros }
  })
}

/** Whole numbers whose sum is `whole`: by cost, by core time where nothing cost anything, else in equal parts. */
function divided(
  whole: number,
  among: readonly { readonly usedMicros: number; readonly coreMs: number }[],
): readonly number[] {
  const byCost = among.map(({ usedMicros }) => usedMicros)
  const byTime = among.map(({ coreMs }) => coreMs)
  const weights = [byCost, byTime].find((some) => some.some((weight) => weight > 0)) ?? among.map(() => 1)
  const sum = weights.reduce((all, weight) => all + weight, 0)
  let [given, reached] = [0, 0]
  return weights.map((weight) => {
    reached += weight
    const upTo = reached === sum ? whole : Math.round((whole * reached) / sum)
    const part = upTo - given
    given = upTo
    return part
  })
}
