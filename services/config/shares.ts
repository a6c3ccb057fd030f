/** The part `shares`: how fast use is forgotten, and the weights of the share tree before an operator changes them. */

import { usageHalfLifeMs } from '../../core/kernel/limits.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { type ShareWeight, shareKey, type SharePath, weightBounds } from '../../core/share/weights.ts'
import { absent, decimal, duration, list, mapping, name, needed, optional, type Read } from './fields.ts'

const hours = 60 * 60 * 1000
const days = 24 * hours

/** A file names VOs and groups; owners by the thousand are set at run time. */
const maxWeightsInFile = 1000

const weight = mapping({
  vo: needed(name),
  group: absent(name),
  owner: absent(name),
  weight: needed(decimal(weightBounds.min, weightBounds.max)),
})

export const shares = mapping({
  halfLife: optional(duration(1 * hours, 365 * days), usageHalfLifeMs),
  weights: optional(list(weight, maxWeightsInFile), []),
})

type Shares = Read<typeof shares>

export type SharesConfig = { readonly halfLifeMs: number; readonly weights: readonly ShareWeight[] }

export function checkShares({ weights }: Shares, violations: Violations): void {
  const seen = new Set<string>()
  for (const [at, one] of weights.entries()) {
    const path = `shares.weights[${at}]`
    if (one.owner !== undefined && one.group === undefined) {
      violations.add(`${path}.group`, undefined, 'missing', 'the group of the owner')
      continue
    }
    const key = shareKey(pathOf(one))
    if (seen.has(key)) violations.add(path, key.replaceAll('\u0000', '/'), 'named twice', 'one weight for each node')
    seen.add(key)
  }
}

export function compileShares({ halfLife, weights }: Shares): SharesConfig {
  return { halfLifeMs: halfLife, weights: weights.map((one) => ({ path: pathOf(one), weight: one.weight })) }
}

function pathOf({ vo, group, owner }: Shares['weights'][number]): SharePath {
  if (group === undefined) return [vo]
  return owner === undefined ? [vo, group] : [vo, group, owner]
}
