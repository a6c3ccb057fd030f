/**
 * The share tree as operators set it: VO, group and owner, each with a weight beside the others of its level.
 *
 * A weight says how much of what is shared at its level a node may have while others of its level ask as well. What is not
 * named has the weight 1.
 */

/** `[vo]`, `[vo, group]` or `[vo, group, owner]`. */
export type SharePath = readonly [vo: string, group?: string, owner?: string]

/** One node whose weight was set. */
export type ShareWeight = { readonly path: SharePath; readonly weight: number }

export type Weights = {
  /** Of a node of the tree, 1 where none was set. */
  of(path: SharePath): number
}

const defaultWeight = 1
/** What a weight may be. Between the largest and the smallest a node still gets its turn within a day. */
export const weightBounds = { min: 0.001, max: 1_000_000 } as const
/** Weights that are set in all: each is read by every process. */
export const maxWeights = 10_000

export const equalWeights: Weights = { of: () => defaultWeight }

/** Later ones win. */
export function weightsOf(set: readonly ShareWeight[]): Weights {
  const known = new Map(set.map(({ path, weight }) => [shareKey(path), weight]))
  return { of: (path) => known.get(shareKey(path)) ?? defaultWeight }
}

export function shareKey(path: SharePath): string {
  return path.join('\u0000')
}

export function isWeight(weight: number): boolean {
  return weight >= weightBounds.min && weight <= weightBounds.max
}
